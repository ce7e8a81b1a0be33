/* Convolution in PLAIN layout along rows, for few output channels a group: a picture of one channel, a depthwise
 * convolution with a multiplier. Lanes are neighbouring output pixels, so the column stride is 1; weights are
 * single numbers. ROW_VECTORS vectors of a row are summed at once; those that a border touches go lane by lane.
 */
#define ROW_VECTORS 4

/* One tap into the sums of ROW_VECTORS vectors from column x0 on, all of it inside the row. */
#define ROW_TAP(x, w)                              \
    a0 = fma(LOADV(0, x), (VF) (w), a0);           \
    a1 = fma(LOADV(1, x), (VF) (w), a1);           \
    a2 = fma(LOADV(2, x), (VF) (w), a2);           \
    a3 = fma(LOADV(3, x), (VF) (w), a3);

typedef struct {
    global const float *x, *w;       /* first channel of the group, weights of the output channel */
    int channels;                    /* of the group */
    int iy;                          /* input row under the first tap, may lie outside */
} row_in;

inline float row_pixel(const row_in *in, int ox, const conv_geom *g)
{
    float sum = 0.0f;
    for (int c = 0; c < in->channels; c++)
        for (int ky = 0; ky < g->kh; ky++) {
            int y = in->iy + ky * g->dh;
            if ((uint) y >= (uint) g->h)
                continue;
            global const float *row = in->x + ((long) c * g->h + y) * g->w;
            for (int kx = 0; kx < g->kw; kx++) {
                int x = ox - g->pl + kx * g->dw;
                if ((uint) x < (uint) g->w)
                    sum = fma(row[x], in->w[(c * g->kh + ky) * g->kw + kx], sum);
            }
        }
    return sum;
}

inline void row_vectors(const row_in *in, int ox, const conv_geom *g, float *out)
{
    VF a0 = 0.0f, a1 = 0.0f, a2 = 0.0f, a3 = 0.0f;
    for (int c = 0; c < in->channels; c++)
        for (int ky = 0; ky < g->kh; ky++) {
            int y = in->iy + ky * g->dh;
            if ((uint) y >= (uint) g->h)
                continue;
            global const float *x = in->x + ((long) c * g->h + y) * g->w + ox - g->pl;
            global const float *w = in->w + (c * g->kh + ky) * g->kw;
            for (int kx = 0; kx < g->kw; kx++, x += g->dw) {
                ROW_TAP(x, w[kx])
            }
        }
    STOREV(a0, 0, out);
    STOREV(a1, 1, out);
    STOREV(a2, 2, out);
    STOREV(a3, 3, out);
}

/* `count` results of one row: bias, residual, activation, out. */
inline void row_store(const float *sums, int count, float bias, global const float *r, global float *y,
                      const conv_geom *g)
{
    for (int i = 0; i < count; i += V) {
        VF v = LOADV(0, sums + i) + bias, rv = 0.0f;
        int whole = i + V <= count;
        float tail[V];
        if (r && whole)
            rv = LOADV(0, r + i);
        else if (r) {
            for (int l = 0; l < V; l++)
                tail[l] = i + l < count ? r[i + l] : 0.0f;
            rv = LOADV(0, tail);
        }
        v = act_v(g->act_first ? v : v + rv, g->act, g->act_a, g->act_b);
        v = g->act_first ? v + rv : v;
        if (whole) {
            STOREV(v, 0, y + i);
        } else {
            STOREV(v, 0, tail);
            for (int l = 0; i + l < count; l++)
                y[i + l] = tail[l];
        }
    }
}

/* global: (groups of per_item output rows, output channels, images). */
kernel void conv_rows(global const float *xb, ulong xo, global const float *wb, ulong wo, global const float *bb,
                      ulong bo, global const float *rb, ulong ro, global float *yb, ulong yo, conv_geom g, int group)
{
    int m = get_global_id(1), n = get_global_id(2);
    row_in in;
    in.channels = g.c / group;
    in.x = AT(const float, xb, xo) + ((long) n * g.c + (long) (m / (g.m / group)) * in.channels) * g.h * g.w;
    in.w = AT(const float, wb, wo) + (long) m * in.channels * g.kh * g.kw;
    float bias = bb ? AT(const float, bb, bo)[m] : 0.0f;
    int first = get_global_id(0) * g.per_item, last = min(first + g.per_item, g.oh);
    int reach = (g.kw - 1) * g.dw - g.pl;    /* rightmost column under the window of column 0 */

    for (int oy = first; oy < last; oy++) {
        in.iy = oy * g.sh - g.pt;
        long at = (((long) n * g.m + m) * g.oh + oy) * g.ow;
        for (int ox = 0; ox < g.ow; ox += ROW_VECTORS * V) {
            float sums[ROW_VECTORS * V];
            int count = min(ROW_VECTORS * V, g.ow - ox);
            if (ox >= g.pl && ox + ROW_VECTORS * V - 1 + reach < g.w)
                row_vectors(&in, ox, &g, sums);
            else
                for (int i = 0; i < ROW_VECTORS * V; i++)
                    sums[i] = i < count ? row_pixel(&in, ox + i, &g) : 0.0f;
            row_store(sums, count, bias, rb ? AT(const float, rb, ro) + at + ox : 0, AT(float, yb, yo) + at + ox, &g);
        }
    }
}
