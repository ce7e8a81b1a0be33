/* Between floats and integers of a type T with the range LO to HI (kernels/ref/quant.c). scale and zero step by 0 where
 * there is one for all.
 */

/* Correctly rounded, also on devices whose own division is not: the last bit decides ties. */
inline float quotient(float a, float b)
{
    float q = a / b, better = fma(fma(-q, b, a), 1 / b, q);
    return isfinite(better) ? better : q;
}

kernel void quantize_rows(global const float *x, ulong x_at, global const float *scale, ulong scale_at,
                          global const T *zero, ulong zero_at, global T *y, ulong y_at, struct Nest nest)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        global const float *from = AT(const float, x, x_at) + walk.at.s0;
        global const float *by = AT(const float, scale, scale_at) + walk.at.s1;
        global const T *plus = zero ? AT(const T, zero, zero_at) + walk.at.s2 : 0;
        global T *to = AT(T, y, y_at) + walk.at.s3;
        for (int i = 0; i < n; i++) {
            int add = plus ? plus[i * nest.step[2]] : 0;
            float q = rint(quotient(from[i], by[i * nest.step[1]]));
            to[i] = (T) ((int) fmin(fmax(q, (float) (LO - add)), (float) (HI - add)) + add);
        }
    }
}

kernel void dequantize_rows(global const T *x, ulong x_at, global const float *scale, ulong scale_at,
                            global const T *zero, ulong zero_at, global float *y, ulong y_at, struct Nest nest)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        global const T *from = AT(const T, x, x_at) + walk.at.s0;
        global const float *by = AT(const float, scale, scale_at) + walk.at.s1;
        global const T *minus = zero ? AT(const T, zero, zero_at) + walk.at.s2 : 0;
        global float *to = AT(float, y, y_at) + walk.at.s3;
        for (int i = 0; i < n; i++) {
            int take = minus ? minus[i * nest.step[2]] : 0;
            to[i] = (float) ((int) from[i] - take) * by[i * nest.step[1]];
        }
    }
}
