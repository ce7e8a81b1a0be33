/* 3x3 convolution, stride 1, by Winograd's minimal filtering F(4x4, 3x3): see kernels/conv_winograd.c.
 *
 * A chunk of tiles at a time, the 36 numbers of a tile being planes of their own, so that each plane is a product of
 * matrices:  in [36][C/V][count][V]  x  weights [36]  =  out [36][M/V][count][V].
 */
#define WINO 6                        /* a tile reads 6x6 pixels */
#define WINO_OUT 4                    /* and writes 4x4 */

/* As struct winograd in kernels/conv_winograd.c. */
typedef struct {
    conv_geom g;
    int first, count;                 /* tiles of this chunk, over all images */
    int across, down;                 /* tiles of one image */
} winograd;

/* Pixel under the first tap of a tile of this chunk, and its image. */
INLINE void winograd_place(const winograd *t, int tile, int *n, int *y, int *x)
{
    int area = t->across * t->down, at = t->first + tile;
    *n = at / area;
    *y = at % area / t->across * WINO_OUT;
    *x = at % area % t->across * WINO_OUT;
}

/* B^T d of six numbers, `step` apart. */
INLINE void winograd_in(VF *o, const VF *d, const int step)
{
    VF d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    VF even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, far = d4 - d2, twice = 2.0f * (d3 - d1);
    o[0] = 4.0f * d0 - 5.0f * d2 + d4;
    o[step] = even + odd;
    o[2 * step] = even - odd;
    o[3 * step] = far + twice;
    o[4 * step] = far - twice;
    o[5 * step] = 4.0f * d1 - 5.0f * d3 + d5;
}

/* A^T m of six numbers, `step` apart, to four. */
INLINE void winograd_out(VF *o, const VF *m, const int step)
{
    VF s1 = m[step] + m[2 * step], s2 = m[step] - m[2 * step];
    VF s3 = m[3 * step] + m[4 * step], s4 = m[3 * step] - m[4 * step];
    o[0] = m[0] + s1 + s3;
    o[step] = s2 + 2.0f * s4;
    o[2 * step] = s1 + 4.0f * s3;
    o[3 * step] = s2 + 8.0f * s4 + m[5 * step];
}

/* global: (work-items over tiles, blocks of channels); local (1,1,1). */
kernel void winograd_gather(global const float *xb, ulong xo, global float *ub, ulong uo, winograd t)
{
    const conv_geom *g = &t.g;
    int block = get_global_id(1), blocks = blocks_of(g->c), first = get_global_id(0) * g->per_item;
    global float *u = AT(float, ub, uo);
    for (int tile = first; tile < min(first + g->per_item, t.count); tile++) {
        int n, y, x;
        winograd_place(&t, tile, &n, &y, &x);
        y -= g->pt;
        x -= g->pl;
        global const float *from = AT(const float, xb, xo) + ((long) n * blocks + block) * g->h * g->w * V;
        int inside = y >= 0 && x >= 0 && y + WINO <= g->h && x + WINO <= g->w;
        VF d[WINO * WINO];
        #pragma unroll
        for (int i = 0; i < WINO * WINO; i++) {
            int py = y + i / WINO, px = x + i % WINO;
            int in = inside || ((uint) py < (uint) g->h && (uint) px < (uint) g->w);
            d[i] = in ? LOADV((long) py * g->w + px, from) : (VF) (0.0f);
        }
        #pragma unroll
        for (int i = 0; i < WINO; i++)
            winograd_in(d + i, d + i, WINO);
        #pragma unroll
        for (int i = 0; i < WINO; i++)
            winograd_in(d + i * WINO, d + i * WINO, 1);
        #pragma unroll
        for (int i = 0; i < WINO * WINO; i++)
            STOREV(d[i], ((long) i * blocks + block) * t.count + tile, u);
    }
}

/* One plane after the other as a 1x1 convolution over `count` pixels.
 * global: (work-items over tiles, pairs of output blocks, planes); local (1,1,1). */
kernel void winograd_multiply(global const float *ub, ulong uo, global float *mb, ulong mo, global const float *wb,
                              ulong wo, conv_geom g)
{
    int pair = get_global_id(1), plane = get_global_id(2), blocks = blocks_of(g.m), pairs = (blocks + 1) / 2;
    global const float *zeros = AT(const float, wb, wo);
    tile_out o = {
        .zeros = zeros,
        .bias = zeros,
        .weights = zeros + (1 + pairs + ((long) plane * pairs + pair) * g.c) * 2 * V,
        .y = AT(float, mb, mo) + ((long) plane * blocks + 2 * pair) * g.ow * V,
        .blocks = min(2, blocks - 2 * pair),
    };
    int first = get_global_id(0) * g.per_item * TILE_PX;
    pointwise_run(&o, AT(const float, ub, uo) + (long) plane * blocks_of(g.c) * g.ow * V, first,
                  min(first + g.per_item * TILE_PX, g.ow), &g);
}

/* global: (work-items over tiles, blocks of output channels); local (1,1,1). */
kernel void winograd_scatter(global const float *mb, ulong mo, global const float *rb, ulong ro, global float *yb,
                             ulong yo, global const float *wb, ulong wo, winograd t)
{
    const conv_geom *g = &t.g;
    int block = get_global_id(1), blocks = blocks_of(g->m), first = get_global_id(0) * g->per_item;
    global const float *m = AT(const float, mb, mo);
    VF bias = LOADV(2 + block, AT(const float, wb, wo));
    for (int tile = first; tile < min(first + g->per_item, t.count); tile++) {
        int n, y, x;
        winograd_place(&t, tile, &n, &y, &x);
        long plane = ((long) n * blocks + block) * g->oh * g->ow * V;
        VF d[WINO * WINO];
        #pragma unroll
        for (int i = 0; i < WINO * WINO; i++)
            d[i] = LOADV(((long) i * blocks + block) * t.count + tile, m);
        #pragma unroll
        for (int i = 0; i < WINO; i++)
            winograd_out(d + i, d + i, WINO);
        #pragma unroll
        for (int i = 0; i < WINO_OUT; i++)
            winograd_out(d + i * WINO, d + i * WINO, 1);
        for (int py = 0; py < min(WINO_OUT, g->oh - y); py++)
            for (int px = 0; px < min(WINO_OUT, g->ow - x); px++) {
                long at = (long) (y + py) * g->ow + x + px;
                VF v = d[py * WINO + px] + bias;
                if (rb)
                    v += LOADV(at, AT(const float, rb, ro) + plane);
                STOREV(act_v(v, g->act, g->act_a, g->act_b), at, AT(float, yb, yo) + plane);
            }
    }
}
