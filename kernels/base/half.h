/* IEEE 754 binary16 as bits, for compilers without such a type.
 * Thread-safety: pure. */
#ifndef CLIPQ_KERNELS_BASE_HALF_H
#define CLIPQ_KERNELS_BASE_HALF_H

#include <stddef.h>
#include <stdint.h>

float cq_half_to_float(uint16_t h);

/* Rounds once, to nearest and ties to even; too large becomes infinite, NaN stays one. */
uint16_t cq_half_from_double(double v);

/* The same for n of them, but what is too large becomes the largest half, 65504: one weight out of range must not make
 * everything infinite. */
void cq_halves_from_floats(const float *from, size_t n, uint16_t *to);

#endif
