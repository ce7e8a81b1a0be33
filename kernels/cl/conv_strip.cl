/* Convolution of any window by strips: see kernels/conv_strip.c.
 *
 * What a strip of output pixels reads is copied to local memory, u [groups][C/V][taps][TILE_PX][V], in the order in
 * which the weights of conv_tile stream past, with zeros around the image; then each pair of output blocks is a product
 * of matrices by register tiles. Pixels count over all images.
 */

/* As struct strip in kernels/conv_strip.c. */
typedef struct {
    conv_geom g;
    int strip;                        /* output pixels of a work-item */
    int pairs;                        /* pairs of output blocks of a work-item */
    int group;                        /* floats of TILE_PX pixels */
} conv_strips;

enum { STRIP_FEW = TILE_PX * 2 / 3 };

/* Vectors in memory, read and written whole: PoCL's vload and vstore come in pieces, which LLVM then computes with. */

/* `px` pixels times `nv` blocks over blocks * V channels, then `tail` channels of each of `taps` blocks. Above TILE_PX
 * pixels, those of the next group follow. The weights that come after these are on their way meanwhile: `step` floats
 * of `next` per channel, for a network's weights do not stay in the cache from image to image. */
INLINE void strip_sums(VF *a, local const float *u, int group, global const float *w, global const float *next,
                       int step, int blocks, int taps, int tail, const int px, const int nv)
{
    for (int b = blocks; b > 0; b--, u += TILE_PX * V) {
        #pragma unroll
        for (int c = 0; c < V; c++, w += 2 * V, next += step) {
            PREFETCH(next);
            TILE_TAP(u[(i < TILE_PX ? 0 : group) + i % TILE_PX * V + c])
        }
    }
    for (int b = tail ? taps : 0; b > 0; b--, u += TILE_PX * V)
        for (int c = 0; c < tail; c++, w += 2 * V)
            TILE_TAP(u[(i < TILE_PX ? 0 : group) + i % TILE_PX * V + c])
}

/* All that TILE_PX output pixels from `first` on read. */
INLINE void strip_gather(local float *u, global const float *x, int first, global const float *zeros,
                         const conv_geom *g)
{
    const int taps = g->kh * g->kw, blocks = blocks_of(g->c), tap_floats = TILE_PX * V;
    const int area = g->oh * g->ow, image = first / area;
    const long plane = (long) g->h * g->w * V;
    tile_pixels t;
    tile_place(&t, x + image * blocks * plane, V, blocks * plane, first - image * area, (g->n - image) * area - 1, g);
    if (t.inside) {
        for (int b = 0; b < blocks; b++)
            for (int ky = 0; ky < g->kh; ky++)
                for (int kx = 0; kx < g->kw; kx++, u += tap_floats) {
                    long at = b * plane + ((long) ky * g->dh * g->w + kx * g->dw) * V;
                    TILE_EACH(if (i < TILE_PX) *(local VM *) (u + i * V) = *(global const VM *) (t.p[i] + at);)
                }
        return;
    }
    for (int tap = 0; tap < taps; tap++, u += tap_floats) {
        global const float *q[TILE_PX];
        long step[TILE_PX];
        tile_aim(q, step, &t, tap / g->kw, tap % g->kw, V, plane, zeros, g);
        for (int b = 0; b < blocks; b++) {
            local float *to = u + b * taps * tap_floats;
            TILE_EACH(if (i < TILE_PX) {
                *(local VM *) (to + i * V) = *(global const VM *) q[i];
                q[i] += step[i];
            })
        }
    }
}

/* `px` pixels from the one numbered `from` on, for one pair of output blocks: parts of one image or of several. */
INLINE void strip_tile(const tile_out *o, local const float *u, int from, const conv_strips *t,
                       global const float *next, int step, const int px, const int nv)
{
    const conv_geom *g = &t->g;
    const int taps = g->kh * g->kw;
    VF a[2 * TILE_PX];
    TILE_EACH(a[i] = LOADV(nv > 1 ? i / TILE_PX : 0, o->bias);)
    strip_sums(a, u, t->group, o->weights, next, step, g->c / V * taps, taps, g->c % V, px, nv);
    const int area = g->oh * g->ow;
    int image = from / area, first = from - image * area;
    for (; image < g->n && first + px > 0; image++, first -= area) {
        tile_out part = *o;
        long at = (long) image * blocks_of(g->m) * area * V;
        part.y += at;
        part.r = part.r ? part.r + at : 0;
        tile_finish(&part, a, first, max(first, 0), px, nv, g);
    }
}

/* One pair of output blocks of `count` pixels. */
INLINE void strip_pair(const tile_out *o, local const float *u, int first, int count, const conv_strips *t)
{
    const long panel = (long) t->g.c * t->g.kh * t->g.kw * 2 * V;
    const int step = 2 * V / ((count + TILE_PX - 1) / TILE_PX);
    global const float *next = o->weights + panel;
    for (int left = count; left > 0; next += panel / (2 * V) * step) {
        int from = first + count - left, done = TILE_PX;
        if (o->blocks == 1 && left > TILE_PX) {
            done = 2 * TILE_PX;
            strip_tile(o, u, from, t, next, step, 2 * TILE_PX, 1);
        } else if (o->blocks == 1) {
            strip_tile(o, u, from, t, next, step, TILE_PX, 1);
        } else if (left > STRIP_FEW) {
            strip_tile(o, u, from, t, next, step, TILE_PX, 2);
        } else {
            strip_tile(o, u, from, t, next, step, STRIP_FEW, 2);
        }
        left -= done;
        u += done / TILE_PX * t->group;
    }
}

/* global: (strips, work-items over pairs of output blocks); local (1,1). */
kernel void conv_strip(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo,
                       global const float *wb, ulong wo, local float *u, conv_strips t)
{
    const conv_geom *g = &t.g;
    const int area = g->oh * g->ow, blocks = blocks_of(g->m), pairs = (blocks + 1) / 2;
    const int first = get_global_id(0) * t.strip, count = min(t.strip, g->n * area - first);
    const int from = get_global_id(1) * t.pairs, end = min(from + t.pairs, pairs);
    global const float *zeros = AT(const float, wb, wo);
    global const float *x = AT(const float, xb, xo);
    for (int i = 0; i < count; i += TILE_PX)
        strip_gather(u + i / TILE_PX * t.group, x, first + i, zeros, g);
    for (int pair = from; pair < end; pair++) {
        long at = 2L * pair * area * V;
        tile_out o = {
            .zeros = zeros,
            .bias = zeros + (1 + pair) * 2 * V,
            .weights = zeros + (1 + pairs + (long) pair * g->c * g->kh * g->kw) * 2 * V,
            .r = rb ? AT(const float, rb, ro) + at : 0,
            .y = AT(float, yb, yo) + at,
            .blocks = min(2, blocks - 2 * pair),
        };
        strip_pair(&o, u, first, count, &t);
    }
}
