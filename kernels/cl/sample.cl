/* Reading images between pixels. As kernels/ref/sample.c, step by step: positions must round alike, or another
 * pixel is the nearest and a bin gets another number of samples.
 */
#pragma OPENCL FP_CONTRACT OFF

enum { NEAREST, LINEAR, CUBIC };
enum { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION };

#define CUBIC_A (-0.75f)

/* ---- GridSample ---- */

typedef struct {
    int in[3];                  /* depth, height, width; missing ones are 1 */
    int spatial, channels, points, per_item;
    int mode, pad, align_corners;
} grid_geom;

inline float reflect(float x, float low, float high)
{
    float range = high - low;
    if (range <= 0.0f)
        return low;
    float from_low = fabs(x - low), folds = floor(from_low / range), rest = from_low - folds * range;
    return fmod(folds, 2.0f) == 0.0f ? low + rest : high - rest;
}

inline float into_image(const grid_geom *g, float x, int n)
{
    float low = g->align_corners ? 0.0f : -0.5f, high = low + (float) (g->align_corners ? n - 1 : n);
    if (x >= low && x <= high)
        return x;
    if (g->pad == PAD_BORDER)
        return fmin(fmax(x, 0.0f), (float) (n - 1));
    return g->pad == PAD_REFLECTION ? reflect(x, low, high) : x;
}

/* The pixel that stands at position i, -1 for none. */
inline int pixel(const grid_geom *g, int i, int n)
{
    if (i >= 0 && i < n)
        return i;
    return g->pad == PAD_ZEROS ? -1 : clamp((int) into_image(g, (float) i, n), 0, n - 1);
}

inline void cubic_weights(float s, float *w)
{
    const float a = CUBIC_A, t = 1.0f - s;
    w[0] = ((a * (s + 1.0f) - 5.0f * a) * (s + 1.0f) + 8.0f * a) * (s + 1.0f) - 4.0f * a;
    w[1] = ((a + 2.0f) * s - (a + 3.0f)) * s * s + 1.0f;
    w[2] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
    w[3] = ((a * (t + 1.0f) - 5.0f * a) * (t + 1.0f) + 8.0f * a) * (t + 1.0f) - 4.0f * a;
}

/* Taps along one dimension of n pixels; the number of them. */
inline int taps_at(const grid_geom *g, float grid, int n, int *at, float *weight)
{
    float x = g->align_corners ? (grid + 1.0f) / 2.0f * (float) (n - 1) : ((grid + 1.0f) * (float) n - 1.0f) / 2.0f;
    if (g->mode == NEAREST)
        x = rint(x);
    if (g->mode != CUBIC || g->pad != PAD_BORDER)
        x = into_image(g, x, n);
    x = fmin(fmax(x, -0x1p30f), 0x1p30f);
    int first = (int) floor(x), count = 1;
    float part = x - floor(x);
    weight[0] = 1.0f;
    if (g->mode == LINEAR) {
        count = 2;
        weight[0] = 1.0f - part;
        weight[1] = part;
    } else if (g->mode == CUBIC) {
        count = 4;
        first--;
        cubic_weights(part, weight);
    }
    for (int i = 0; i < count; i++) {
        at[i] = pixel(g, first + i, n);
        weight[i] = at[i] < 0 ? 0.0f : weight[i];
    }
    return count;
}

/* All taps of a point with a weight, as indices into a plane; at most 64. */
inline int point_taps(const grid_geom *g, global const float *position, int *index, float *weight)
{
    int n[3] = {1, 1, 1}, at[3][4] = {{0}, {0}, {0}}, count = 0;
    float w[3][4] = {{1.0f}, {1.0f}, {1.0f}};
    for (int i = 0; i < g->spatial; i++)
        n[2 - i] = taps_at(g, position[i], g->in[2 - i], at[2 - i], w[2 - i]);
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++) {
                float all = w[0][z] * w[1][y] * w[2][x];
                if (all == 0.0f)
                    continue;
                index[count] = (at[0][z] * g->in[1] + at[1][y]) * g->in[2] + at[2][x];
                weight[count++] = all;
            }
    return count;
}

/* global: (groups of points, images). */
kernel void grid_sample(global const float *xb, ulong xo, global const float *gb, ulong go, global float *yb, ulong yo,
                        grid_geom g)
{
    int first = get_global_id(0) * g.per_item, end = min(first + g.per_item, g.points), n = get_global_id(1);
    int area = g.in[0] * g.in[1] * g.in[2], index[64];
    float weight[64];
    global const float *x = AT(const float, xb, xo) + n * g.channels * area;
    global const float *grid = AT(const float, gb, go) + n * g.points * g.spatial;
    global float *y = AT(float, yb, yo) + n * g.channels * g.points;
    for (int p = first; p < end; p++) {
        int taps = point_taps(&g, grid + p * g.spatial, index, weight);
        for (int c = 0; c < g.channels; c++) {
            float sum = 0.0f;
            for (int t = 0; t < taps; t++)
                sum = fma(x[c * area + index[t]], weight[t], sum);
            y[c * g.points + p] = sum;
        }
    }
}

/* ---- RoiAlign ---- */

typedef struct {
    int images, channels, in_h, in_w, rois, out_h, out_w;
    int max_mode, half_pixel, sampling_ratio, wide_index;
    float scale;
} roi_geom;

typedef struct {
    float start, bin;
    int samples;
} side;

inline side side_of(const roi_geom *g, float from, float to, int bins)
{
    float offset = g->half_pixel ? 0.5f : 0.0f, start = from * g->scale - offset;
    float size = to * g->scale - offset - start;
    if (!g->half_pixel)
        size = fmax(size, 1.0f);
    side s;
    s.start = start;
    s.bin = size / (float) bins;
    s.samples = g->sampling_ratio ? g->sampling_ratio : (int) ceil(fmin(fmax(s.bin, 0.0f), 1e6f));
    return s;
}

inline float sample_at(const side *s, int bin, int i)
{
    return s->start + (float) bin * s->bin + ((float) i + 0.5f) * s->bin / (float) s->samples;
}

/* First and end of the samples that may lie in the image. */
inline int2 samples_inside(const side *s, int bin, int n)
{
    float step = s->bin / (float) s->samples, origin = s->start + (float) bin * s->bin, all = (float) s->samples;
    if (!(step > 0.0f))
        return (int2) (0, s->samples);
    float low = floor((-1.0f - origin) / step) - 1.0f, high = ceil(((float) n - origin) / step) + 1.0f;
    return (int2) ((int) fmin(fmax(low, 0.0f), all), (int) fmin(fmax(high, 0.0f), all));
}

/* Two pixels and the weight of the second; false when x is too far outside. */
inline bool neighbours(float x, int n, int *low, int *high, float *weight)
{
    if (!(x >= -1.0f && x <= (float) n))
        return false;
    x = fmax(x, 0.0f);
    *low = min((int) x, n - 1);
    *high = min(*low + 1, n - 1);
    *weight = *low == n - 1 ? 0.0f : x - (float) *low;
    return true;
}

inline float roi_bin(const roi_geom *g, global const float *x, const side *rows, const side *columns, int by, int bx)
{
    int2 ys = samples_inside(rows, by, g->in_h), xs = samples_inside(columns, bx, g->in_w);
    int y0, y1, x0, x1;
    float wy, wx, sum = 0.0f, best = -INFINITY, count = (float) rows->samples * (float) columns->samples, seen = 0.0f;
    for (int iy = ys.s0; iy < ys.s1; iy++) {
        if (!neighbours(sample_at(rows, by, iy), g->in_h, &y0, &y1, &wy))
            continue;
        global const float *upper = x + y0 * g->in_w, *lower = x + y1 * g->in_w;
        for (int ix = xs.s0; ix < xs.s1; ix++) {
            if (!neighbours(sample_at(columns, bx, ix), g->in_w, &x0, &x1, &wx))
                continue;
            float4 v = (float4) (upper[x0], upper[x1], lower[x0], lower[x1]);
            v *= (float4) (1.0f - wy, 1.0f - wy, wy, wy) * (float4) (1.0f - wx, wx, 1.0f - wx, wx);
            sum += v.s0 + v.s1 + v.s2 + v.s3;
            best = fmax(best, fmax(fmax(v.s0, v.s1), fmax(v.s2, v.s3)));
            seen += 1.0f;
        }
    }
    if (!g->max_mode)
        return count > 0.0f ? sum / count : 0.0f;
    return seen < count || count == 0.0f ? fmax(best, 0.0f) : best;
}

/* global: (channels, boxes). An image that there is not cannot be reported from here and is clamped. */
kernel void roi_align(global const float *xb, ulong xo, global const float *rb, ulong ro, global const int *nb,
                      ulong no, global float *yb, ulong yo, roi_geom g)
{
    int c = get_global_id(0), r = get_global_id(1);
    if (c >= g.channels || r >= g.rois)
        return;
    global const float *box = AT(const float, rb, ro) + 4 * r;
    long image = g.wide_index ? AT(const long, nb, no)[r] : AT(const int, nb, no)[r];
    int n = (int) clamp(image, 0L, (long) g.images - 1);
    global const float *x = AT(const float, xb, xo) + (n * g.channels + c) * g.in_h * g.in_w;
    global float *y = AT(float, yb, yo) + (r * g.channels + c) * g.out_h * g.out_w;
    side columns = side_of(&g, box[0], box[2], g.out_w), rows = side_of(&g, box[1], box[3], g.out_h);
    for (int by = 0; by < g.out_h; by++)
        for (int bx = 0; bx < g.out_w; bx++)
            y[by * g.out_w + bx] = roi_bin(&g, x, &rows, &columns, by, bx);
}
