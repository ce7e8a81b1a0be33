/* Convolution in PLAIN layout by matrix instructions: the matrix product of conv_taps.cl, its tiles made by mma.cl.
 * Weights are packed as halves [group][M][K]; pixels are rounded to halves when fetched. */

/* `w` is the tile's first row in this slice; rows are `pitch` halves apart, a multiple of TILE_K. */
INLINE void load_weights(local uint *to, global const WEIGHT *w, int pitch)
{
    enum { QUARTERS = TILE_K / 8 };             /* four words each */
    for (int i = get_local_id(0); i < ROWS * QUARTERS; i += TILE_ITEMS) {
        int row = i / QUARTERS, at = i % QUARTERS;
        *(local uint4 *) (to + row * MMA_PITCH + at * 4) = ((global const uint4 *) (w + (long) row * pitch))[at];
    }
}

INLINE void load_pixels(local uint *to, const pixel_window *p, global const int2 *tap, int taps, const conv_geom *g)
{
    for (int i = get_local_id(0); i < TILE_K / 2 * COLUMNS; i += TILE_ITEMS) {
        int k = i / COLUMNS * 2;
        put_pair(to, i % COLUMNS, k / 2, fetch_tap(p, tap, k, taps, g), fetch_tap(p, tap, k + 1, taps, g));
    }
}

/* Groups: (tiles of pixels, tiles of output channels, groups of channels). */
TILE_KERNEL conv_mma(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                     global const float *wb, ulong wo, conv_geom g, int group)
{
    TILE_MEMORY
    conv_sizes s;
    pixel_window p;
    set_sizes(&s, &g, group);
    int row = get_group_id(1) * ROWS, pixel = get_group_id(0) * COLUMNS;
    global const int2 *tap = AT(const int2, wb, wo);
    global const WEIGHT *w = packed_weights(tap, &s, &g) + ((long) get_group_id(2) * s.rows_up + row) * s.taps_up;
    set_window(&p, AT(const float, xb, xo), pixel + get_local_id(0) % COLUMNS, get_group_id(2) * s.channels, &g, &s);
    tile_clear(sums);
    for (int k = 0; k < s.taps_up; k += TILE_K) {
        load_weights(first, w + k, s.taps_up);
        load_pixels(second, &p, tap + k, s.taps - k, &g);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_multiply(first, second, sums, &exchange);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    global const float *bias = packed_bias(tap, &s), *residual = rb ? AT(const float, rb, ro) : 0;
    row += tile_row();
    pixel += tile_column();
    #pragma unroll
    for (int n = 0; n < SUM_COUNT; n++)
        conv_store(((float *) sums)[n], row + SUM_ROW(n), pixel + SUM_COLUMN(n), bias, residual, AT(float, yb, yo), &s,
                   &g);
}
