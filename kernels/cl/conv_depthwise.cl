/* One filter per channel, BLOCKED: V channels side by side, a strip of pixels of a row or two at a time.
 *
 * Rows outside the image are left out by the bounds of ky. Columns need no test in the middle of a row, which
 * strips cover (the last one overlaps its neighbour); the few columns at either end, whose windows reach over the
 * border, are done by strips down the column. The usual windows, 3x3 and 5x5 with stride 1, have code of their own in
 * which each number of the input is loaded once for all taps and both rows.
 */
#define STRIP_PX 8      /* STRIP_ROWS times this is at most 2*TILE_PX */
#define STRIP_ROWS (V == 16 ? 2 : 1)    /* as many as registers hold */

typedef struct {
    global const float *x;       /* plane of the channel block */
    global const float *weights, *r;
    global float *y;
    VF bias;
} strip_plane;

/* Taps of a window that lie inside the image: from the first to before the last. */
typedef struct {
    int ky0, ky1, kx0, kx1;
} window_taps;

/* Those along one dimension; a window may start before the image. */
inline void taps_inside(int *from, int *end, int start, int dilation, int taps, int size)
{
    int before = max(-start, 0), room = max(size - start, 0);
    if (dilation > 1) {
        before = (before + dilation - 1) / dilation;
        room = (room + dilation - 1) / dilation;
    }
    *from = before;
    *end = min(taps, room);
}

inline void rows_inside(window_taps *t, int oy, const conv_geom *g)
{
    taps_inside(&t->ky0, &t->ky1, oy * g->sh - g->pt, g->dh, g->kh, g->h);
}

inline void strip_put(const strip_plane *s, VF v, long at, const conv_geom *g)
{
    STOREV(conv_end(v, s->r ? s->r + at * V : 0, g), at, s->y);
}

/* Where sum i of a strip goes, in pixels of the plane. */
#define STRIP_AT(i) (first + (i) % STRIP_PX * step + (i) / STRIP_PX * jump)

/* The end of a strip of n sums, of which `wanted` are stored: all, or but the first row. The first `done` pixels of each
 * row, `step` from one to the next, are done; the next row is `jump` away. */
INLINE void strip_finish(const strip_plane *s, VF *a, const int n, int wanted, int done, long first, long step,
                         long jump, const conv_geom *g)
{
    if (!s->r && act_is_short(g)) {
        act_registers(a, n, g);
        TILE_EACH(if (i < n && i < STRIP_PX) STOREV(a[i], STRIP_AT(i), s->y);)
        if (n > STRIP_PX && wanted == n) {
            TILE_EACH(if (i < n && i >= STRIP_PX) STOREV(a[i], STRIP_AT(i), s->y);)
        }
        return;
    }
    VF sums[STRIP_ROWS * STRIP_PX];     /* indexed by a variable, therefore in memory, where `a` must not be */
    TILE_EACH(if (i < n) sums[i] = a[i];)
    for (int i = 0; i < wanted; i++)
        if (i % STRIP_PX >= done)
            strip_put(s, sums[i], STRIP_AT(i), g);
}

/* ---- windows of k x k with stride 1 ---- */

enum { WINDOW_MOST = 5 };

/* Statements for every i < STRIP_PX + WINDOW_MOST - 1, a column of the input under a strip. */
#define WINDOW_COLUMNS(...) TILE_DO4(0, __VA_ARGS__) TILE_DO4(4, __VA_ARGS__) TILE_DO4(8, __VA_ARGS__)

/* Column i as tap kx of one of the pixels. */
#define WINDOW_TAP(kx)                                                                 \
    if (kx < k && (uint) (i - kx) < STRIP_PX) {                                        \
        if (here)                                                                      \
            a[i - kx] = fma(xv, w0[kx], a[i - kx]);                                    \
        if (below)                                                                     \
            a[STRIP_PX + i - kx] = fma(xv, w1[kx], a[STRIP_PX + i - kx]);              \
    }

/* What row iy under the window of the first output row, at q, is to it and to the output row below. */
INLINE void window_row(VF *a, global const float *weights, global const float *q, const int iy, const int k)
{
    const int here = iy < k, below = STRIP_ROWS > 1 && iy > 0;
    VF w0[WINDOW_MOST], w1[WINDOW_MOST];
    TILE_DO4(0, if (i < k && here) w0[i] = LOADV(iy * k + i, weights);)
    TILE_DO4(0, if (i < k && below) w1[i] = LOADV(iy * k - k + i, weights);)
    TILE_DO(4, if (i < k && here) w0[i] = LOADV(iy * k + i, weights);)
    TILE_DO(4, if (i < k && below) w1[i] = LOADV(iy * k - k + i, weights);)
    WINDOW_COLUMNS(if (i < STRIP_PX + k - 1) {
        VF xv = LOADV(i, q);
        WINDOW_TAP(0) WINDOW_TAP(1) WINDOW_TAP(2) WINDOW_TAP(3) WINDOW_TAP(4)
    })
}

#define WINDOW_ROW(iy)                                                                 \
    if (iy < k + STRIP_ROWS - 1 && (uint) (top + iy) < (uint) g->h)                    \
        window_row(a, s->weights, q + (long) iy * g->w * V, iy, k);

/* Columns lo..hi-1, at least a strip, of row oy and, if there are two, the one below. */
INLINE void window_strips(const strip_plane *s, int oy, int rows, int lo, int hi, const int k, const conv_geom *g)
{
    int top = oy - g->pt;
    for (int ox = lo; ox < hi; ox += STRIP_PX) {
        int from = min(ox, hi - STRIP_PX);
        global const float *q = s->x + ((long) top * g->w + from - g->pl) * V;
        VF a[2 * TILE_PX];
        TILE_EACH(if (i < STRIP_PX * STRIP_ROWS) a[i] = s->bias;)
        WINDOW_ROW(0) WINDOW_ROW(1) WINDOW_ROW(2) WINDOW_ROW(3) WINDOW_ROW(4) WINDOW_ROW(5)
        strip_finish(s, a, STRIP_PX * STRIP_ROWS, STRIP_PX * rows, s->r ? ox - from : 0, (long) oy * g->ow + from, 1,
                     g->ow, g);
    }
}

/* ---- any window ---- */

/* n pixels from column ox of row oy on, which are neighbours along the row or, if `down`, along the column; `done` of them
 * are. Taps `t` lie inside for all. `stride` is a constant where the caller knows it. */
INLINE void strip(const strip_plane *s, int oy, int ox, const window_taps *t, int done, const int n, const int stride,
                  const int down, const conv_geom *g)
{
    long step = down ? stride * g->w : stride;
    VF a[2 * TILE_PX];
    TILE_EACH(if (i < n) a[i] = s->bias;)
    for (int ky = t->ky0; ky < t->ky1; ky++) {
        long row = oy * g->sh - g->pt + ky * g->dh, column = ox * g->sw - g->pl + t->kx0 * g->dw;
        global const float *q = s->x + (row * g->w + column) * V, *w = s->weights + ky * g->kw * V;
        for (int kx = t->kx0; kx < t->kx1; kx++) {
            VF wv = LOADV(kx, w);
            TILE_EACH(if (i < n) a[i] = fma(LOADV(i * step, q), wv, a[i]);)
            q += g->dw * V;
        }
    }
    strip_finish(s, a, n, n, done, (long) oy * g->ow + ox, down ? g->ow : 1, 0, g);
}

/* Columns lo..hi-1 of row oy, whose windows lie inside, at least half a strip. The last strip overlaps the one before and
 * writes the same once more, unless a residual may lie where it writes. */
INLINE void strips(const strip_plane *s, int oy, int lo, int hi, const int stride, const conv_geom *g)
{
    window_taps t = {.kx0 = 0, .kx1 = g->kw};
    rows_inside(&t, oy, g);
    int ox = lo;
    for (; ox + STRIP_PX <= hi; ox += STRIP_PX)
        strip(s, oy, ox, &t, 0, STRIP_PX, stride, 0, g);
    int wide = hi - ox > STRIP_PX / 2 && hi - lo >= STRIP_PX;
    for (; ox < hi; ox += wide ? STRIP_PX : STRIP_PX / 2) {
        int from = min(ox, hi - (wide ? STRIP_PX : STRIP_PX / 2)), done = s->r ? ox - from : 0;
        if (wide)
            strip(s, oy, from, &t, done, STRIP_PX, stride, 0, g);
        else
            strip(s, oy, from, &t, done, STRIP_PX / 2, stride, 0, g);
    }
}

/* Rows first..end-1, at most STRIP_ROWS, of columns lo..hi-1. */
INLINE void inner_columns(const strip_plane *s, int first, int end, int lo, int hi, const conv_geom *g)
{
    if (hi - lo >= STRIP_PX && g->sh == 1 && g->sw == 1 && g->dh == 1 && g->dw == 1 && g->kh == g->kw) {
        switch (g->kh) {
        case 3: window_strips(s, first, end - first, lo, hi, 3, g); return;
        case 5: window_strips(s, first, end - first, lo, hi, 5, g); return;
        }
    }
    for (int oy = first; oy < end; oy++) {
        if (g->sw == 1)
            strips(s, oy, lo, hi, 1, g);
        else if (g->sw == 2)
            strips(s, oy, lo, hi, 2, g);
        else
            strips(s, oy, lo, hi, g->sw, g);
    }
}

/* Rows first..end-1 of column ox, whose windows reach over the border: strips down the column where they do so to the
 * sides only. Rows lo..hi-1 are those. */
INLINE void border_column(const strip_plane *s, int first, int end, int ox, int lo, int hi, const conv_geom *g)
{
    window_taps t;
    taps_inside(&t.kx0, &t.kx1, ox * g->sw - g->pl, g->dw, g->kw, g->w);
    for (int oy = first; oy < end;) {
        if (oy >= lo && oy + STRIP_PX <= min(hi, end)) {
            t.ky0 = 0;
            t.ky1 = g->kh;
            strip(s, oy, ox, &t, 0, STRIP_PX, g->sh, 1, g);
            oy += STRIP_PX;
        } else {
            rows_inside(&t, oy, g);
            strip(s, oy, ox, &t, 0, 1, 1, 0, g);
            oy++;
        }
    }
}

/* Positions along one dimension whose whole window lies inside: from *lo on, before *hi. */
inline void inner_range(int *lo, int *hi, int out, int stride, int pad, int reach, int size)
{
    int room = size - 1 - reach + pad;
    *lo = min((pad + stride - 1) / stride, out);
    *hi = room < 0 ? 0 : min(room / stride + 1, out);
}

/* global: (work-items over rows, blocks, images); local (1,1,1). */
kernel void conv_depthwise(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                           ulong yo, global const float *wb, ulong wo, conv_geom g)
{
    int block = get_global_id(1), blocks = blocks_of(g.c), taps = g.kh * g.kw;
    long at = (long) get_global_id(2) * blocks + block;
    global const float *bias = AT(const float, wb, wo);
    strip_plane s;
    s.x = AT(const float, xb, xo) + at * g.h * g.w * V;
    s.y = AT(float, yb, yo) + at * g.oh * g.ow * V;
    s.r = rb ? AT(const float, rb, ro) + at * g.oh * g.ow * V : 0;
    s.bias = LOADV(block, bias);
    s.weights = bias + (blocks + block * taps) * V;
    int first = get_global_id(0) * g.per_item, end = min(first + g.per_item, g.oh), lo, hi, top, bottom;
    inner_range(&top, &bottom, g.oh, g.sh, g.pt, (g.kh - 1) * g.dh, g.h);
    inner_range(&lo, &hi, g.ow, g.sw, g.pl, (g.kw - 1) * g.dw, g.w);
    if (hi - lo < STRIP_PX / 2)
        lo = hi = 0;
    for (int oy = first; oy < end && lo < hi; oy += STRIP_ROWS)
        inner_columns(&s, oy, min(oy + STRIP_ROWS, end), lo, hi, &g);
    for (int i = 0; i < lo + g.ow - hi; i++)
        border_column(&s, first, end, i < lo ? i : hi + i - lo, top, bottom, &g);
}
