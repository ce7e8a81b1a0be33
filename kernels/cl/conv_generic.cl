/* Convolution and its transpose in PLAIN layout, for whatever the special kernels leave: groups, one to three
 * dimensions, weights that are not known at load. Lanes are output pixels; GEN_M output channels of one group
 * share each vector of input.
 */
#define GEN_M 4

typedef struct {
    int n, c, m, group;
    int in[3], out[3], k[3], s[3], d[3], p[3];   /* depth, height, width */
    int act, act_first;
    float act_a, act_b;
} conv3_geom;

/* Element idx[l] of x for the lanes in `mask`, 0 for the others, whose idx must be readable too; `run`: all lanes
 * are in and their elements neighbours. */
inline VF gather_v(global const float *x, const int *idx, VI mask, int run)
{
    if (run)
        return LOADV(0, x + idx[0]);
    VF v;
    #pragma unroll
    for (int l = 0; l < V; l++)
        ((float *) &v)[l] = x[idx[l]];
    return select((VF) (0.0f), v, mask);
}

/* Which tile of channels of which group is `tile`? First channel in *m0, how many in *count. */
inline int tile_group(int tile, const conv3_geom *g, int *m0, int *count)
{
    int per_group = g->m / g->group, tiles = (per_group + GEN_M - 1) / GEN_M;
    int group = tile / tiles, first = tile % tiles * GEN_M;
    *m0 = group * per_group + first;
    *count = min(GEN_M, per_group - first);
    return group;
}

/* global: (vectors of output pixels, tiles of channels, images). */
kernel void conv_generic(global const float *xb, ulong xo, global const float *wb, ulong wo, global const float *bb,
                         ulong bo, global const float *rb, ulong ro, global float *yb, ulong yo, conv3_geom g)
{
    int m0, count, n = get_global_id(2);
    int group = tile_group(get_global_id(1), &g, &m0, &count);
    int channels = g.c / g.group, taps = g.k[0] * g.k[1] * g.k[2];
    int in_area = g.in[0] * g.in[1] * g.in[2], out_area = g.out[0] * g.out[1] * g.out[2];
    global const float *x = AT(const float, xb, xo) + ((long) n * g.c + group * channels) * in_area;
    global const float *bias = bb ? AT(const float, bb, bo) : 0;
    global const float *w[GEN_M];
    VF acc[GEN_M];
    #pragma unroll
    for (int m = 0; m < GEN_M; m++) {
        acc[m] = 0.0f;
        w[m] = AT(const float, wb, wo) + (long) (m0 + min(m, count - 1)) * channels * taps;
    }

    int first = get_global_id(0) * V, z[V], y[V], x_[V], idx[V];
    for (int l = 0; l < V; l++) {
        int o = min(first + l, out_area - 1);
        x_[l] = o % g.out[2] * g.s[2] - g.p[2];
        y[l] = o / g.out[2] % g.out[1] * g.s[1] - g.p[1];
        z[l] = o / g.out[2] / g.out[1] * g.s[0] - g.p[0];
    }
    for (int tap = 0; tap < taps; tap++) {
        int kz = tap / (g.k[1] * g.k[2]) * g.d[0], ky = tap / g.k[2] % g.k[1] * g.d[1], kx = tap % g.k[2] * g.d[2];
        VI mask;
        int run = 1;
        for (int l = 0; l < V; l++) {
            int iz = z[l] + kz, iy = y[l] + ky, ix = x_[l] + kx;
            int in = ((uint) iz < (uint) g.in[0]) & ((uint) iy < (uint) g.in[1]) & ((uint) ix < (uint) g.in[2]);
            idx[l] = in ? (iz * g.in[1] + iy) * g.in[2] + ix : 0;
            ((int *) &mask)[l] = -in;
            run &= in & (idx[l] == idx[0] + l);
        }
        for (int c = 0; c < channels; c++) {
            VF xv = gather_v(x + (long) c * in_area, idx, mask, run);
            #pragma unroll
            for (int m = 0; m < GEN_M; m++)
                acc[m] = fma(xv, (VF) (w[m][c * taps + tap]), acc[m]);
        }
    }

    for (int m = 0; m < count; m++) {
        long at = ((long) n * g.m + m0 + m) * out_area + first;
        VF v = bias ? acc[m] + bias[m0 + m] : acc[m], r = 0.0f;
        for (int l = 0; l < V && first + l < out_area && rb; l++)
            ((float *) &r)[l] = (AT(const float, rb, ro) + at)[l];
        v = act_v(g.act_first ? v : v + r, g.act, g.act_a, g.act_b);
        v = g.act_first ? v + r : v;
        for (int l = 0; l < V && first + l < out_area; l++)
            (AT(float, yb, yo) + at)[l] = ((float *) &v)[l];
    }
}

/* Each output pixel gathers what reaches it. Output columns of the same phase (column modulo stride) see the
 * same taps on consecutive input columns, so the lanes are columns of one phase.
 * global: (vectors of columns x phases, output rows of all depths, tiles of channels x images). */
kernel void conv_transpose(global const float *xb, ulong xo, global const float *wb, ulong wo, global const float *bb,
                           ulong bo, global float *yb, ulong yo, conv3_geom g)
{
    int per_group = g.m / g.group, tiles = (per_group + GEN_M - 1) / GEN_M * g.group;
    int m0, count, n = get_global_id(2) / tiles;
    int group = tile_group(get_global_id(2) % tiles, &g, &m0, &count);
    int channels = g.c / g.group, taps = g.k[0] * g.k[1] * g.k[2];
    int in_area = g.in[0] * g.in[1] * g.in[2], out_area = g.out[0] * g.out[1] * g.out[2];
    int phase = get_global_id(0) % g.s[2], first = get_global_id(0) / g.s[2] * V;
    int oz = get_global_id(1) / g.out[1], oy = get_global_id(1) % g.out[1];
    global const float *x = AT(const float, xb, xo) + ((long) n * g.c + group * channels) * in_area;
    global const float *w = AT(const float, wb, wo) + (long) group * channels * per_group * taps;
    global const float *bias = bb ? AT(const float, bb, bo) : 0;
    VF acc[GEN_M];
    int w_at[GEN_M], idx[V];
    #pragma unroll
    for (int m = 0; m < GEN_M; m++) {
        acc[m] = 0.0f;
        w_at[m] = (m0 - group * per_group + min(m, count - 1)) * taps;
    }

    for (int tap = 0; tap < taps; tap++) {
        int tz = oz + g.p[0] - tap / (g.k[1] * g.k[2]) * g.d[0];
        int ty = oy + g.p[1] - tap / g.k[2] % g.k[1] * g.d[1];
        int tx = phase + g.p[2] - tap % g.k[2] * g.d[2];
        if (tz < 0 || ty < 0 || tz % g.s[0] || ty % g.s[1] || tx % g.s[2])
            continue;
        int iz = tz / g.s[0], iy = ty / g.s[1], ix = first + tx / g.s[2];
        if (iz >= g.in[0] || iy >= g.in[1])
            continue;
        VI mask;
        int run = 1;
        for (int l = 0; l < V; l++) {
            int in = (uint) (ix + l) < (uint) g.in[2];
            idx[l] = in ? (iz * g.in[1] + iy) * g.in[2] + ix + l : 0;
            ((int *) &mask)[l] = -in;
            run &= in & (idx[l] == idx[0] + l);
        }
        for (int c = 0; c < channels; c++) {
            VF xv = gather_v(x + (long) c * in_area, idx, mask, run);
            global const float *wc = w + (long) c * per_group * taps + tap;
            #pragma unroll
            for (int m = 0; m < GEN_M; m++)
                acc[m] = fma(xv, (VF) (wc[w_at[m]]), acc[m]);
        }
    }

    for (int m = 0; m < count; m++) {
        VF v = bias ? acc[m] + bias[m0 + m] : acc[m];
        v = act_v(v, g.act, g.act_a, g.act_b);
        global float *y = AT(float, yb, yo) + ((long) n * g.m + m0 + m) * out_area + (oz * g.out[1] + oy) * g.out[2];
        for (int l = 0; l < V; l++) {
            int ox = (first + l) * g.s[2] + phase;
            if (ox < g.out[2])
                y[ox] = ((float *) &v)[l];
        }
    }
}
