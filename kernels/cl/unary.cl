/* Functions of one float; codes as in enum unary (kernels/op.h). Those outside of the first switch take long to
 * compile: -DRARE=code builds one of them.
 */
enum {
    UN_ABS, UN_NEG, UN_SIGN, UN_EXP, UN_LOG, UN_SQRT, UN_RECIPROCAL, UN_FLOOR, UN_CEIL, UN_ROUND, UN_ERF,
    UN_SIN, UN_COS, UN_TAN, UN_ASIN, UN_ACOS, UN_ATAN, UN_SINH, UN_COSH, UN_ASINH, UN_ACOSH, UN_ATANH,
    UN_RELU, UN_LEAKY, UN_SIGMOID, UN_SILU, UN_HARD_SIGMOID, UN_HARD_SWISH, UN_CLIP, UN_TANH,
    UN_ELU, UN_SELU, UN_CELU, UN_SOFTPLUS, UN_SOFTSIGN, UN_MISH, UN_GELU, UN_GELU_TANH, UN_THRESHOLDED_RELU,
    UN_NOT, UN_ISNAN, UN_ISINF, UN_SHRINK
};

#ifdef RARE
inline VF softplus_v(VF x)
{
    return log1p(exp(-fabs(x))) + fmax(x, (VF) (0.0f));
}

inline VF unary_v(VF x, int fn, float a, float b)
{
    const VF zero = (VF) (0.0f);
    switch (RARE) {
    case UN_LOG: return log(x);
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
    case UN_ELU: return select(x, a * expm1(x), x < zero);
    case UN_SELU: return b * select(x, a * expm1(x), x < zero);
    case UN_CELU: return fmax(x, zero) + fmin(zero, a * expm1(x / a));
    case UN_SOFTPLUS: return softplus_v(x);
    case UN_SOFTSIGN: return x / (1.0f + fabs(x));
    case UN_MISH: return x * tanh_v(softplus_v(x));
    /* As in kernels/ref/unary.c, without 1 + erf or 1 + tanh: those lose everything where x is far below 0. */
    case UN_GELU: return 0.5f * x * erfc(x * -0.70710678f);
    case UN_GELU_TANH: return x / (1.0f + exp_v(-1.59576912f * fma(0.044715f * x, x * x, x)));
    case UN_THRESHOLDED_RELU: return select(zero, x, x > a);
    case UN_SHRINK: return select(select(zero, x - b, x > a), x + b, x < -a);
    default: return x;
    }
}
#else
inline VF unary_v(VF x, int fn, float a, float b)
{
    switch (fn) {
    case UN_ABS: return fabs(x);
    case UN_NEG: return -x;
    case UN_SIGN: return sign(x);
    case UN_EXP: return exp(x);
    case UN_SQRT: return sqrt(x);
    case UN_RECIPROCAL: return 1.0f / x;
    case UN_FLOOR: return floor(x);
    case UN_CEIL: return ceil(x);
    case UN_ROUND: return rint(x);
    case UN_RELU: return act_v(x, ACT_RELU, a, b);
    case UN_LEAKY: return act_v(x, ACT_LEAKY, a, b);
    case UN_SIGMOID: return act_v(x, ACT_SIGMOID, a, b);
    case UN_SILU: return act_v(x, ACT_SILU, a, b);
    case UN_HARD_SIGMOID: return act_v(x, ACT_HARD_SIGMOID, a, b);
    case UN_HARD_SWISH: return act_v(x, ACT_HARD_SWISH, a, b);
    case UN_CLIP: return act_v(x, ACT_CLIP, a, b);
    case UN_TANH: return act_v(x, ACT_TANH, a, b);
    default: return x;
    }
}
#endif

/* Storage of any layout. Tensors of the nest: x, y. */
kernel void unary_flat(global float *x, ulong x_at, global float *y, ulong y_at, struct Nest nest, int fn, float a,
                       float b)
{
    x = AT(float, x, x_at);
    y = AT(float, y, y_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        for (int i = 0; i < n; i += V)
            nest_store(unary_v(nest_load(x + at.s0 + i, 1, n - i), fn, a, b), y + at.s1 + i, n - i);
    }
}
