/* 1x1 convolution, stride 1, no padding: a product of matrices over the flattened image. The pixels of a tile
 * are neighbours in memory, so one pointer serves them all; the last tile overlaps the one before, and what
 * was done is not stored again. */

enum { PAIR_BYTES = 2 * V * sizeof(WEIGHT) };   /* of one channel's weights */

/* A tile of `px` pixels by `nv` blocks; pixels before `fresh` are done. x is the first pixel in the first block. The
 * weights of the next pair of blocks are on their way meanwhile, each tile asking for its share: a network's weights
 * do not stay in the cache from image to image. So are the pixels of the next tile, one line of the cache per channel. */
INLINE void pointwise_tile(const tile_out *o, global const float *x, long plane, int from, int fresh, const int px,
                           const int nv, const conv_geom *g)
{
    VF a[2 * TILE_PX];
    TILE_EACH(a[i] = LOADV(nv > 1 ? i / TILE_PX : 0, o->bias);)
    global const WEIGHT *w = o->weights;
    global const float *q = x + from * (long) V;
    const int tiles = (g->oh * g->ow + TILE_PX - 1) / TILE_PX, step = V * PAIR_BYTES / tiles;
    global const char *next = (global const char *) (w + g->c * 2 * V) + (long) (from / TILE_PX) * step * (g->c / V);
    for (int b = g->c / V; b > 0; b--, q += plane, next += step) {
        PREFETCH(next);
        #pragma unroll
        for (int c = 0; c < V; c++, w += 2 * V) {
            if (c < TILE_PX)
                PREFETCH_NEAR(q + (px + c) * V);
            if (c < TILE_PX && px > TILE_PX)
                PREFETCH_NEAR(q + (px + TILE_PX + c) * V);
            TILE_TAP(q[V * i + c])
        }
    }
    for (int c = 0; c < g->c % V; c++, w += 2 * V)
        TILE_TAP(q[V * i + c])
    tile_finish(o, a, from, fresh, px, nv, g);
}

/* Pixels first..end-1 of one image and one pair of output blocks. */
INLINE void pointwise_run(const tile_out *o, global const float *x, int first, int end, const conv_geom *g)
{
    int area = g->oh * g->ow;
    long plane = (long) area * V;
    while (first < end) {
        int from = min(first, area - TILE_PX), next = first + TILE_PX;
        if (from < 0) {
            next = first + 1;
            pointwise_tile(o, x, plane, first, first, 1, 2, g);
        } else if (o->blocks == 2) {
            pointwise_tile(o, x, plane, from, first, TILE_PX, 2, g);
        } else if (end - first >= 2 * TILE_PX) {
            next += TILE_PX;
            pointwise_tile(o, x, plane, first, first, 2 * TILE_PX, 1, g);
        } else {
            pointwise_tile(o, x, plane, from, first, TILE_PX, 1, g);
        }
        first = next;
    }
}

/* global: (work-items over pixels, pairs of output blocks, images), the first two exchanged with pairs_first; local
 * (1,1,1). */
kernel void conv_pointwise(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                           ulong yo, global const float *wb, ulong wo, conv_geom g)
{
    int area = g.oh * g.ow, first = get_global_id(g.pairs_first) * g.per_item * TILE_PX;
    tile_out o = tile_out_at(rb, ro, yb, yo, wb, wo, get_global_id(1 - g.pairs_first), get_global_id(2), &g);
    global const float *x = AT(const float, xb, xo) + get_global_id(2) * blocks_of(g.c) * ((long) area * V);
    pointwise_run(&o, x, first, min(first + g.per_item * TILE_PX, area), &g);
}
