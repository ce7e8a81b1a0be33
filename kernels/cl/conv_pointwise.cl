/* 1x1 convolution, stride 1, no padding: a product of matrices over the flattened image. The pixels of a tile
 * are neighbours in memory, so one pointer serves them all. */

/* global: (work-items over pixels, pairs of output blocks, images); local (1,1,1). */
kernel void conv_pointwise(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                           ulong yo, global const float *wb, ulong wo, conv_geom g)
{
    int t = get_global_id(1), n = get_global_id(2);
    int in_blocks = blocks_of(g.c), out_blocks = blocks_of(g.m), area = g.oh * g.ow;
    long plane = (long) area * V;
    global const float *x = AT(const float, xb, xo) + n * in_blocks * plane;
    long out_at = ((long) n * out_blocks + 2 * t) * plane;
    global float *y = AT(float, yb, yo) + out_at;
    global const float *r = rb ? AT(const float, rb, ro) + out_at : 0;
    global const float *zeros = AT(const float, wb, wo);
    global const float *bias = zeros + 2 * V + t * 2 * V;
    global const float *weights = zeros + 2 * V + (out_blocks + 1) / 2 * 2 * V + (long) t * g.c * 2 * V;
    int first = get_global_id(0) * g.per_item * TILE_PX;
    int end = min(first + g.per_item * TILE_PX, area);

    for (; first < end; first += TILE_PX) {
        VF a0[TILE_PX], a1[TILE_PX];
        #pragma unroll
        for (int i = 0; i < TILE_PX; i++) {
            a0[i] = LOADV(0, bias);
            a1[i] = LOADV(1, bias);
        }
        /* A last tile that is not full computes pixels which the one before has done, or repeats the last. */
        global const float *q[TILE_PX];
        #pragma unroll
        for (int i = 0; i < TILE_PX; i++)
            q[i] = x + min(first + i, area - 1) * (long) V;
        global const float *w = weights;
        for (int b = 0; b < in_blocks; b++) {
            int channels = min(V, g.c - b * V);
            if (channels == V) {
                #pragma unroll
                for (int c = 0; c < V; c++)
                    TILE_TAP(q, c)
            } else {
                for (int c = 0; c < channels; c++)
                    TILE_TAP(q, c)
            }
            #pragma unroll
            for (int i = 0; i < TILE_PX; i++)
                q[i] += plane;
        }
        tile_store(a0, y, r, first, &g);
        if (2 * t + 1 < out_blocks)
            tile_store(a1, y + plane, r ? r + plane : 0, first, &g);
    }
}
