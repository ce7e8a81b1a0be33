/* Questions that the variants' serves() functions have in common. All look at present tensors only.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_KERNELS_SERVES_H
#define CLIPQ_KERNELS_SERVES_H

#include <stdbool.h>

#include "kernels/op.h"

bool serves_type(const struct op_inst *inst, enum dtype type);        /* inputs and outputs are all of it */
bool serves_plain(const struct op_inst *inst);                        /* inputs and outputs are all PLAIN */
bool serves_blocked(const struct op_inst *inst, int block);           /* ... all BLOCKED by `block` */

/* Every tensor has fewer than 2^31 stored elements, so that kernels may index with int. */
bool serves_int_index(const struct op_inst *inst);

#endif
