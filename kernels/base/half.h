/* IEEE 754 binary16 as bits, for compilers without such a type.
 * Thread-safety: pure. */
#ifndef CLIPQ_KERNELS_BASE_HALF_H
#define CLIPQ_KERNELS_BASE_HALF_H

#include <stdint.h>

float cq_half_to_float(uint16_t h);

/* Rounds once, to nearest and ties to even; too large becomes infinite, NaN stays one. */
uint16_t cq_half_from_double(double v);

#endif
