/* Which types kernels/cl/numbers.cl loads and stores, for variants that choose the type at run time.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_KERNELS_NUMBERS_H
#define CLIPQ_KERNELS_NUMBERS_H

#include <stdbool.h>

#include "kernels/tensor.h"

/* Integers of up to 64 bits and bool, but not uint64. */
bool numbers_is_int(enum dtype type);

/* float32 and float16, both computed as float32. */
bool numbers_is_float(enum dtype type);

#endif
