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
#define TILE_SUMS (TILE_HEIGHT * TILE_COLUMNS)

/* Rows of the first slice are this long, so that columns of it do not all lie in one memory bank. */
#define TILE_PITCH (ROWS + 4)

#define TILE_MEMORY                                                         \
    local float first[TILE_K * TILE_PITCH] __attribute__((aligned(16)));    \
    local float second[TILE_K * COLUMNS];                                   \
    float sums[TILE_SUMS];

#define TILE_KERNEL kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void

INLINE void tile_clear(float *sums)
{
    #pragma unroll
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
}

/* First column and row of the work-item, within the tile. */
INLINE int tile_column(void)
{
    return get_local_id(0) % TILE_STRIDE;
}

INLINE int tile_row(void)
{
    return get_local_id(0) / TILE_STRIDE * TILE_HEIGHT;
}

/* sums[i*TILE_COLUMNS + j]: row tile_row() + i, column tile_column() + j*TILE_STRIDE. */
INLINE void tile_multiply(local const float *first, local const float *second, float *sums)
{
    int column = tile_column(), row = tile_row();
    for (int k = 0; k < TILE_K; k++) {
        float b[TILE_COLUMNS];
        #pragma unroll
        for (int j = 0; j < TILE_COLUMNS; j++)
            b[j] = second[k * COLUMNS + column + j * TILE_STRIDE];
        #pragma unroll
        for (int i = 0; i < TILE_HEIGHT; i += 4) {
            float4 a = *(local const float4 *) (first + k * TILE_PITCH + row + i);
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
