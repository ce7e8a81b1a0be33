/* What the matrix products for SIMT devices share: the tile that a work-group makes, and the program of those that
 * multiply floats (kernels/cl/simt.cl). Those by matrix instructions: kernels/mma.h.
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_SIMT_H
#define CLIPQ_KERNELS_SIMT_H

#include <stdint.h>

#include "kernels/program.h"

enum { SIMT_TILE_K = 16 };          /* as TILE_K in simt.cl */

extern const struct program_class simt_program;

/* The options of a program that make its tiles so low that few rows fill them. */
#define SIMT_LOW "-DROWS=16 -DCOLUMNS=128"

/* For a result of rows x columns, `batches` of them: sets the work-items of the launch. A group makes one tile; its
 * first dimension are columns, the second rows. True: for tiles made with SIMT_LOW. */
bool simt_tiles(struct launch *l, int64_t rows, int64_t columns, int64_t batches);

#endif
