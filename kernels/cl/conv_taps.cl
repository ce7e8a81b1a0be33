/* Convolution in PLAIN layout as a matrix product, for devices whose work-items run in step, by tiles of either
 * kind (tiles.cl).
 *
 * The second factor is never stored: column q is output pixel q of all images in one row, row k is tap k of its window
 * over all channels of the group, fetched when its slice is filled. Packed: which channel and which place in the window
 * tap k is, [K][2]; bias, up to a multiple of four; the weights as the kernel wants them. K and M are rounded up to whole
 * slices (TILE_K) and tiles. How slices are filled is for the kind of tiles to say.
 */
#define CONV_ROWS_STEP 64                       /* as in conv_taps.c */

typedef struct {
    int channels, rows, taps;                   /* of a group: input and output channels, terms of a sum */
    int taps_up, rows_up;                       /* as packed */
    int area, pixels;                           /* of an output image, of all */
} conv_sizes;

inline int round_up(int n, int step)
{
    return (n + step - 1) / step * step;
}

INLINE void set_sizes(conv_sizes *s, const conv_geom *g, int group)
{
    s->channels = g->c / group;
    s->rows = g->m / group;
    s->taps = s->channels * g->kh * g->kw;
    s->taps_up = round_up(s->taps, TILE_K);
    s->rows_up = round_up(s->rows, CONV_ROWS_STEP);
    s->area = g->oh * g->ow;
    s->pixels = s->area * g->n;
}

INLINE global const float *packed_bias(global const int2 *tap, const conv_sizes *s)
{
    return (global const float *) (tap + s->taps_up);
}

INLINE global const WEIGHT *packed_weights(global const int2 *tap, const conv_sizes *s, const conv_geom *g)
{
    return (global const WEIGHT *) (packed_bias(tap, s) + round_up(g->m, 4));
}

/* What the work-item fetches: always the same pixel of the tile. x is NULL past the last one. */
typedef struct {
    global const float *x;                      /* first channel of its image and group */
    int iy, ix;                                 /* under the first tap; may lie outside */
} pixel_window;

INLINE void set_window(pixel_window *p, global const float *x, int pixel, int first_channel, const conv_geom *g,
                       const conv_sizes *s)
{
    int image = pixel / s->area, at = pixel % s->area;
    p->x = pixel < s->pixels ? x + ((long) image * g->c + first_channel) * g->h * g->w : 0;
    p->iy = at / g->ow * g->sh - g->pt;
    p->ix = at % g->ow * g->sw - g->pl;
}

/* Tap k, zero past the last and outside the image. */
INLINE float fetch_tap(const pixel_window *p, global const int2 *tap, int k, const conv_sizes *s, const conv_geom *g)
{
    if (!p->x || k >= s->taps)
        return 0.0f;
    int2 t = tap[k];
    int iy = p->iy + (t.s1 >> 16) * g->dh, ix = p->ix + (t.s1 & 0xffff) * g->dw;
    bool inside = (uint) iy < (uint) g->h && (uint) ix < (uint) g->w;
    return inside ? p->x[((long) t.s0 * g->h + iy) * g->w + ix] : 0.0f;
}

INLINE float conv_end_1(float v, float residual, const conv_geom *g)
{
    v = act_1(g->act_first ? v : v + residual, g->act, g->act_a, g->act_b);
    return g->act_first ? v + residual : v;
}

/* One sum of the group's output channel `row` at pixel q, where there is such a one; residual and y as conv_end_1. */
INLINE void conv_store(float sum, int row, int q, global const float *bias, global const float *residual,
                       global float *y, const conv_sizes *s, const conv_geom *g)
{
    if (q >= s->pixels || row >= s->rows)
        return;
    int m = get_group_id(2) * s->rows + row;
    long at = ((long) (q / s->area) * g->m + m) * s->area + q % s->area;
    y[at] = conv_end_1(sum + bias[m], residual ? residual[at] : 0.0f, g);
}

/* The slice of taps k..k+TILE_K-1: the weights of output channels row..row+ROWS-1, `w` being the group's first, */
INLINE void load_weights(local SLICE *first, global const WEIGHT *w, int row, int k, const conv_sizes *s);
/* and of every pixel of the tile. */
INLINE void load_pixels(local SLICE *second, const pixel_window *p, global const int2 *tap, int k, const conv_sizes *s,
                        const conv_geom *g);

/* Groups: (tiles of pixels, tiles of output channels, groups of channels). */
TILE_KERNEL conv_tiles(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                       global const float *wb, ulong wo, conv_geom g, int group)
{
    TILE_MEMORY
    float sums[SUM_COUNT];
    conv_sizes s;
    pixel_window p;
    set_sizes(&s, &g, group);
    int row = get_group_id(1) * ROWS, pixel = get_group_id(0) * COLUMNS;
    global const int2 *tap = AT(const int2, wb, wo);
    global const WEIGHT *w = packed_weights(tap, &s, &g) + (long) get_group_id(2) * s.taps_up * s.rows_up;
    set_window(&p, AT(const float, xb, xo), pixel + get_local_id(0) % COLUMNS, get_group_id(2) * s.channels, &g, &s);
    tile_clear(sums);
    for (int k = 0; k < s.taps_up; k += TILE_K) {
        load_weights(first, w, row, k, &s);
        load_pixels(second, &p, tap, k, &s, &g);
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_MULTIPLY(sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    global const float *bias = packed_bias(tap, &s), *residual = rb ? AT(const float, rb, ro) : 0;
    row += tile_row();
    pixel += tile_column();
    #pragma unroll
    for (int n = 0; n < SUM_COUNT; n++)
        conv_store(sums[n], row + SUM_ROW(n), pixel + SUM_COLUMN(n), bias, residual, AT(float, yb, yo), &s, &g);
}
