/* One filter per channel, BLOCKED: V channels side by side, a strip of pixels of one row at a time.
 *
 * Rows outside the image are left out by the bounds of ky. Columns need no test in the middle of a row, which
 * strips cover (the last one overlaps its neighbour); the few pixels at either end, whose windows reach over
 * the border, are done one by one.
 */
#define STRIP_PX 8      /* at most 2*TILE_PX */

typedef struct {
    global const float *x;       /* plane of the channel block */
    global const float *weights, *r;
    global float *y;
    VF bias;
    int oy, ky0, ky1;            /* output row; rows of the window that lie inside */
} strip_row;

/* A window may start before the image (first < 0): the first tap that is inside. */
inline int first_tap(int first, int dilation)
{
    return first >= 0 ? 0 : (-first + dilation - 1) / dilation;
}

inline int end_tap(int first, int dilation, int taps, int size)
{
    return first >= size ? 0 : min(taps, (size - first + dilation - 1) / dilation);
}

inline void strip_put(const strip_row *s, VF v, int ox, const conv_geom *g)
{
    long to = ((long) s->oy * g->ow + ox) * V;
    STOREV(conv_end(v, s->r ? s->r + to : 0, g), 0, s->y + to);
}

inline void border_pixel(const strip_row *s, int ox, const conv_geom *g)
{
    int left = ox * g->sw - g->pl, top = s->oy * g->sh - g->pt;
    int kx0 = first_tap(left, g->dw), kx1 = end_tap(left, g->dw, g->kw, g->w);
    VF a = s->bias;
    for (int ky = s->ky0; ky < s->ky1; ky++) {
        global const float *row = s->x + ((long) (top + ky * g->dh) * g->w + left) * V;
        for (int kx = kx0; kx < kx1; kx++)
            a = fma(LOADV(kx * g->dw, row), LOADV(ky * g->kw + kx, s->weights), a);
    }
    strip_put(s, a, ox, g);
}

/* Pixels from..from + n - 1, of which those before `fresh` are done. `stride` is a constant where the caller knows it. */
INLINE void strip(const strip_row *s, int from, int fresh, const int n, const int stride, const conv_geom *g)
{
    int left = from * stride - g->pl, top = s->oy * g->sh - g->pt;
    VF a[STRIP_PX];
    TILE_EACH(if (i < n) a[i] = s->bias;)
    for (int ky = s->ky0; ky < s->ky1; ky++) {
        global const float *q = s->x + ((long) (top + ky * g->dh) * g->w + left) * V;
        global const float *w = s->weights + ky * g->kw * V;
        for (int kx = 0; kx < g->kw; kx++) {
            VF wv = LOADV(kx, w);
            TILE_EACH(if (i < n) a[i] = fma(LOADV(i * stride, q), wv, a[i]);)
            q += g->dw * V;
        }
    }
    if (!s->r && act_is_short(g)) {
        long to = (long) s->oy * g->ow + from;
        act_registers(a, n, g);
        TILE_EACH(if (i < n) STOREV(a[i], to + i, s->y);)
        return;
    }
    VF done[STRIP_PX];      /* indexed by a variable, therefore in memory, where `a` must not be */
    TILE_EACH(if (i < n) done[i] = a[i];)
    for (int i = fresh - from; i < n; i++)
        strip_put(s, done[i], from + i, g);
}

/* Columns lo..hi-1, whose windows lie inside. The last strip overlaps the one before and writes the same once more, unless
 * a residual may lie where it writes. */
INLINE void strips(const strip_row *s, int lo, int hi, const int stride, const conv_geom *g)
{
    int ox = lo;
    for (; ox + STRIP_PX <= hi; ox += STRIP_PX)
        strip(s, ox, ox, STRIP_PX, stride, g);
    int wide = hi - ox > STRIP_PX / 2 && hi - lo >= STRIP_PX;
    for (; ox < hi; ox += wide ? STRIP_PX : STRIP_PX / 2) {
        int from = min(ox, hi - (wide ? STRIP_PX : STRIP_PX / 2)), fresh = s->r ? ox : from;
        if (wide)
            strip(s, from, fresh, STRIP_PX, stride, g);
        else
            strip(s, from, fresh, STRIP_PX / 2, stride, g);
    }
}

/* global: (work-items over rows, blocks, images); local (1,1,1). */
kernel void conv_depthwise(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                           ulong yo, global const float *wb, ulong wo, conv_geom g)
{
    int block = get_global_id(1), blocks = blocks_of(g.c), taps = g.kh * g.kw;
    long at = (long) get_global_id(2) * blocks + block;
    global const float *bias = AT(const float, wb, wo);
    strip_row s;
    s.x = AT(const float, xb, xo) + at * g.h * g.w * V;
    s.y = AT(float, yb, yo) + at * g.oh * g.ow * V;
    s.r = rb ? AT(const float, rb, ro) + at * g.oh * g.ow * V : 0;
    s.bias = LOADV(block, bias);
    s.weights = bias + (blocks + block * taps) * V;
    int first_row = get_global_id(0) * g.per_item, end_row = min(first_row + g.per_item, g.oh);

    /* Columns [lo, hi) have their whole window inside. */
    int lo = min((g.pl + g.sw - 1) / g.sw, g.ow);
    int room = g.w - 1 - (g.kw - 1) * g.dw + g.pl;
    int hi = room < 0 ? 0 : min(room / g.sw + 1, g.ow);
    if (hi - lo < STRIP_PX / 2)
        lo = hi = 0;
    for (s.oy = first_row; s.oy < end_row; s.oy++) {
        int top = s.oy * g.sh - g.pt;
        s.ky0 = first_tap(top, g.dh);
        s.ky1 = end_tap(top, g.dh, g.kh, g.h);
        for (int ox = 0; ox < lo; ox++)
            border_pixel(&s, ox, &g);
        if (g.sw == 1)
            strips(&s, lo, hi, 1, &g);
        else if (g.sw == 2)
            strips(&s, lo, hi, 2, &g);
        else
            strips(&s, lo, hi, g.sw, &g);
        for (int ox = hi; ox < g.ow; ox++)
            border_pixel(&s, ox, &g);
    }
}
