/* Activations on vectors of V floats; codes as in enum act (kernels/op.h).
 *
 * exp: 2^n times a polynomial, n by the rounding trick of adding 1.5*2^23; relative error below 5e-7 on the
 * clamped range. Both polynomials are least-maximum-relative-error fits of our own (reweighted least squares).
 */
enum {
    ACT_NONE, ACT_RELU, ACT_LEAKY, ACT_SIGMOID, ACT_SILU, ACT_HARD_SIGMOID, ACT_HARD_SWISH, ACT_CLIP, ACT_TANH
};

/* Bounds that leave a NaN alone, unlike max and fmax, and cost one instruction. */
inline VF at_least(VF x, VF low)
{
    return x < low ? low : x;
}

inline VF at_most(VF x, VF high)
{
    return x > high ? high : x;
}

inline VF exp_v(VF x)
{
    x = at_most(at_least(x, (VF) (-87.0f)), (VF) (88.0f));
    VF shifted = fma(x, (VF) (1.44269504f), (VF) (12582912.0f));
    VF r = fma(shifted - 12582912.0f, (VF) (-0.693147181f), x);
    VF p = fma(r, (VF) (8.31204947e-3f), (VF) (4.18944995e-2f));
    p = fma(p, r, (VF) (1.66671332e-1f));
    p = fma(p, r, (VF) (4.99992018e-1f));
    p = fma(p, r, (VF) (1.0f));
    p = fma(p, r, (VF) (1.0f));
    return AS_VF(AS_VI(p) + (AS_VI(shifted) << 23));
}

/* 1 + exp(-x) for |x| < 88, with few instructions: the number that rounds has the exponent's offset in it, so that a shift
 * makes it the power of two. */
#if V == 16 && defined(__AVX512F__) && defined(__AVX512DQ__)
/* A table in a register leaves a quadratic to do: n counts sixteenths of the exponent, and the table has the mantissas of
 * 2^(j/16), less the j that the shift leaves in their place. */
inline VF one_plus_exp_minus(VF x)
{
    const VI mantissas = {
        0, -152893, -289342, -408621, -509968, -592590, -655657, -698305,
        -719629, -718684, -694486, -646004, -572163, -471841, -343865, -187011
    };
    VF shifted = fma(x, (VF) (-1.44269504f), (VF) (786432.0f + 127.0f));
    VF r = fma(shifted - (786432.0f + 127.0f), (VF) (0.693147181f), x);
    VF p = fma(r, (VF) (0.500000124f), (VF) (-1.00005849f));
    p = fma(p, r, (VF) (1.0f));
    VI n = AS_VI(shifted);
    return fma(p, AS_VF((n << 19) + __builtin_ia32_permvarsi512(mantissas, n)), (VF) (1.0f));
}

/* The one of x and -limit..limit that is nearer to 0, in one instruction; limit where x is a NaN. */
inline VF within(VF x, float limit)
{
    return __builtin_ia32_rangeps512_mask(x, (VF) (limit), 2, x, (ushort) -1, 4);
}
#else
inline VF one_plus_exp_minus(VF x)
{
    VF shifted = fma(x, (VF) (-1.44269504f), (VF) (12582912.0f + 127.0f));
    VF r = fma(shifted - (12582912.0f + 127.0f), (VF) (0.693147181f), x);
    VF p = fma(r, (VF) (-8.31204947e-3f), (VF) (4.18944995e-2f));
    p = fma(p, r, (VF) (-1.66671332e-1f));
    p = fma(p, r, (VF) (4.99992018e-1f));
    p = fma(p, r, (VF) (-1.0f));
    p = fma(p, r, (VF) (1.0f));
    return fma(p, AS_VF(AS_VI(shifted) << 23), (VF) (1.0f));
}

inline VF within(VF x, float limit)
{
    return at_most(at_least(x, (VF) (-limit)), (VF) (limit));
}
#endif

inline VF sigmoid_v(VF x)
{
    return 1.0f / one_plus_exp_minus(at_most(at_least(x, (VF) (-87.0f)), (VF) (87.0f)));
}

inline VF silu_v(VF x)
{
    return x / one_plus_exp_minus(within(x, 87.0f));
}

/* (e - 1)/(e + 1) loses everything near 0, where an odd polynomial takes over. */
inline VF tanh_v(VF x)
{
    VF e = exp_v(2.0f * at_most(at_least(x, (VF) (-10.0f)), (VF) (10.0f)));
    VF far = (e - 1.0f) / (e + 1.0f);
    VF s = x * x;
    VF near = fma(s, (VF) (-5.66697720e-3f), (VF) (2.06061767e-2f));
    near = fma(near, s, (VF) (-5.37300071e-2f));
    near = fma(near, s, (VF) (1.33313310e-1f));
    near = fma(near, s, (VF) (-3.33332781e-1f));
    near = fma(near * s, x, x);
    return select(far, near, fabs(x) < 0.625f);
}

inline VF act_v(VF x, int act, float a, float b)
{
    switch (act) {
    case ACT_RELU:
        return at_least(x, (VF) (0.0f));
    case ACT_LEAKY:
        return select(x, a * x, x < 0.0f);
    case ACT_SIGMOID:
        return sigmoid_v(x);
    case ACT_SILU:
        return silu_v(x);
    case ACT_HARD_SIGMOID:
        return at_most(at_least(fma(x, (VF) (a), (VF) (b)), (VF) (0.0f)), (VF) (1.0f));
    case ACT_HARD_SWISH:
        return x * at_most(at_least(fma(x, (VF) (1.0f / 6.0f), (VF) (0.5f)), (VF) (0.0f)), (VF) (1.0f));
    case ACT_CLIP:
        return at_most(at_least(x, (VF) (a)), (VF) (b));
    case ACT_TANH:
        return tanh_v(x);
    default:
        return x;
    }
}

/* The other lanes are not used and cost nothing where a vector is a number of scalars. */
inline float act_1(float x, int act, float a, float b)
{
    return act_v((VF) (x), act, a, b).s0;
}
