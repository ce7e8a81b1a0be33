/* Convolution in PLAIN layout by tiles of mma.cl (conv_taps.cl): weights are packed as halves [group][M][K], pixels are
 * rounded to halves when fetched. */
INLINE void load_weights(local SLICE *first, global const WEIGHT *w, int row, int k, const conv_sizes *s)
{
    enum { QUARTERS = TILE_K / 8 };             /* four words each */
    for (int i = get_local_id(0); i < ROWS * QUARTERS; i += TILE_ITEMS) {
        int m = i / QUARTERS, at = i % QUARTERS;
        *(local uint4 *) (first + m * FIRST_PITCH + at * 4) =
            ((global const uint4 *) (w + (long) (row + m) * s->taps_up + k))[at];
    }
}

INLINE void load_pixels(local SLICE *second, const pixel_window *p, global const int2 *tap, int k, const conv_sizes *s,
                        const conv_geom *g)
{
    for (int i = get_local_id(0); i < TILE_K / 2 * COLUMNS; i += TILE_ITEMS) {
        int pair = i / COLUMNS, at = k + 2 * pair;
        put_pair(second + i % COLUMNS * SECOND_PITCH + pair, fetch_tap(p, tap, at, s, g), fetch_tap(p, tap, at + 1, s, g));
    }
}
