/* Functions of numbers of any type (kernels/cl/numbers.cl), as kernels/ref/ defines them, but that a quotient by 0 is
 * 0: a kernel cannot report it. Codes as in enum binary and enum unary (kernels/op.h).
 */
enum {
    BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_POW, BIN_MIN, BIN_MAX, BIN_MOD, BIN_FMOD,
    BIN_EQUAL, BIN_LESS, BIN_LESS_EQUAL, BIN_GREATER, BIN_GREATER_EQUAL, BIN_AND, BIN_OR, BIN_XOR,
    BIN_SHIFT_LEFT, BIN_SHIFT_RIGHT
};

/* Two divisors trap: 0, and -1 of the lowest number. */
inline long quotient(long a, long b)
{
    return b == 0 ? 0 : b == -1 ? -a : a / b;
}

/* With the sign of a. */
inline long remainder_of(long a, long b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

inline long remainder_like_divisor(long a, long b)
{
    long r = remainder_of(a, b);
    return r && (r ^ b) < 0 ? r + b : r;
}

/* Wraps. With a negative exponent 1 and -1 alone have a whole power; that of 0 is what infinity becomes. */
inline long power(long base, long exponent)
{
    if (exponent < 0 && (base > 1 || base < -1))
        return 0;
    if (exponent < 0 && base == 0)
        return LONG_MIN;
    if (exponent < 0)
        return exponent & 1 ? base : 1;
    long result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

/* Beyond the width all bits are shifted out; to the right, the sign moves in. */
inline long shifted(long a, long b, bool left)
{
    bool out = b < 0 || b > 63;
    if (left)
        return out ? 0 : a << b;
    return a >> (out ? 63 : b);
}

#define EACH(VALUE) LANES to[i] = (VALUE); break

inline void binary_ints(long *to, const long *a, const long *b, int fn)
{
    switch (fn) {
    case BIN_ADD: EACH(a[i] + b[i]);
    case BIN_SUB: EACH(a[i] - b[i]);
    case BIN_MUL: EACH(a[i] * b[i]);
    case BIN_DIV: EACH(quotient(a[i], b[i]));
    case BIN_POW: EACH(power(a[i], b[i]));
    case BIN_MIN: EACH(min(a[i], b[i]));
    case BIN_MAX: EACH(max(a[i], b[i]));
    case BIN_MOD: EACH(remainder_like_divisor(a[i], b[i]));
    case BIN_FMOD: EACH(remainder_of(a[i], b[i]));
    case BIN_EQUAL: EACH(a[i] == b[i]);
    case BIN_LESS: EACH(a[i] < b[i]);
    case BIN_LESS_EQUAL: EACH(a[i] <= b[i]);
    case BIN_GREATER: EACH(a[i] > b[i]);
    case BIN_GREATER_EQUAL: EACH(a[i] >= b[i]);
    case BIN_AND: EACH(a[i] & b[i]);
    case BIN_OR: EACH(a[i] | b[i]);
    case BIN_XOR: EACH(a[i] ^ b[i]);
    case BIN_SHIFT_LEFT: EACH(shifted(a[i], b[i], true));
    default: EACH(shifted(a[i], b[i], false));
    }
}

inline void compare_floats(long *to, const float *a, const float *b, int fn)
{
    switch (fn) {
    case BIN_EQUAL: EACH(a[i] == b[i]);
    case BIN_LESS: EACH(a[i] < b[i]);
    case BIN_LESS_EQUAL: EACH(a[i] <= b[i]);
    case BIN_GREATER: EACH(a[i] > b[i]);
    default: EACH(a[i] >= b[i]);
    }
}

/* Integers, or floats compared. Tensors of the nest: a, b, y. */
kernel void binary_any(global char *a, ulong a_at, global char *b, ulong b_at, global char *y, ulong y_at,
                       struct Nest nest, int a_type, int b_type, int y_type, int fn)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int k = 0; k < n; k += V) {
            int a_from = at.s0 + k * nest.step[0], b_from = at.s1 + k * nest.step[1];
            long to[V];
            if (is_float(a_type)) {
                float va[V], vb[V];
                load_floats(va, a + a_at, a_type, a_from, nest.step[0], n - k);
                load_floats(vb, b + b_at, b_type, b_from, nest.step[1], n - k);
                compare_floats(to, va, vb, fn);
            } else {
                long va[V], vb[V];
                load_ints(va, a + a_at, a_type, a_from, nest.step[0], n - k);
                load_ints(vb, b + b_at, b_type, b_from, nest.step[1], n - k);
                binary_ints(to, va, vb, fn);
            }
            store_ints(to, y + y_at, y_type, at.s2 + k, n - k);
        }
    }
}

enum { UN_ABS, UN_NEG, UN_SIGN, UN_RELU = 22, UN_CLIP = 28, UN_NOT = 39, UN_ISNAN, UN_ISINF };

/* Below `low` becomes `low_value`; above `high`, `high_value`: the bounds need not be whole numbers. */
struct Clip {
    long low, low_value, high, high_value;
};

inline void unary_ints(long *to, const long *x, int fn, struct Clip c)
{
    switch (fn) {
    case UN_ABS: EACH(x[i] < 0 ? -x[i] : x[i]);
    case UN_NEG: EACH(-x[i]);
    case UN_SIGN: EACH((x[i] > 0) - (x[i] < 0));
    case UN_RELU: EACH(max(x[i], 0L));
    case UN_CLIP:
        LANES {
            long v = x[i] < c.low ? c.low_value : x[i];
            to[i] = v > c.high ? c.high_value : v;
        }
        break;
    case UN_NOT: EACH(x[i] == 0);
    default: EACH(x[i]);
    }
}

/* Integers, or questions about floats. Tensors of the nest: x, y. */
kernel void unary_any(global char *x, ulong x_at, global char *y, ulong y_at, struct Nest nest, int x_type, int y_type,
                      int fn, int minus_inf, int plus_inf, struct Clip clip)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int k = 0; k < n; k += V) {
            long ints[V], to[V];
            if (is_float(x_type)) {
                float f[V];
                load_floats(f, x + x_at, x_type, at.s0 + k, 1, n - k);
                LANES to[i] = fn == UN_ISNAN ? isnan(f[i])
                                             : (minus_inf && f[i] == -INFINITY) || (plus_inf && f[i] == INFINITY);
            } else {
                load_ints(ints, x + x_at, x_type, at.s0 + k, 1, n - k);
                unary_ints(to, ints, fn, clip);
            }
            store_ints(to, y + y_at, y_type, at.s1 + k, n - k);
        }
    }
}

/* Tensors of the nest: x, y. */
kernel void cast_any(global char *x, ulong x_at, global char *y, ulong y_at, struct Nest nest, int x_type, int y_type)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int k = 0; k < n; k += V) {
            float f[V];
            long to[V];
            if (is_float(y_type) || is_float(x_type))
                load_floats(f, x + x_at, x_type, at.s0 + k, 1, n - k);
            else
                load_ints(to, x + x_at, x_type, at.s0 + k, 1, n - k);
            if (is_float(y_type)) {
                store_floats(f, y + y_at, y_type, at.s1 + k, n - k);
                continue;
            }
            if (is_float(x_type) && y_type == DT_BOOL)
                LANES to[i] = f[i] != 0.0f;
            else if (is_float(x_type))
                floats_to_ints(to, f, y_type);
            store_ints(to, y + y_at, y_type, at.s1 + k, n - k);
        }
    }
}
