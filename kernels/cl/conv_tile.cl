/* Direct convolution into register tiles: TILE_PX consecutive output pixels (in row-major order, so that narrow
 * images waste nothing) times two blocks of output channels, or one where the last pair has only one.
 *
 * Each pixel has a pointer of its own; a tap outside the image points at zeros. That choice costs some
 * instructions per pixel and tap, and is made only in tiles which touch the border.
 */

/* What a work-item writes: a pair of output blocks of one image. */
typedef struct {
    global const float *zeros, *bias, *weights, *r;   /* r: residual or NULL */
    global float *y;
    int blocks;                       /* 2, or 1 */
} tile_out;

inline tile_out tile_out_of(global const float *rb, ulong ro, global float *yb, ulong yo, global const float *wb,
                            ulong wo, const conv_geom *g)
{
    int t = get_global_id(1), blocks = blocks_of(g->m), pairs = (blocks + 1) / 2;
    long at = ((long) get_global_id(2) * blocks + 2 * t) * g->oh * g->ow * V;
    tile_out o;
    o.zeros = AT(const float, wb, wo);
    o.bias = o.zeros + (1 + t) * 2 * V;
    o.weights = o.zeros + (1 + pairs + (long) t * g->c * g->kh * g->kw) * 2 * V;
    o.r = rb ? AT(const float, rb, ro) + at : 0;
    o.y = AT(float, yb, yo) + at;
    o.blocks = min(2, blocks - 2 * t);
    return o;
}

/* One input channel into all sums: a[j * px + i] += w[j] * input, `input` being an expression in i. */
#define TILE_TAP(input)                                         \
    {                                                           \
        VF w0 = LOADV(0, w), w1 = nv > 1 ? LOADV(1, w) : w0;    \
        _Pragma("unroll")                                       \
        for (int i = 0; i < px; i++) {                          \
            VF xv = (VF) (input);                               \
            a[i] = fma(xv, w0, a[i]);                           \
            if (nv > 1)                                         \
                a[px + i] = fma(xv, w1, a[px + i]);             \
        }                                                       \
    }

/* Block `j` of the pixels from..from + px - 1, except those before `fresh` and those past the image. */
inline void tile_store(const tile_out *o, const VF *a, int j, int from, int fresh, int px, const conv_geom *g)
{
    long plane = (long) g->oh * g->ow * V;
    int count = min(px, g->oh * g->ow - from);
    if (j >= o->blocks)
        return;
    for (int i = fresh - from; i < count; i++) {
        VF v = a[i];
        if (o->r)
            v += LOADV(from + i, o->r + j * plane);
        STOREV(act_v(v, g->act, g->act_a, g->act_b), from + i, o->y + j * plane);
    }
}

typedef struct {
    global const float *p[TILE_PX];   /* input pixel under the first tap, in the first block of channels */
    int y[TILE_PX], x[TILE_PX];       /* its coordinates, which may lie outside */
    int inside;                       /* no tap of any pixel is outside */
} tile_pixels;

/* Pixels past the end of the image repeat the last one; they are not stored. */
inline void tile_place(tile_pixels *t, global const float *x, int pixel_floats, int first, const conv_geom *g)
{
    int last = g->oh * g->ow - 1;
    int oy = first / g->ow, ox = first - oy * g->ow;
    t->inside = 1;
    #pragma unroll
    for (int i = 0; i < TILE_PX; i++) {
        int iy = oy * g->sh - g->pt, ix = ox * g->sw - g->pl;
        t->y[i] = iy;
        t->x[i] = ix;
        t->p[i] = x + ((long) iy * g->w + ix) * pixel_floats;
        t->inside &= (iy >= 0) & (ix >= 0) & (iy + (g->kh - 1) * g->dh < g->h) & (ix + (g->kw - 1) * g->dw < g->w);
        int step = first + i < last, wrap = ox + step == g->ow;
        ox = wrap ? 0 : ox + step;
        oy += wrap;
    }
}

/* Where each pixel reads tap (ky, kx), `at` being its offset from the first tap. */
inline void tile_aim(global const float **q, const tile_pixels *t, long at, int ky, int kx, global const float *zeros,
                     const conv_geom *g)
{
    #pragma unroll
    for (int i = 0; i < TILE_PX; i++) {
        int y = t->y[i] + ky * g->dh, x = t->x[i] + kx * g->dw;
        int in = ((uint) y < (uint) g->h) & ((uint) x < (uint) g->w);
        q[i] = in ? t->p[i] + at : zeros;
    }
}

#define TILE_CHANNELS(input)                                    \
    if (channels == V) {                                        \
        _Pragma("unroll")                                       \
        for (int c = 0; c < V; c++, w += 2 * V)                 \
            TILE_TAP(input)                                     \
    } else {                                                    \
        for (int c = 0; c < channels; c++, w += 2 * V)          \
            TILE_TAP(input)                                     \
    }

inline void conv_tile_at(const tile_out *o, global const float *x, int first, const int nv, const conv_geom *g)
{
    const int px = TILE_PX;
    tile_pixels t;
    tile_place(&t, x, V, first, g);
    VF a[2 * TILE_PX];
    #pragma unroll
    for (int i = 0; i < px; i++) {
        a[i] = LOADV(0, o->bias);
        a[px + i] = LOADV(1, o->bias);
    }
    global const float *w = o->weights;
    for (int left = g->c, b = 0; left > 0; left -= V, b++) {
        int channels = min(V, left);
        for (int ky = 0; ky < g->kh; ky++) {
            for (int kx = 0; kx < g->kw; kx++) {
                long at = ((long) b * g->h * g->w + ky * g->dh * g->w + kx * g->dw) * V;
                if (t.inside) {
                    TILE_CHANNELS(t.p[i][at + c])
                } else {
                    global const float *q[TILE_PX];
                    tile_aim(q, &t, at, ky, kx, o->zeros, g);
                    TILE_CHANNELS(q[i][c])
                }
            }
        }
    }
    tile_store(o, a, 0, first, first, px, g);
    if (nv > 1)
        tile_store(o, a + px, 1, first, first, px, g);
}

/* global: (work-items over pixels, pairs of output blocks, images); local (1,1,1). */
kernel void conv_tile(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                      global const float *wb, ulong wo, conv_geom g)
{
    tile_out o = tile_out_of(rb, ro, yb, yo, wb, wo, &g);
    global const float *x = AT(const float, xb, xo) + get_global_id(2) * blocks_of(g.c) * ((long) g.h * g.w * V);
    int first = get_global_id(0) * g.per_item * TILE_PX, end = min(first + g.per_item * TILE_PX, g.oh * g.ow);
    for (; first < end; first += TILE_PX) {
        if (o.blocks == 2)
            conv_tile_at(&o, x, first, 2, &g);
        else
            conv_tile_at(&o, x, first, 1, &g);
    }
}

/* PLAIN input of few channels, for first layers: a tap is one channel of one pixel. */
inline void conv_plain_in_at(const tile_out *o, global const float *x, int first, const conv_geom *g)
{
    const int px = TILE_PX, nv = 2;
    tile_pixels t;
    tile_place(&t, x, 1, first, g);
    VF a[2 * TILE_PX];
    #pragma unroll
    for (int i = 0; i < px; i++) {
        a[i] = LOADV(0, o->bias);
        a[px + i] = LOADV(1, o->bias);
    }
    global const float *w = o->weights;
    for (int c = 0; c < g->c; c++) {
        for (int ky = 0; ky < g->kh; ky++) {
            for (int kx = 0; kx < g->kw; kx++, w += 2 * V) {
                long at = (long) c * g->h * g->w + ky * g->dh * g->w + kx * g->dw;
                if (t.inside) {
                    TILE_TAP(t.p[i][at])
                } else {
                    global const float *q[TILE_PX];
                    tile_aim(q, &t, at, ky, kx, o->zeros, g);
                    TILE_TAP(q[i][0])
                }
            }
        }
    }
    tile_store(o, a, 0, first, first, px, g);
    tile_store(o, a + px, 1, first, first, px, g);
}

/* global: (work-items over pixels, pairs of output blocks, images); local (1,1,1). */
kernel void conv_plain_in(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                          global const float *wb, ulong wo, conv_geom g)
{
    tile_out o = tile_out_of(rb, ro, yb, yo, wb, wo, &g);
    global const float *x = AT(const float, xb, xo) + (long) get_global_id(2) * g.c * g.h * g.w;
    int first = get_global_id(0) * g.per_item * TILE_PX, end = min(first + g.per_item * TILE_PX, g.oh * g.ow);
    for (; first < end; first += TILE_PX)
        conv_plain_in_at(&o, x, first, &g);
}
