/* Direct convolution into register tiles: TILE_PX consecutive output pixels (in row-major order, so that narrow
 * images waste nothing) times 2V output channels.
 *
 * Each pixel has a pointer of its own; a tap outside the image points at zeros. That choice costs a compare per
 * pixel and tap, and is paid once for V input channels and only by tiles which touch the border.
 */
typedef struct {
    global const float *p[TILE_PX];   /* input pixel under the first tap, in channel block 0 */
    int y[TILE_PX], x[TILE_PX];       /* its coordinates, which may lie outside */
    int inside;                       /* no tap of any pixel is outside */
} tile_pixels;

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
        t->inside &= iy >= 0 & ix >= 0 & iy + (g->kh - 1) * g->dh < g->h & ix + (g->kw - 1) * g->dw < g->w;
        if (first + i < last) {       /* pixels past the end repeat the last one and are not stored */
            ox++;
            if (ox == g->ow) {
                ox = 0;
                oy++;
            }
        }
    }
}

#define TILE_TAP(q, c)                                          \
    {                                                           \
        VF w0 = LOADV(0, w), w1 = LOADV(1, w);                  \
        w += 2 * V;                                             \
        _Pragma("unroll")                                       \
        for (int i = 0; i < TILE_PX; i++) {                     \
            VF xv = (VF) ((q)[i][c]);                           \
            a0[i] = fma(xv, w0, a0[i]);                         \
            a1[i] = fma(xv, w1, a1[i]);                         \
        }                                                       \
    }

inline void tile_store(const VF *a, global float *y, global const float *r, int first, const conv_geom *g)
{
    int count = min(TILE_PX, g->oh * g->ow - first);
    for (int i = 0; i < count; i++) {
        VF v = a[i];
        if (r)
            v += LOADV(first + i, r);
        STOREV(act_v(v, g->act, g->act_a, g->act_b), first + i, y);
    }
}

/* global: (work-items over pixels, pairs of output blocks, images); local (1,1,1). */
kernel void conv_tile(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                      global const float *wb, ulong wo, conv_geom g)
{
    int t = get_global_id(1), n = get_global_id(2);
    int in_blocks = blocks_of(g.c), out_blocks = blocks_of(g.m), area = g.oh * g.ow;
    long in_plane = (long) g.h * g.w * V, out_plane = (long) area * V;
    global const float *x = AT(const float, xb, xo) + n * in_blocks * in_plane;
    long out_at = ((long) n * out_blocks + 2 * t) * out_plane;
    global float *y = AT(float, yb, yo) + out_at;
    global const float *r = rb ? AT(const float, rb, ro) + out_at : 0;
    global const float *zeros = AT(const float, wb, wo);
    global const float *bias = zeros + 2 * V + t * 2 * V;
    global const float *weights = zeros + 2 * V + (out_blocks + 1) / 2 * 2 * V + (long) t * g.c * g.kh * g.kw * 2 * V;
    int first = get_global_id(0) * g.per_item * TILE_PX;
    int end = min(first + g.per_item * TILE_PX, area);

    for (; first < end; first += TILE_PX) {
        tile_pixels px;
        tile_place(&px, x, V, first, &g);
        VF a0[TILE_PX], a1[TILE_PX];
        #pragma unroll
        for (int i = 0; i < TILE_PX; i++) {
            a0[i] = LOADV(0, bias);
            a1[i] = LOADV(1, bias);
        }
        global const float *w = weights;
        for (int b = 0; b < in_blocks; b++) {
            int channels = min(V, g.c - b * V);
            for (int ky = 0; ky < g.kh; ky++) {
                for (int kx = 0; kx < g.kw; kx++) {
                    long tap = b * in_plane + (ky * g.dh * g.w + kx * g.dw) * V;
                    global const float *q[TILE_PX];
                    #pragma unroll
                    for (int i = 0; i < TILE_PX; i++) {
                        q[i] = px.p[i] + tap;
                        if (!px.inside) {
                            int yy = px.y[i] + ky * g.dh, xx = px.x[i] + kx * g.dw;
                            q[i] = (uint) yy < (uint) g.h & (uint) xx < (uint) g.w ? q[i] : zeros;
                        }
                    }
                    if (channels == V) {
                        #pragma unroll
                        for (int c = 0; c < V; c++)
                            TILE_TAP(q, c)
                    } else {
                        for (int c = 0; c < channels; c++)
                            TILE_TAP(q, c)
                    }
                }
            }
        }
        tile_store(a0, y, r, first, &g);
        if (2 * t + 1 < out_blocks)
            tile_store(a1, y + out_plane, r ? r + out_plane : 0, first, &g);
    }
}

/* PLAIN input of few channels, for first layers: a tap is one channel of one pixel. */
kernel void conv_plain_in(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                          global const float *wb, ulong wo, conv_geom g)
{
    int t = get_global_id(1), n = get_global_id(2);
    int out_blocks = blocks_of(g.m), area = g.oh * g.ow;
    long in_plane = (long) g.h * g.w, out_plane = (long) area * V;
    global const float *x = AT(const float, xb, xo) + n * g.c * in_plane;
    long out_at = ((long) n * out_blocks + 2 * t) * out_plane;
    global float *y = AT(float, yb, yo) + out_at;
    global const float *r = rb ? AT(const float, rb, ro) + out_at : 0;
    global const float *zeros = AT(const float, wb, wo);
    global const float *bias = zeros + 2 * V + t * 2 * V;
    global const float *weights = zeros + 2 * V + (out_blocks + 1) / 2 * 2 * V + (long) t * g.c * g.kh * g.kw * 2 * V;
    int first = get_global_id(0) * g.per_item * TILE_PX;
    int end = min(first + g.per_item * TILE_PX, area);

    for (; first < end; first += TILE_PX) {
        tile_pixels px;
        tile_place(&px, x, 1, first, &g);
        VF a0[TILE_PX], a1[TILE_PX];
        #pragma unroll
        for (int i = 0; i < TILE_PX; i++) {
            a0[i] = LOADV(0, bias);
            a1[i] = LOADV(1, bias);
        }
        global const float *w = weights;
        for (int c = 0; c < g.c; c++) {
            for (int ky = 0; ky < g.kh; ky++) {
                for (int kx = 0; kx < g.kw; kx++) {
                    long tap = c * in_plane + ky * g.dh * g.w + kx * g.dw;
                    if (px.inside) {
                        TILE_TAP(px.p, tap)
                        continue;
                    }
                    global const float *q[TILE_PX];
                    #pragma unroll
                    for (int i = 0; i < TILE_PX; i++) {
                        int yy = px.y[i] + ky * g.dh, xx = px.x[i] + kx * g.dw;
                        q[i] = (uint) yy < (uint) g.h & (uint) xx < (uint) g.w ? px.p[i] + tap : zeros;
                    }
                    TILE_TAP(q, 0)
                }
            }
        }
        tile_store(a0, y, r, first, &g);
        if (2 * t + 1 < out_blocks)
            tile_store(a1, y + out_plane, r ? r + out_plane : 0, first, &g);
    }
}
