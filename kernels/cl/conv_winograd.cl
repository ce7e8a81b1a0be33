/* 3x3 convolution, stride 1, by Winograd's minimal filtering: see kernels/conv_winograd.c.
 *
 * A work-item takes a strip of tiles from the image to the output by itself. In local memory, which on a CPU is a
 * piece of its cache, lie
 *
 *     u [planes][groups][C/V][TILE_PX][V]   all channels of the strip, transformed; a plane for each number of a tile
 *     p [planes][tiles][2V]                 the products of one pair of output blocks, on their way back
 *
 * and the weights [pairs][planes][C][2V] stream past once. A plane is a product of matrices by register tiles.
 */

/* As struct winograd in kernels/conv_winograd.c. */
typedef struct {
    conv_geom g;
    int across, down;                 /* tiles of one image */
    int strip;                        /* tiles of a work-item */
    int pairs;                        /* pairs of output blocks of a work-item */
    int u_step, p_step;               /* floats from plane to plane */
} winograd;

enum { WINO_MOST = 6 };

/* Statements for every i < WINO_MOST, unrolled by the preprocessor as TILE_EACH. */
#define WINO_EACH(...) TILE_DO4(0, __VA_ARGS__) TILE_DO(4, __VA_ARGS__) TILE_DO(5, __VA_ARGS__)

/* B^T d of `size` numbers. */
INLINE void winograd_in(VF *d, const int size)
{
    VF d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    if (size == 4) {
        d[0] = d0 - d2;
        d[1] = d1 + d2;
        d[2] = d2 - d1;
        d[3] = d1 - d3;
        return;
    }
    VF d4 = d[4], d5 = d[5];
    VF even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, far = d4 - d2, twice = 2.0f * (d3 - d1);
    d[0] = 4.0f * d0 - 5.0f * d2 + d4;
    d[1] = even + odd;
    d[2] = even - odd;
    d[3] = far + twice;
    d[4] = far - twice;
    d[5] = 4.0f * d1 - 5.0f * d3 + d5;
}

/* A^T m of `size` numbers, to two fewer. */
INLINE void winograd_out(VF *m, const int size)
{
    VF s1 = m[1] + m[2], s2 = m[1] - m[2];
    if (size == 4) {
        m[0] += s1;
        m[1] = s2 - m[3];
        return;
    }
    VF s3 = m[3] + m[4], s4 = m[3] - m[4];
    m[0] += s1 + s3;
    m[1] = s2 + 2.0f * s4;
    m[2] = s1 + 4.0f * s3;
    m[3] = s2 + 8.0f * s4 + m[5];
}

/* Tiles count over all images; those past the last repeat it and are not stored. */
typedef struct {
    int image, y, x;                  /* of the first output pixel */
    int stored;
} winograd_tile;

INLINE void winograd_place(winograd_tile *to, const winograd *t, int at, const int size)
{
    int area = t->across * t->down, last = t->g.n * area - 1, tile = min(at, last);
    to->image = tile / area;
    to->y = tile % area / t->across * (size - 2);
    to->x = tile % t->across * (size - 2);
    to->stored = at <= last;
}

/* Bit i: does the line `from` + i lie in 0..end-1? */
INLINE uint winograd_inside(int from, int end, const int size)
{
    uint bits = 0;
    for (int i = 0; i < size; i++)
        bits |= (uint) ((uint) (from + i) < (uint) end) << i;
    return bits;
}

/* One tile of one block of channels; x is the pixel under its first tap. */
INLINE void winograd_gather(local float *u, int step, global const float *x, int width, uint rows, uint columns,
                            const int size)
{
    VF t[WINO_MOST * WINO_MOST];
    int inside = (rows & columns) + 1 == 1 << size;
    for (int k = 0; k < size; k++) {
        VF d[WINO_MOST];
        if (inside) {
            WINO_EACH(if (i < size) d[i] = LOADV(i * width + k, x);)
        } else {
            uint bits = columns >> k & 1 ? rows : 0;
            WINO_EACH(if (i < size) d[i] = bits >> i & 1 ? LOADV(i * width + k, x) : (VF) (0.0f);)
        }
        winograd_in(d, size);
        WINO_EACH(if (i < size) t[i * WINO_MOST + k] = d[i];)
    }
    for (int k = 0; k < size; k++, u += size * step) {
        VF d[WINO_MOST];
        WINO_EACH(if (i < size) d[i] = t[k * WINO_MOST + i];)
        winograd_in(d, size);
        WINO_EACH(if (i < size) STOREV(d[i], 0, u + i * step);)
    }
}

/* All channels of TILE_PX tiles from `first` on. */
INLINE void winograd_gather_group(local float *u, global const float *xb, int first, const winograd *t, const int size)
{
    const conv_geom *g = &t->g;
    const int blocks = blocks_of(g->c);
    const long plane = (long) g->h * g->w * V;
    global const float *x[TILE_PX];
    uint rows[TILE_PX], columns[TILE_PX];
    for (int i = 0; i < TILE_PX; i++) {
        winograd_tile at;
        winograd_place(&at, t, first + i, size);
        int y = at.y - g->pt, left = at.x - g->pl;
        x[i] = xb + (long) at.image * blocks * plane + ((long) y * g->w + left) * V;
        rows[i] = winograd_inside(y, g->h, size);
        columns[i] = winograd_inside(left, g->w, size);
    }
    for (int b = 0; b < blocks; b++)
        for (int i = 0; i < TILE_PX; i++, u += V)
            winograd_gather(u, t->u_step, x[i] + b * plane, g->w, rows[i], columns[i], size);
}

/* `px` tiles of one plane times `nv` blocks; the other arguments as of strip_sums. */
INLINE void winograd_product(local float *p, local const float *u, int group, global const float *w,
                             global const float *next, int step, int channels, const int px, const int nv)
{
    VF a[2 * TILE_PX];
    TILE_EACH(a[i] = (VF) (0.0f);)
    strip_sums(a, u, group, w, next, step, channels / V, 1, channels % V, px, nv);
    TILE_EACH(if (i < px) {
        STOREV(a[i], 2 * i, p);
        if (nv > 1)
            STOREV(a[TILE_SECOND], 2 * i + 1, p);
    })
}

/* One plane of a strip. */
INLINE void winograd_plane(local float *p, local const float *u, global const float *w, int blocks, const winograd *t)
{
    const int channels = t->g.c, group = blocks_of(channels) * TILE_PX * V;
    const int step = 2 * V / ((t->strip + TILE_PX - 1) / TILE_PX);
    global const float *next = w + channels * 2 * V;
    for (int left = t->strip; left > 0; next += channels * step) {
        int done = TILE_PX;
        if (blocks == 1 && left > TILE_PX) {
            done = 2 * TILE_PX;
            winograd_product(p, u, group, w, next, step, channels, 2 * TILE_PX, 1);
        } else if (blocks == 1) {
            winograd_product(p, u, group, w, next, step, channels, TILE_PX, 1);
        } else if (left > STRIP_FEW) {
            winograd_product(p, u, group, w, next, step, channels, TILE_PX, 2);
        } else {
            winograd_product(p, u, group, w, next, step, channels, STRIP_FEW, 2);
        }
        left -= done;
        p += done * 2 * V;
        u += done / TILE_PX * group;
    }
}

/* One tile of one block, from the products to the image; y and r are the tile's first pixel. */
INLINE void winograd_scatter(global float *y, global const float *r, local const float *p, VF bias,
                             const winograd_tile *at, const winograd *t, const int size)
{
    const conv_geom *g = &t->g;
    const int out = size - 2;
    VF m[WINO_MOST * WINO_MOST], v[WINO_MOST * WINO_MOST];
    for (int k = 0; k < size; k++) {
        VF d[WINO_MOST];
        WINO_EACH(if (i < size) d[i] = LOADV(0, p + (i * size + k) * t->p_step);)
        winograd_out(d, size);
        WINO_EACH(if (i < out) m[i * WINO_MOST + k] = d[i];)
    }
    for (int k = 0; k < out; k++) {
        VF d[WINO_MOST];
        WINO_EACH(if (i < size) d[i] = m[k * WINO_MOST + i];)
        winograd_out(d, size);
        WINO_EACH(if (i < out) v[k * out + i] = d[i] + bias;)
    }
    int rows = min(out, g->oh - at->y), columns = min(out, g->ow - at->x);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++) {
            int to = (i * g->ow + k) * V;
            STOREV(conv_end(v[i * out + k], r ? r + to : 0, g), 0, y + to);
        }
}

/* One strip of tiles, and the output blocks of one work-item. */
INLINE void winograd_strip(global const float *x, global const float *r, global float *y, global const float *wb,
                           local float *u, const winograd *t, const int size, int strip, int item)
{
    const conv_geom *g = &t->g;
    const int first = strip * t->strip, blocks = blocks_of(g->m), pairs = (blocks + 1) / 2;
    const int from = item * t->pairs, end = min(from + t->pairs, pairs);
    global const float *bias = wb, *w = wb + pairs * 2 * V + (long) from * size * size * g->c * 2 * V;
    local float *p = u + size * size * t->u_step;
    for (int i = 0; i < t->strip; i += TILE_PX)
        winograd_gather_group(u + i * blocks_of(g->c) * V, x, first + i, t, size);
    for (int pair = from; pair < end; pair++) {
        int here = min(2, blocks - 2 * pair);
        for (int k = 0; k < size * size; k++, w += g->c * 2 * V)
            winograd_plane(p + k * t->p_step, u + k * t->u_step, w, here, t);
        for (int i = 0; i < t->strip; i++) {
            winograd_tile at;
            winograd_place(&at, t, first + i, size);
            for (int j = 0; at.stored && j < here; j++) {
                int block = 2 * pair + j;
                long to = (((long) at.image * blocks + block) * g->oh + at.y) * g->ow + at.x;
                winograd_scatter(y + to * V, r ? r + to * V : 0, p + (2 * i + j) * V, LOADV(block, bias), &at, t,
                                 size);
            }
        }
    }
}

/* global: (strips, work-items over pairs of output blocks); local (1,1,1). */
#define WINOGRAD_KERNEL(NAME, SIZE)                                                                                \
    kernel void NAME(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb, ulong yo, \
                     global const float *wb, ulong wo, local float *u, winograd t)                                 \
    {                                                                                                              \
        winograd_strip(AT(const float, xb, xo), rb ? AT(const float, rb, ro) : 0, AT(float, yb, yo),               \
                       AT(const float, wb, wo), u, &t, SIZE, get_global_id(0), get_global_id(1));                  \
    }
WINOGRAD_KERNEL(winograd_4x4, 6)
WINOGRAD_KERNEL(winograd_2x2, 4)
