/* Direct convolution into register tiles: TILE_PX consecutive output pixels (in row-major order, so that narrow
 * images waste nothing) times two blocks of output channels, or one where the last pair has only one.
 *
 * Each pixel has a pointer of its own; a tap outside the image points at zeros. Tiles which touch the border
 * choose the pointers once per tap and then go through the channels; the others go through memory in order.
 */

/* What a work-item writes: a pair of output blocks of one image. */
typedef struct {
    global const float *zeros, *bias, *r;    /* r: residual or NULL */
    global const WEIGHT *weights;
    global float *y;
    int blocks;                       /* 2, or 1 */
} tile_out;

/* Pair t of image n. */
inline tile_out tile_out_at(global const float *rb, ulong ro, global float *yb, ulong yo, global const float *wb,
                            ulong wo, int t, int n, const conv_geom *g)
{
    int blocks = blocks_of(g->m), pairs = (blocks + 1) / 2;
    long at = ((long) n * blocks + 2 * t) * g->oh * g->ow * V;
    tile_out o;
    o.zeros = AT(const float, wb, wo);
    o.bias = o.zeros + (1 + t) * 2 * V;
    o.weights = (global const WEIGHT *) (o.zeros + (1 + pairs) * 2 * V) + (long) t * g->c * g->kh * g->kw * 2 * V;
    o.r = rb ? AT(const float, rb, ro) + at : 0;
    o.y = AT(float, yb, yo) + at;
    o.blocks = min(2, blocks - 2 * t);
    return o;
}

/* One input channel into all sums: a[j * TILE_PX + i] += w[j] * input, `input` being an expression in i. The
 * modulo only keeps compilers from warning of what a wide tile (nv = 1) never does. */
#define TILE_SECOND ((TILE_PX + i) % (2 * TILE_PX))
#define TILE_TAP(input)                                         \
    {                                                           \
        VF w0 = LOADW(0, w), w1 = nv > 1 ? LOADW(1, w) : w0;    \
        TILE_EACH(if (i < px) {                                 \
            VF xv = (VF) (input);                               \
            a[i] = fma(xv, w0, a[i]);                           \
            if (nv > 1)                                         \
                a[TILE_SECOND] = fma(xv, w1, a[TILE_SECOND]);   \
        })                                                      \
    }

/* Block `j` of the pixels from..from + px - 1, except those before `fresh` and those past the image. */
inline void tile_store(const tile_out *o, const VF *a, int j, int from, int fresh, int px, const conv_geom *g)
{
    long plane = (long) g->oh * g->ow * V;
    int count = min(px, g->oh * g->ow - from);
    if (j >= o->blocks)
        return;
    for (int i = fresh - from; i < count; i++) {
        long at = j * plane + (from + i) * V;
        STOREV(conv_end(a[i], o->r ? o->r + at : 0, g), 0, o->y + at);
    }
}

/* Of sum i in a tile of nv blocks by px pixels: its pixel, and where it goes. */
#define TILE_PIXEL(i) (nv > 1 ? (i) % TILE_PX : (i))
#define TILE_AT(i) ((nv > 1 ? (i) / TILE_PX * plane : 0) + (from + TILE_PIXEL(i)) * (long) V)

/* A tile without a pixel that is not to be stored is finished in registers. The others go through a copy: an array
 * that is indexed by a variable lives in memory, and `a` must not. */
INLINE void tile_finish(const tile_out *o, VF *a, int from, int fresh, const int px, const int nv, const conv_geom *g)
{
    if (fresh == from && from + px <= g->oh * g->ow && nv <= o->blocks && act_is_short(g)) {
        long plane = (long) g->oh * g->ow * V;
        if (o->r && !g->act_first) {
            TILE_EACH(if (TILE_PIXEL(i) < px) a[i] += LOADV(0, o->r + TILE_AT(i));)
        }
        act_registers(a, nv > 1 ? 2 * TILE_PX : px, g);
        if (o->r && g->act_first) {
            TILE_EACH(if (TILE_PIXEL(i) < px) a[i] += LOADV(0, o->r + TILE_AT(i));)
        }
        TILE_EACH(if (TILE_PIXEL(i) < px) STOREV(a[i], 0, o->y + TILE_AT(i));)
        return;
    }
    VF done[2 * TILE_PX];
    TILE_EACH(done[i] = a[i];)
    tile_store(o, done, 0, from, fresh, px, g);
    if (nv > 1)
        tile_store(o, done + TILE_PX, 1, from, fresh, px, g);
}

typedef struct {
    global const float *p[TILE_PX];   /* input pixel under the first tap, in the first block of channels */
    int y[TILE_PX], x[TILE_PX];       /* its coordinates, which may lie outside */
    int inside;                       /* no tap of any pixel is outside */
} tile_pixels;

/* Pixel `first` lies in the image at x; those behind its last are the first of the next image, `image_floats` on. Pixels
 * past number `last` repeat it; they are not stored. */
INLINE void tile_place(tile_pixels *t, global const float *x, int pixel_floats, long image_floats, int first, int last,
                       const conv_geom *g)
{
    int oy = first / g->ow, ox = first - oy * g->ow;
    t->inside = 1;
    TILE_EACH(if (i < TILE_PX) {
        int iy = oy * g->sh - g->pt, ix = ox * g->sw - g->pl;
        t->y[i] = iy;
        t->x[i] = ix;
        t->p[i] = x + ((long) iy * g->w + ix) * pixel_floats;
        t->inside &= (iy >= 0) & (ix >= 0) & (iy + (g->kh - 1) * g->dh < g->h) & (ix + (g->kw - 1) * g->dw < g->w);
        int step = first + i < last, wrap = ox + step == g->ow;
        ox = wrap ? 0 : ox + step;
        oy += wrap;
        x += oy == g->oh ? image_floats : 0;
        oy = oy == g->oh ? 0 : oy;
    })
}

/* Where each pixel reads tap (ky, kx) of the first block, and how far on the next block is. */
INLINE void tile_aim(global const float **q, long *step, const tile_pixels *t, int ky, int kx, int pixel_floats,
                     long plane, global const float *zeros, const conv_geom *g)
{
    long at = ((long) ky * g->dh * g->w + kx * g->dw) * pixel_floats;
    TILE_EACH(if (i < TILE_PX) {
        int y = t->y[i] + ky * g->dh, x = t->x[i] + kx * g->dw;
        int in = ((uint) y < (uint) g->h) & ((uint) x < (uint) g->w);
        q[i] = in ? t->p[i] + at : zeros;
        step[i] = in ? plane : 0;
    })
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

INLINE void conv_tile_at(const tile_out *o, global const float *x, int first, const int nv, const conv_geom *g)
{
    const int px = TILE_PX, taps = g->kh * g->kw;
    const long plane = (long) g->h * g->w * V;
    tile_pixels t;
    tile_place(&t, x, V, 0, first, g->oh * g->ow - 1, g);
    VF a[2 * TILE_PX];
    TILE_EACH(a[i] = LOADV(i / TILE_PX, o->bias);)
    if (t.inside) {
        global const WEIGHT *w = o->weights;
        for (int b = 0; b * V < g->c; b++) {
            int channels = min(V, g->c - b * V);
            for (int ky = 0; ky < g->kh; ky++) {
                for (int kx = 0; kx < g->kw; kx++) {
                    long at = b * plane + (ky * g->dh * g->w + kx * g->dw) * V;
                    TILE_CHANNELS(t.p[i][at + c])
                }
            }
        }
    } else {
        for (int tap = 0; tap < taps; tap++) {
            global const float *q[TILE_PX];
            long step[TILE_PX];
            tile_aim(q, step, &t, tap / g->kw, tap % g->kw, V, plane, o->zeros, g);
            for (int b = 0; b * V < g->c; b++) {
                int channels = min(V, g->c - b * V);
                global const WEIGHT *w = o->weights + ((long) b * taps * V + tap * channels) * 2 * V;
                TILE_CHANNELS(q[i][c])
                TILE_EACH(if (i < TILE_PX) q[i] += step[i];)
            }
        }
    }
    tile_finish(o, a, first, first, px, nv, g);
}

/* global: (work-items over pixels, pairs of output blocks, images); local (1,1,1). */
kernel void conv_tile(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                      global const float *wb, ulong wo, conv_geom g)
{
    tile_out o = tile_out_at(rb, ro, yb, yo, wb, wo, get_global_id(1), get_global_id(2), &g);
    global const float *x = AT(const float, xb, xo) + get_global_id(2) * blocks_of(g.c) * ((long) g.h * g.w * V);
    int first = get_global_id(0) * g.per_item * TILE_PX, end = min(first + g.per_item * TILE_PX, g.oh * g.ow);
    for (; first < end; first += TILE_PX) {
        if (o.blocks == 2)
            conv_tile_at(&o, x, first, 2, &g);
        else
            conv_tile_at(&o, x, first, 1, &g);
    }
}
