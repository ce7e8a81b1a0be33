/* What the matrix products for SIMT devices share: their program, and the tile that a work-group makes
 * (kernels/cl/simt.cl).
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_SIMT_H
#define CLIPQ_KERNELS_SIMT_H

#include <stdint.h>

#include "kernels/program.h"

enum { SIMT_TILE_K = 16 };          /* as TILE_K in the .cl */

extern const struct program_class simt_program;

/* For a result of rows x columns, `batches` of them, by tiles of a height that fits: sets all of the launch but its
 * kernel and arguments. A group makes one tile; its first dimension are columns, the second rows. */
void simt_tiles(struct launch *l, int64_t rows, int64_t columns, int64_t batches);

#endif
