/* What tiles of both kinds have in common (simt.cl, mma.cl: one of them stands before this). A kernel has
 *
 *     TILE_MEMORY                 slices of both factors, first [ROWS] and second [COLUMNS], rows or taps FIRST_PITCH and
 *                                 SECOND_PITCH apart, as the kind has it
 *     float sums[SUM_COUNT]       of a work-item
 *     TILE_MULTIPLY(sums)         adds the product of what the slices hold
 */
#define TILE_KERNEL kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void

INLINE void tile_clear(float *sums)
{
    #pragma unroll
    for (int i = 0; i < SUM_COUNT; i++)
        sums[i] = 0.0f;
}
