/* See simt.h. */
#include "kernels/simt.h"

#include <stdbool.h>

#include "kernels/cl_sources.h"

enum { TILE_ITEMS = 128 };   /* as in the .cl */

const struct program_class simt_program = {
    .name = "simt",
    .source = {cl_common, cl_act, cl_conv, cl_simt, cl_tiles, cl_conv_taps, cl_conv_simt, cl_product, cl_gemm_simt},
};

/* Up to so many rows, tiles of 64 would be less than half full. */
enum { LOW_ROWS = 32 };

static size_t tiles(int64_t n, int64_t size)
{
    return (size_t) ((n + size - 1) / size);
}

bool simt_tiles(struct launch *l, int64_t rows, int64_t columns, int64_t batches)
{
    bool low = rows <= LOW_ROWS;
    l->dims = 3;
    l->global[0] = tiles(columns, low ? 128 : 64) * TILE_ITEMS;
    l->global[1] = tiles(rows, low ? 16 : 64);
    l->global[2] = (size_t) batches;
    l->local[0] = TILE_ITEMS;
    l->local[1] = l->local[2] = 1;
    return low;
}
