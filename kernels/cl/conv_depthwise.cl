/* One filter per channel, BLOCKED: V channels side by side, a strip of pixels of one row at a time.
 *
 * Rows outside the image are left out by the bounds of ky; only columns need the choice between pixel and
 * zeros, and only in the strips that touch the left or right border.
 */
#define STRIP_PX 8

/* global: (work-items over rows, blocks, images); local (1,1,1). */
kernel void conv_depthwise(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                           ulong yo, global const float *wb, ulong wo, conv_geom g)
{
    int block = get_global_id(1), blocks = blocks_of(g.c), taps = g.kh * g.kw;
    long at = (long) get_global_id(2) * blocks + block;
    global const float *x = AT(const float, xb, xo) + at * g.h * g.w * V;
    global float *y = AT(float, yb, yo) + at * g.oh * g.ow * V;
    global const float *r = rb ? AT(const float, rb, ro) + at * g.oh * g.ow * V : 0;
    global const float *zeros = AT(const float, wb, wo);
    VF bias = LOADV(1 + block, zeros);
    global const float *weights = zeros + (1 + blocks + block * taps) * V;
    int first_row = get_global_id(0) * g.per_item, end_row = min(first_row + g.per_item, g.oh);

    for (int oy = first_row; oy < end_row; oy++) {
        int top = oy * g.sh - g.pt;
        int ky0 = top >= 0 ? 0 : (-top + g.dh - 1) / g.dh;
        int ky1 = min(g.kh, (g.h - top + g.dh - 1) / g.dh);
        for (int ox = 0; ox < g.ow; ox += STRIP_PX) {
            int px_x[STRIP_PX];
            VF a[STRIP_PX];
            #pragma unroll
            for (int i = 0; i < STRIP_PX; i++) {
                px_x[i] = min(ox + i, g.ow - 1) * g.sw - g.pl;
                a[i] = bias;
            }
            int inside = px_x[0] >= 0 & px_x[STRIP_PX - 1] + (g.kw - 1) * g.dw < g.w;
            for (int ky = ky0; ky < ky1; ky++) {
                global const float *row = x + (long) (top + ky * g.dh) * g.w * V;
                for (int kx = 0; kx < g.kw; kx++) {
                    VF wv = LOADV(ky * g.kw + kx, weights);
                    #pragma unroll
                    for (int i = 0; i < STRIP_PX; i++) {
                        int xx = px_x[i] + kx * g.dw;
                        global const float *q = row + (long) xx * V;
                        if (!inside)
                            q = (uint) xx < (uint) g.w ? q : zeros;
                        a[i] = fma(LOADV(0, q), wv, a[i]);
                    }
                }
            }
            int count = min(STRIP_PX, g.ow - ox);
            for (int i = 0; i < count; i++) {
                long to = (long) oy * g.ow + ox + i;
                VF v = a[i];
                if (r)
                    v += LOADV(to, r);
                STOREV(act_v(v, g.act, g.act_a, g.act_b), to, y);
            }
        }
    }
}
