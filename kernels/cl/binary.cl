/* Functions of two floats; codes 0.. as in enum binary (kernels/op.h), then PRelu. */
enum { BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_POW, BIN_MIN, BIN_MAX, BIN_MOD, BIN_FMOD, BIN_PRELU = 100 };

#ifdef WITH_RARE
/* The remainder with the divisor's sign. */
inline VF modulo_v(VF a, VF b)
{
    VF r = fmod(a, b);
    r = select(r, r + b, (r < 0.0f & b > 0.0f) | (r > 0.0f & b < 0.0f));
    return select(r, copysign(r, b), r == 0.0f);
}
#endif

inline VF binary_v(VF a, VF b, int fn)
{
    switch (fn) {
    case BIN_ADD:
        return a + b;
    case BIN_SUB:
        return a - b;
    case BIN_MUL:
        return a * b;
    case BIN_DIV:
        return a / b;
    case BIN_MIN:
        return select(a, b, (b < a) | (b != b));       /* NaN where either is */
    case BIN_MAX:
        return select(a, b, (b > a) | (b != b));
    case BIN_PRELU:
        return select(a, a * b, a < 0.0f);
#ifdef WITH_RARE
    case BIN_POW:
        return pow(a, b);
    case BIN_MOD:
        return modulo_v(a, b);
    case BIN_FMOD:
        return fmod(a, b);
#endif
    default:
        return a;
    }
}

/* PLAIN tensors, or BLOCKED ones of one shape seen as flat storage. Tensors of the nest: a, b, y. */
kernel void binary_rows(global float *a, ulong a_at, global float *b, ulong b_at, global float *y, ulong y_at,
                        struct Nest nest, int fn, int act, float act_a, float act_b)
{
    a = AT(float, a, a_at);
    b = AT(float, b, b_at);
    y = AT(float, y, y_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int i = 0; i < n; i += V) {
            VF va = nest_load(a + at.s0 + i * nest.step[0], nest.step[0], n - i);
            VF vb = nest_load(b + at.s1 + i * nest.step[1], nest.step[1], n - i);
            nest_store(act_v(binary_v(va, vb, fn), act, act_a, act_b), y + at.s2 + i, n - i);
        }
    }
}

/* How an operand of a BLOCKED result is stored. */
enum { OPERAND_BLOCKED, OPERAND_ONE_CHANNEL, OPERAND_CHANNELS };

/* The block that starts at p: all channels, the first channel for all, or a PLAIN list of `limit` channels of
 * which `at` are behind us. */
inline VF load_block(global const float *p, int at, int kind, int limit)
{
    if (kind == OPERAND_ONE_CHANNEL)
        return (VF) (p[at]);
    if (kind == OPERAND_BLOCKED || at + V <= limit)
        return LOADV(0, p + at);
    float lane[V];
    for (int i = 0; i < V; i++)
        lane[i] = p[min(at + i, limit - 1)];
    return LOADV(0, lane);
}

/* A BLOCKED result with broadcast operands: the nest counts whole blocks. */
kernel void binary_blocks(global float *a, ulong a_at, global float *b, ulong b_at, global float *y, ulong y_at,
                          struct Nest nest, int a_kind, int a_limit, int b_kind, int b_limit, int fn, int act,
                          float act_a, float act_b)
{
    a = AT(float, a, a_at);
    b = AT(float, b, b_at);
    y = AT(float, y, y_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int i = 0; i < n; i++) {
            VF va = load_block(a, (at.s0 + i * nest.step[0]) * V, a_kind, a_limit);
            VF vb = load_block(b, (at.s1 + i * nest.step[1]) * V, b_kind, b_limit);
            STOREV(act_v(binary_v(va, vb, fn), act, act_a, act_b), 0, y + (at.s2 + i) * V);
        }
    }
}
