/* Convolution in PLAIN layout for devices whose work-items run in step: a matrix product (conv_taps.cl) by tiles of
 * simt.cl, and element by element. Weights are packed [group][K][M]. */
INLINE void load_weights(local float *to, global const WEIGHT *w, int pitch)
{
    for (int i = get_local_id(0); i < TILE_K * ROWS / 4; i += TILE_ITEMS) {
        int k = i / (ROWS / 4), row = i % (ROWS / 4) * 4;
        *(local float4 *) (to + k * TILE_PITCH + row) = LOADW(0, w + (long) k * pitch + row);
    }
}

INLINE void load_pixels(local float *to, const pixel_window *p, global const int2 *tap, int taps, const conv_geom *g)
{
    for (int i = get_local_id(0); i < TILE_K * COLUMNS; i += TILE_ITEMS)
        to[i] = fetch_tap(p, tap, i / COLUMNS, taps, g);
}

/* Groups: (tiles of pixels, tiles of output channels, groups of channels). */
TILE_KERNEL conv_tiles(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                       global const float *wb, ulong wo, conv_geom g, int group)
{
    TILE_MEMORY
    conv_sizes s;
    pixel_window p;
    set_sizes(&s, &g, group);
    int row = get_group_id(1) * ROWS, pixel = get_group_id(0) * COLUMNS;
    global const int2 *tap = AT(const int2, wb, wo);
    global const WEIGHT *w = packed_weights(tap, &s, &g) + (long) get_group_id(2) * s.taps_up * s.rows_up + row;
    set_window(&p, AT(const float, xb, xo), pixel + get_local_id(0) % COLUMNS, get_group_id(2) * s.channels, &g, &s);
    tile_clear(sums);
    for (int k = 0; k < s.taps_up; k += TILE_K) {
        load_weights(first, w + (long) k * s.rows_up, s.rows_up);
        load_pixels(second, &p, tap + k, s.taps - k, &g);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_multiply(first, second, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    global const float *bias = packed_bias(tap, &s), *residual = rb ? AT(const float, rb, ro) : 0;
    row += tile_row();
    pixel += tile_column();
    #pragma unroll
    for (int j = 0; j < TILE_COLUMNS; j++) {
        #pragma unroll
        for (int i = 0; i < TILE_HEIGHT; i++)
            conv_store(sums[i * TILE_COLUMNS + j], row + i, pixel + j * TILE_STRIDE, bias, residual,
                       AT(float, yb, yo), &s, &g);
    }
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
