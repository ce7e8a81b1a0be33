/* Functions of one number: the UNARY operator, the fused activations, PRelu, Cast. */
#include "kernels/ref/ref.h"

#include <math.h>

static double softplus(double x)
{
    return log1p(exp(-fabs(x))) + fmax(x, 0);
}

static double clamp(double x, double low, double high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* x * normal distribution function; erfc(-z) is 1 + erf(z) without the cancellation. */
static double gelu(double x)
{
    return 0.5 * x * erfc(-x / M_SQRT2);
}

/* 1 + tanh(u) is 2 sigmoid(2u), which does not cancel. */
static double gelu_tanh(double x)
{
    return x * sigmoid(2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}

/* Elementary functions, without parameters. */
static double elementary(enum unary fn, double x)
{
    switch (fn) {
    case UN_ABS: return fabs(x);
    case UN_NEG: return -x;
    case UN_SIGN: return (x > 0) - (x < 0);
    case UN_EXP: return exp(x);
    case UN_LOG: return log(x);
    case UN_SQRT: return sqrt(x);
    case UN_RECIPROCAL: return 1 / x;
    case UN_FLOOR: return floor(x);
    case UN_CEIL: return ceil(x);
    case UN_ROUND: return rint(x);
    case UN_ERF: return erf(x);
    case UN_SIN: return sin(x);
    case UN_COS: return cos(x);
    case UN_TAN: return tan(x);
    case UN_ASIN: return asin(x);
    case UN_ACOS: return acos(x);
    case UN_ATAN: return atan(x);
    case UN_SINH: return sinh(x);
    case UN_COSH: return cosh(x);
    case UN_ASINH: return asinh(x);
    case UN_ACOSH: return acosh(x);
    case UN_ATANH: return atanh(x);
    case UN_TANH: return tanh(x);
    case UN_NOT: return x == 0;
    case UN_ISNAN: return isnan(x) != 0;
    default: return NAN;
    }
}

static double unary_of(enum unary fn, float a, float b, double x)
{
    switch (fn) {
    case UN_RELU: return x < 0 ? 0 : x;
    case UN_LEAKY: return x < 0 ? a * x : x;
    case UN_SIGMOID: return sigmoid(x);
    case UN_SILU: return x * sigmoid(x);
    case UN_HARD_SIGMOID: return clamp(a * x + b, 0, 1);
    case UN_HARD_SWISH: return x * clamp(x / 6 + 0.5, 0, 1);
    case UN_CLIP: return clamp(x, a, b);
    case UN_ELU: return x < 0 ? a * expm1(x) : x;
    case UN_SELU: return b * (x < 0 ? a * expm1(x) : x);
    case UN_CELU: return fmax(x, 0) + fmin(0, a * expm1(x / a));
    case UN_SOFTPLUS: return softplus(x);
    case UN_SOFTSIGN: return x / (1 + fabs(x));
    case UN_MISH: return x * tanh(softplus(x));
    case UN_GELU: return gelu(x);
    case UN_GELU_TANH: return gelu_tanh(x);
    case UN_THRESHOLDED_RELU: return x > a ? x : 0;
    case UN_ISINF: return (a != 0 && x == -INFINITY) || (b != 0 && x == INFINITY);
    case UN_SHRINK: return x < -a ? x + b : x > a ? x - b : 0;
    default: return elementary(fn, x);
    }
}

/* Indexed by enum act; ACT_NONE is not looked up. */
static const enum unary unary_of_act[] = {
    [ACT_RELU] = UN_RELU,
    [ACT_LEAKY] = UN_LEAKY,
    [ACT_SIGMOID] = UN_SIGMOID,
    [ACT_SILU] = UN_SILU,
    [ACT_HARD_SIGMOID] = UN_HARD_SIGMOID,
    [ACT_HARD_SWISH] = UN_HARD_SWISH,
    [ACT_CLIP] = UN_CLIP,
    [ACT_TANH] = UN_TANH,
};

double ref_act(const struct op *op, double x)
{
    return op->act == ACT_NONE ? x : unary_of(unary_of_act[op->act], op->act_a, op->act_b, x);
}

static bool is_exact_in_int(enum unary fn)
{
    switch (fn) {
    case UN_ABS: case UN_NEG: case UN_SIGN: case UN_RELU: case UN_CLIP: case UN_NOT: case UN_FLOOR: case UN_CEIL:
    case UN_ROUND:
        return true;
    default:
        return false;
    }
}

static int64_t unary_int(const struct op *op, int64_t x)
{
    switch (op->u.unary) {
    case UN_ABS: return x < 0 ? (int64_t) -(uint64_t) x : x;
    case UN_NEG: return (int64_t) -(uint64_t) x;
    case UN_SIGN: return (x > 0) - (x < 0);
    case UN_RELU: return x < 0 ? 0 : x;
    case UN_NOT: return !x;
    case UN_CLIP:
        if ((double) x < op->act_a)
            x = (int64_t) op->act_a;
        return (double) x > op->act_b ? (int64_t) op->act_b : x;
    default: return x;
    }
}

enum cq_err ref_unary(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct op *op = inst->op;
    enum dtype from = inst->in[0].type, to = inst->out[0].type;
    int64_t n = tensor_elems(&inst->in[0]);
    bool ints = !ref_is_float(from) && is_exact_in_int(op->u.unary);
    for (int64_t i = 0; i < n; i++) {
        if (ints)
            ref_store_int(out[0], to, i, unary_int(op, ref_load_int(in[0], from, i)));
        else
            ref_store(out[0], to, i, unary_of(op->u.unary, op->act_a, op->act_b, ref_load(in[0], from, i)));
    }
    return CQ_OK;
}

enum cq_err ref_cast(const struct op_inst *inst, const void *const *in, void *const *out)
{
    enum dtype from = inst->in[0].type, to = inst->out[0].type;
    int64_t n = tensor_elems(&inst->in[0]);
    bool ints = !ref_is_float(from) && (from != DT_U64 || !ref_is_float(to));
    for (int64_t i = 0; i < n; i++) {
        if (ints)
            ref_store_int(out[0], to, i, ref_load_int(in[0], from, i));
        else
            ref_store(out[0], to, i, ref_load(in[0], from, i));
    }
    return CQ_OK;
}

enum cq_err ref_prelu(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *slope = &inst->in[1];
    int64_t n = tensor_elems(x), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(x, at)) {
        double v = ref_load(in[0], x->type, i);
        if (v < 0)
            v *= ref_load(in[1], slope->type, ref_broadcast(slope, x, at));
        ref_store(out[0], inst->out[0].type, i, v);
    }
    return CQ_OK;
}
