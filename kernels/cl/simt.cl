/* Matrix products for devices whose work-items run in step: a work-group makes a tile of ROWS x COLUMNS of the result,
 * slices of TILE_K of both factors lying in local memory.
 *
 * Neighbouring work-items own neighbouring columns, so that they store side by side; each has four columns, a quarter
 * of the tile apart, and TILE_HEIGHT rows that follow each other and are read as float4. Whatever fills the slices
 * writes zeros where a factor ends; all work-items of a group reach every barrier.
 */
#ifndef ROWS
#define ROWS 64
#define COLUMNS 64
#endif

#define TILE_K 16
#define TILE_ITEMS 128
#define TILE_COLUMNS 4                                          /* of a work-item */
#define TILE_STRIDE (COLUMNS / TILE_COLUMNS)                    /* between its columns */
#define TILE_HEIGHT (ROWS * COLUMNS / TILE_ITEMS / TILE_COLUMNS)  /* rows of a work-item, a multiple of 4 */

/* Rows of the first slice are this long, so that columns of it do not all lie in one memory bank. */
#define FIRST_PITCH (ROWS + 4)
#define SECOND_PITCH COLUMNS

typedef float SLICE;

#define TILE_MEMORY                                                           \
    local float first[TILE_K * FIRST_PITCH] __attribute__((aligned(16)));     \
    local float second[TILE_K * SECOND_PITCH];
#define TILE_MULTIPLY(sums) tile_multiply(first, second, sums)

/* Sum n of the work-item lies so far below and right of its first. */
#define SUM_COUNT (TILE_HEIGHT * TILE_COLUMNS)
#define SUM_ROW(n) ((n) / TILE_COLUMNS)
#define SUM_COLUMN(n) ((n) % TILE_COLUMNS * TILE_STRIDE)

/* First column and row of the work-item, within the tile. */
INLINE int tile_column(void)
{
    return get_local_id(0) % TILE_STRIDE;
}

INLINE int tile_row(void)
{
    return get_local_id(0) / TILE_STRIDE * TILE_HEIGHT;
}

/* Sums in the order of SUM_ROW and SUM_COLUMN. */
INLINE void tile_multiply(local const float *first, local const float *second, float *sums)
{
    int column = tile_column(), row = tile_row();
    for (int k = 0; k < TILE_K; k++) {
        float b[TILE_COLUMNS];
        #pragma unroll
        for (int j = 0; j < TILE_COLUMNS; j++)
            b[j] = second[k * SECOND_PITCH + column + j * TILE_STRIDE];
        #pragma unroll
        for (int i = 0; i < TILE_HEIGHT; i += 4) {
            float4 a = *(local const float4 *) (first + k * FIRST_PITCH + row + i);
            #pragma unroll
            for (int j = 0; j < TILE_COLUMNS; j++) {
                sums[i * TILE_COLUMNS + j] = fma(a.s0, b[j], sums[i * TILE_COLUMNS + j]);
                sums[(i + 1) * TILE_COLUMNS + j] = fma(a.s1, b[j], sums[(i + 1) * TILE_COLUMNS + j]);
                sums[(i + 2) * TILE_COLUMNS + j] = fma(a.s2, b[j], sums[(i + 2) * TILE_COLUMNS + j]);
                sums[(i + 3) * TILE_COLUMNS + j] = fma(a.s3, b[j], sums[(i + 3) * TILE_COLUMNS + j]);
            }
        }
    }
}
