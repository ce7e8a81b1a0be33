/* Convolution in PLAIN layout for devices whose work-items run in step.
 *
 * conv_tiles is a matrix product (simt.cl) whose second factor is never stored: column q is output pixel q of all
 * images in one row, row k is tap k of its window over all channels of the group, fetched when its slice is filled.
 * Packed: which channel and which place in the window tap k is, [K][2]; weights [group][K][M]; bias. K and M are
 * rounded up to whole slices and tiles.
 */
#define CONV_ROWS_STEP 64                       /* as in conv_simt.c */

typedef struct {
    int channels, rows, taps;                   /* of a group: input and output channels, terms of a sum */
    int taps_up, rows_up;                       /* as packed */
    int area, pixels;                           /* of an output image, of all */
} conv_sizes;

inline int round_up(int n, int step)
{
    return (n + step - 1) / step * step;
}

SIMT_INLINE void set_sizes(conv_sizes *s, const conv_geom *g, int group)
{
    s->channels = g->c / group;
    s->rows = g->m / group;
    s->taps = s->channels * g->kh * g->kw;
    s->taps_up = round_up(s->taps, TILE_K);
    s->rows_up = round_up(s->rows, CONV_ROWS_STEP);
    s->area = g->oh * g->ow;
    s->pixels = s->area * g->n;
}

SIMT_INLINE float conv_end_1(float v, float residual, const conv_geom *g)
{
    v = act_1(g->act_first ? v : v + residual, g->act, g->act_a, g->act_b);
    return g->act_first ? v + residual : v;
}

SIMT_INLINE void load_weights(local float *to, global const float *w, int pitch)
{
    for (int i = get_local_id(0); i < TILE_K * ROWS / 4; i += TILE_ITEMS) {
        int k = i / (ROWS / 4), row = i % (ROWS / 4) * 4;
        *(local float4 *) (to + k * TILE_PITCH + row) = *(global const float4 *) (w + (long) k * pitch + row);
    }
}

/* What the work-item fetches: always the same pixel of the tile. x is NULL past the last one. */
typedef struct {
    global const float *x;                      /* first channel of its image and group */
    int iy, ix;                                 /* under the first tap; may lie outside */
} pixel_window;

SIMT_INLINE void set_window(pixel_window *p, global const float *x, int pixel, int first_channel, const conv_geom *g,
                            const conv_sizes *s)
{
    int image = pixel / s->area, at = pixel % s->area;
    p->x = pixel < s->pixels ? x + ((long) image * g->c + first_channel) * g->h * g->w : 0;
    p->iy = at / g->ow * g->sh - g->pt;
    p->ix = at % g->ow * g->sw - g->pl;
}

SIMT_INLINE void load_pixels(local float *to, const pixel_window *p, global const int2 *tap, int taps,
                             const conv_geom *g)
{
    for (int i = get_local_id(0); i < TILE_K * COLUMNS; i += TILE_ITEMS) {
        int k = i / COLUMNS;
        float v = 0.0f;
        if (p->x && k < taps) {
            int2 t = tap[k];
            int iy = p->iy + (t.s1 >> 16) * g->dh, ix = p->ix + (t.s1 & 0xffff) * g->dw;
            if ((uint) iy < (uint) g->h && (uint) ix < (uint) g->w)
                v = p->x[((long) t.s0 * g->h + iy) * g->w + ix];
        }
        to[i] = v;
    }
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
    global const float *w = (global const float *) (tap + s.taps_up);
    global const float *bias = w + (long) group * s.taps_up * s.rows_up;
    w += (long) get_group_id(2) * s.taps_up * s.rows_up + row;
    set_window(&p, AT(const float, xb, xo), pixel + get_local_id(0) % COLUMNS, get_group_id(2) * s.channels, &g, &s);
    tile_clear(sums);
    for (int k = 0; k < s.taps_up; k += TILE_K) {
        load_weights(first, w + (long) k * s.rows_up, s.rows_up);
        load_pixels(second, &p, tap + k, s.taps - k, &g);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_multiply(first, second, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    row += tile_row();
    pixel += tile_column();
    #pragma unroll
    for (int j = 0; j < TILE_COLUMNS; j++) {
        int q = pixel + j * TILE_STRIDE, image = q / s.area;
        #pragma unroll
        for (int i = 0; i < TILE_HEIGHT; i++) {
            int m = get_group_id(2) * s.rows + row + i;
            if (q < s.pixels && row + i < s.rows) {
                long at = ((long) image * g.m + m) * s.area + q % s.area;
                float v = sums[i * TILE_COLUMNS + j] + bias[m], r = rb ? AT(const float, rb, ro)[at] : 0.0f;
                AT(float, yb, yo)[at] = conv_end_1(v, r, &g);
            }
        }
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
