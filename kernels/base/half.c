/* See half.h. A half is 2^(e-25) * m with m < 2^11, so scaling by powers of two leaves the rounding to the one
 * conversion to an integer. */
#include "kernels/base/half.h"

#include <math.h>

float cq_half_to_float(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? ldexpf((float) (fraction + 1024), exponent - 25)
                                     : ldexpf((float) fraction, -24);
    return h >> 15 ? -magnitude : magnitude;
}

uint16_t cq_half_from_double(double v)
{
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    double a = fabs(v);
    if (isnan(v))
        return sign | 0x7e00;
    if (a >= 65520)
        return sign | 0x7c00;
    if (a <= 0x1p-25)
        return sign;
    int exponent;
    frexp(a, &exponent);                      /* a = f * 2^exponent, 1/2 <= f < 1 */
    int step = exponent - 11 > -24 ? exponent - 11 : -24;
    unsigned units = (unsigned) nearbyint(ldexp(a, -step));
    /* A carry out of the fraction adds one to the exponent, as it should. */
    return sign | (uint16_t) (((unsigned) (step + 24) << 10) + units);
}

void cq_halves_from_floats(const float *from, size_t n, uint16_t *to)
{
    static const float largest = 65504;
    for (size_t i = 0; i < n; i++)
        to[i] = cq_half_from_double(from[i] > largest ? largest : from[i] < -largest ? -largest : from[i]);
}
