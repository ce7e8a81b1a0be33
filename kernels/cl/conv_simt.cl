/* Convolution in PLAIN layout for devices whose work-items run in step: by tiles of simt.cl (conv_taps.cl), weights packed
 * [group][K][M], and element by element. */
INLINE void load_weights(local SLICE *first, global const WEIGHT *w, int row, int k, const conv_sizes *s)
{
    for (int i = get_local_id(0); i < TILE_K * ROWS / 4; i += TILE_ITEMS) {
        int at = i / (ROWS / 4), m = i % (ROWS / 4) * 4;
        *(local float4 *) (first + at * FIRST_PITCH + m) = LOADW(0, w + (long) (k + at) * s->rows_up + row + m);
    }
}

INLINE void load_pixels(local SLICE *second, const pixel_window *p, global const int2 *tap, int k, const conv_sizes *s,
                        const conv_geom *g)
{
    for (int i = get_local_id(0); i < TILE_K * COLUMNS; i += TILE_ITEMS)
        second[i] = fetch_tap(p, tap, k + i / COLUMNS, s, g);
}

/* One work-item for each element, for groups of so few output channels that nothing would be used twice.
 * Global: (pixels, output channels, images). */
kernel void conv_direct(global const float *xb, ulong xo, global const float *wb, ulong wo, global const float *bb,
                        ulong bo, global const float *rb, ulong ro, global float *yb, ulong yo, conv_geom g, int group)
{
    int pixel = get_global_id(0), m = get_global_id(1), n = get_global_id(2), area = g.oh * g.ow;
    int channels = g.c / group, first = m / (g.m / group) * channels;
    if (pixel >= area)
        return;
    int iy = pixel / g.ow * g.sh - g.pt, ix = pixel % g.ow * g.sw - g.pl;
    global const float *x = AT(const float, xb, xo) + ((long) n * g.c + first) * g.h * g.w;
    global const float *w = AT(const float, wb, wo) + (long) m * channels * g.kh * g.kw;
    float sum = bb ? AT(const float, bb, bo)[m] : 0.0f;
    for (int c = 0; c < channels; c++, x += (long) g.h * g.w)
        for (int ky = 0; ky < g.kh; ky++)
            for (int kx = 0; kx < g.kw; kx++, w++) {
                int y = iy + ky * g.dh, x_ = ix + kx * g.dw;
                if ((uint) y < (uint) g.h && (uint) x_ < (uint) g.w)
                    sum = fma(x[(long) y * g.w + x_], *w, sum);
            }
    long at = ((long) n * g.m + m) * area + pixel;
    AT(float, yb, yo)[at] = conv_end_1(sum, rb ? AT(const float, rb, ro)[at] : 0.0f, &g);
}
