/* What the kernels that give small integers share.
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_QUANT_H
#define CLIPQ_KERNELS_QUANT_H

#include <stdbool.h>

#include "kernels/tensor.h"

/* The range of an integer type of 8 or 16 bits; false, and 0 to 0, for others. */
bool quant_range(enum dtype type, int *lo, int *hi);

#endif
