/* Functions of two numbers with NumPy broadcasting, and Where. */
#include "kernels/ref/ref.h"

#include <math.h>

static double pick(bool first, double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : first ? a : b;
}

/* The remainder with the divisor's sign. */
static double modulo(double a, double b)
{
    double r = fmod(a, b);
    if (r == 0)
        return copysign(r, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

double ref_binary_of(enum binary fn, double a, double b)
{
    switch (fn) {
    case BIN_ADD: return a + b;
    case BIN_SUB: return a - b;
    case BIN_MUL: return a * b;
    case BIN_DIV: return a / b;
    case BIN_POW: return pow(a, b);
    case BIN_MIN: return pick(a < b, a, b);
    case BIN_MAX: return pick(a > b, a, b);
    case BIN_MOD: return modulo(a, b);
    case BIN_FMOD: return fmod(a, b);
    case BIN_EQUAL: return a == b;
    case BIN_LESS: return a < b;
    case BIN_LESS_EQUAL: return a <= b;
    case BIN_GREATER: return a > b;
    case BIN_GREATER_EQUAL: return a >= b;
    case BIN_AND: return a != 0 && b != 0;
    case BIN_OR: return a != 0 || b != 0;
    case BIN_XOR: return (a != 0) != (b != 0);
    default: return NAN;
    }
}

static int64_t power(int64_t base, int64_t exponent)
{
    /* Rounded towards zero; infinity, of 0, becomes what a cast makes of it. */
    if (exponent < 0)
        return base == 0 ? INT64_MIN : base == 1 || base == -1 ? (exponent & 1 ? base : 1) : 0;
    uint64_t result = 1, b = (uint64_t) base;
    for (; exponent; exponent >>= 1, b *= b)
        if (exponent & 1)
            result *= b;
    return (int64_t) result;
}

/* Wraps on overflow; -1 is taken apart because INT64_MIN / -1 traps. */
static int64_t quotient(int64_t a, int64_t b)
{
    return b == -1 ? (int64_t) -(uint64_t) a : a / b;
}

static int64_t remainder_like_divisor(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;
    return r && (r < 0) != (b < 0) ? r + b : r;
}

/* Beyond the width all bits are shifted out; to the right, the sign moves in. */
static int64_t shift(int64_t a, int64_t b, bool left)
{
    bool out = b < 0 || b > 63;
    if (left)
        return out ? 0 : (int64_t) ((uint64_t) a << b);
    return a >> (out ? 63 : b);
}

int64_t ref_binary_of_ints(enum binary fn, int64_t a, int64_t b)
{
    switch (fn) {
    case BIN_ADD: return (int64_t) ((uint64_t) a + (uint64_t) b);
    case BIN_SUB: return (int64_t) ((uint64_t) a - (uint64_t) b);
    case BIN_MUL: return (int64_t) ((uint64_t) a * (uint64_t) b);
    case BIN_DIV: return quotient(a, b);
    case BIN_POW: return power(a, b);
    case BIN_MIN: return a < b ? a : b;
    case BIN_MAX: return a > b ? a : b;
    case BIN_MOD: return remainder_like_divisor(a, b);
    case BIN_FMOD: return b == -1 ? 0 : a % b;
    case BIN_EQUAL: return a == b;
    case BIN_LESS: return a < b;
    case BIN_LESS_EQUAL: return a <= b;
    case BIN_GREATER: return a > b;
    case BIN_GREATER_EQUAL: return a >= b;
    case BIN_AND: return a & b;
    case BIN_OR: return a | b;
    case BIN_XOR: return a ^ b;
    case BIN_SHIFT_LEFT: return shift(a, b, true);
    case BIN_SHIFT_RIGHT: return shift(a, b, false);
    }
    return 0;
}

/* What differs when the highest bit is no sign. */
static int64_t of_u64(enum binary fn, uint64_t a, uint64_t b)
{
    switch (fn) {
    case BIN_DIV: return (int64_t) (a / b);
    case BIN_MOD: case BIN_FMOD: return (int64_t) (a % b);
    case BIN_MIN: return (int64_t) (a < b ? a : b);
    case BIN_MAX: return (int64_t) (a > b ? a : b);
    case BIN_LESS: return a < b;
    case BIN_LESS_EQUAL: return a <= b;
    case BIN_GREATER: return a > b;
    case BIN_GREATER_EQUAL: return a >= b;
    case BIN_SHIFT_RIGHT: return b > 63 ? 0 : (int64_t) (a >> b);
    default: return ref_binary_of_ints(fn, (int64_t) a, (int64_t) b);
    }
}

static bool divides(enum binary fn)
{
    return fn == BIN_DIV || fn == BIN_MOD || fn == BIN_FMOD;
}

enum cq_err ref_binary(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    enum binary fn = inst->op->u.binary;
    bool ints = !ref_is_float(a->type) && !ref_is_float(b->type);
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        int64_t ia = ref_broadcast(a, y, at), ib = ref_broadcast(b, y, at);
        if (ints) {
            int64_t divisor = ref_load_int(in[1], b->type, ib);
            if (!divisor && divides(fn))
                return CQ_INVALID;
            int64_t v = ref_load_int(in[0], a->type, ia);
            v = a->type == DT_U64 ? of_u64(fn, (uint64_t) v, (uint64_t) divisor) : ref_binary_of_ints(fn, v, divisor);
            ref_store_int(out[0], y->type, i, v);
        } else {
            double v = ref_binary_of(fn, ref_load(in[0], a->type, ia), ref_load(in[1], b->type, ib));
            ref_store(out[0], y->type, i, ref_act(inst->op, v));
        }
    }
    return CQ_OK;
}

enum cq_err ref_gated_sum(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        double sum = 0;
        for (int k = 0; k < inst->n_in; k += 2) {
            bool gated = k + 1 < inst->n_in && in[k + 1];
            double gate = gated ? ref_load(in[k + 1], DT_F32, ref_broadcast(&inst->in[k + 1], y, at)) : 1;
            sum += gate * ref_load(in[k], DT_F32, i);
        }
        ref_store(out[0], DT_F32, i, ref_act(inst->op, sum));
    }
    return CQ_OK;
}

enum cq_err ref_where(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        int from = ((const uint8_t *) in[0])[ref_broadcast(&inst->in[0], y, at)] ? 1 : 2;
        ref_move(out[0], i, in[from], ref_broadcast(&inst->in[from], y, at), dtype_size(y->type));
    }
    return CQ_OK;
}
