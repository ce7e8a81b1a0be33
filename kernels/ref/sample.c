/* Reading images between pixels: GridSample at positions that are data, RoiAlign over boxes that are data.
 *
 * Positions are computed in float, as ONNX Runtime does, for rounding decides which pixel is nearest and how many
 * samples a bin gets. Nothing is assumed of them: any number, infinite and NaN included, reads inside the image.
 */
#include "kernels/ref/ref.h"

#include <math.h>

/* ---- GridSample ---- */

enum { MAX_TAPS = 4 };

/* Pixels of one dimension that make a sample; those outside have no weight. */
struct taps {
    int n;
    int64_t at[MAX_TAPS];
    double weight[MAX_TAPS];
};

/* Folds x back at the borders until it lies between them. */
static float reflect(float x, float low, float high)
{
    float range = high - low;
    if (range <= 0)
        return low;
    float from_low = fabsf(x - low), folds = floorf(from_low / range), rest = from_low - folds * range;
    return fmodf(folds, 2) == 0 ? low + rest : high - rest;
}

static float into_image(const struct sample_attrs *a, float x, int64_t n)
{
    float low = a->align_corners ? 0 : -0.5f, high = low + (float) (a->align_corners ? n - 1 : n);
    if (x >= low && x <= high)
        return x;
    if (a->pad == SAMPLE_BORDER)
        return fminf(fmaxf(x, 0), (float) (n - 1));
    return a->pad == SAMPLE_REFLECTION ? reflect(x, low, high) : x;
}

/* The pixel that stands at position i, -1 for none. */
static int64_t pixel(const struct sample_attrs *a, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    if (a->pad == SAMPLE_ZEROS)
        return -1;
    i = (int64_t) into_image(a, (float) i, n);
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static struct taps taps_at(const struct sample_attrs *a, float grid, int64_t n)
{
    const double cubic_a = -0.75;
    struct taps t = {.n = 1, .weight = {1}};
    float x = a->align_corners ? (grid + 1) / 2 * (float) (n - 1) : ((grid + 1) * (float) n - 1) / 2;
    if (a->mode == RESIZE_NEAREST)
        x = rintf(x);
    /* ONNX Runtime repeats the border for a cubic; only ONNX's own reference moves its centre into the image. */
    if (a->mode != RESIZE_CUBIC || a->pad != SAMPLE_BORDER)
        x = into_image(a, x, n);
    x = fminf(fmaxf(x, -0x1p30f), 0x1p30f);    /* NaN becomes the lower end */
    double part = (double) x - floor((double) x);
    int64_t first = (int64_t) floorf(x);
    if (a->mode == RESIZE_LINEAR) {
        t = (struct taps){.n = 2, .weight = {1 - part, part}};
    } else if (a->mode == RESIZE_CUBIC) {
        t.n = 4;
        first--;
        for (int i = 0; i < t.n; i++)
            t.weight[i] = ref_cubic(cubic_a, part + 1 - i);
    }
    for (int i = 0; i < t.n; i++) {
        int64_t at = pixel(a, first + i, n);
        t.weight[i] = at < 0 ? 0 : t.weight[i];
        t.at[i] = at < 0 ? 0 : at;
    }
    return t;
}

/* Sum over the dimensions d.. of one channel; `at` is the index of what the dimensions before chose. */
static double sample(const struct tensor_desc *x, const void *data, const struct taps *taps, int d, int64_t at)
{
    if (d == x->rank || d == TENSOR_MAX_RANK)
        return ref_load(data, x->type, at);
    double sum = 0;
    for (int i = 0; i < taps[d].n; i++)
        if (taps[d].weight[i] != 0)
            sum += taps[d].weight[i] * sample(x, data, taps, d + 1, at * x->dim[d] + taps[d].at[i]);
    return sum;
}

enum cq_err ref_grid_sample(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *grid = &inst->in[1], *y = &inst->out[0];
    int spatial = x->rank - 2;
    if (spatial < 1 || !ref_is_float(x->type) || grid->rank != x->rank || grid->dim[spatial + 1] != spatial)
        return CQ_UNSUPPORTED;
    int64_t points = ref_span(y, 2, y->rank), channels = x->dim[1], area = ref_span(x, 2, x->rank);
    if (area == 0 && tensor_elems(y) > 0)
        return CQ_INVALID;
    for (int64_t n = 0; n < x->dim[0]; n++)
        for (int64_t p = 0; p < points; p++) {
            struct taps taps[TENSOR_MAX_RANK];
            for (int i = 0; i < spatial; i++) {     /* the grid names the last dimension first */
                float at = (float) ref_load(in[1], grid->type, (n * points + p) * spatial + spatial - 1 - i);
                taps[2 + i] = taps_at(&inst->op->u.sample, at, x->dim[2 + i]);
            }
            for (int64_t c = 0; c < channels; c++)
                ref_store(out[0], y->type, (n * channels + c) * points + p,
                          sample(x, in[0], taps, 2, n * channels + c));
        }
    return CQ_OK;
}

/* ---- RoiAlign ---- */

/* One side of a box: where its bins lie, and the samples of each. */
struct side {
    float start, bin;
    int64_t samples;
};

static struct side side_of(const struct roi_attrs *a, float from, float to, int64_t bins)
{
    float offset = a->half_pixel ? 0.5f : 0, start = from * a->spatial_scale - offset;
    float size = to * a->spatial_scale - offset - start;
    if (!a->half_pixel)
        size = fmaxf(size, 1);      /* malformed boxes cover one pixel */
    struct side s = {.start = start, .bin = size / (float) bins};
    s.samples = a->sampling_ratio ? a->sampling_ratio : (int64_t) ceilf(fminf(fmaxf(s.bin, 0), 1e6f));
    return s;
}

static float sample_at(const struct side *s, int64_t bin, int64_t i)
{
    return s->start + (float) bin * s->bin + ((float) i + 0.5f) * s->bin / (float) s->samples;
}

/* The samples that may lie in the image, -1 .. n; others are 0, and a box may have very many of them. */
static void samples_inside(const struct side *s, int64_t bin, int64_t n, int64_t *first, int64_t *end)
{
    float step = s->bin / (float) s->samples, origin = s->start + (float) bin * s->bin;
    *first = 0;
    *end = s->samples;
    if (!(step > 0))
        return;
    float low = floorf((-1 - origin) / step) - 1, high = ceilf(((float) n - origin) / step) + 1;
    *first = (int64_t) fminf(fmaxf(low, 0), (float) s->samples);
    *end = (int64_t) fminf(fmaxf(high, 0), (float) s->samples);
}

/* Two pixels and their weights; false when x is too far outside. */
static bool neighbours(float x, int64_t n, int64_t at[2], double weight[2])
{
    if (!(x >= -1 && x <= (float) n))
        return false;
    x = fmaxf(x, 0);
    int64_t low = (int64_t) x;
    bool last = low >= n - 1;
    at[0] = last ? n - 1 : low;
    at[1] = last ? n - 1 : low + 1;
    weight[1] = last ? 0 : (double) (x - (float) low);
    weight[0] = 1 - weight[1];
    return true;
}

struct bin_sum {
    double sum, max;
    int64_t seen;
};

/* The maximum is of the weighted pixels, not of their sums: so ONNX Runtime and the ONNX tests have it. */
static void add_sample(struct bin_sum *b, const struct tensor_desc *x, const void *data, int64_t plane,
                       const int64_t y_at[2], const double y_weight[2], const int64_t x_at[2], const double x_weight[2])
{
    for (int i = 0; i < 4; i++) {
        int64_t at = (plane * x->dim[2] + y_at[i / 2]) * x->dim[3] + x_at[i % 2];
        double v = y_weight[i / 2] * x_weight[i % 2] * ref_load(data, x->type, at);
        b->sum += v;
        b->max = (b->seen == 0 && i == 0) || v > b->max ? v : b->max;
    }
    b->seen++;
}

static double roi_bin(const struct op_inst *inst, const void *data, int64_t plane, const struct side *rows,
                      const struct side *columns, int64_t by, int64_t bx)
{
    const struct tensor_desc *x = &inst->in[0];
    struct bin_sum b = {0};
    int64_t y0, y1, x0, x1, y_at[2], x_at[2], count = rows->samples * columns->samples;
    double y_weight[2], x_weight[2];
    samples_inside(rows, by, x->dim[2], &y0, &y1);
    samples_inside(columns, bx, x->dim[3], &x0, &x1);
    for (int64_t iy = y0; iy < y1; iy++) {
        if (!neighbours(sample_at(rows, by, iy), x->dim[2], y_at, y_weight))
            continue;
        for (int64_t ix = x0; ix < x1; ix++)
            if (neighbours(sample_at(columns, bx, ix), x->dim[3], x_at, x_weight))
                add_sample(&b, x, data, plane, y_at, y_weight, x_at, x_weight);
    }
    if (!inst->op->u.roi.max)
        return count ? b.sum / (double) count : 0;
    return b.seen < count && b.max < 0 ? 0 : b.max;
}

enum cq_err ref_roi_align(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *rois = &inst->in[1], *y = &inst->out[0];
    if (x->rank != 4 || !ref_is_float(x->type) || rois->rank != 2 || rois->dim[1] != 4)
        return CQ_UNSUPPORTED;
    int64_t to = 0;
    for (int64_t r = 0; r < y->dim[0]; r++) {
        int64_t image = ref_load_int(in[2], inst->in[2].type, r);
        float box[4];
        for (int i = 0; i < 4; i++)
            box[i] = (float) ref_load(in[1], rois->type, 4 * r + i);
        if (image < 0 || image >= x->dim[0])
            return CQ_INVALID;
        struct side columns = side_of(&inst->op->u.roi, box[0], box[2], y->dim[3]);
        struct side rows = side_of(&inst->op->u.roi, box[1], box[3], y->dim[2]);
        for (int64_t c = 0; c < y->dim[1]; c++)
            for (int64_t by = 0; by < y->dim[2]; by++)
                for (int64_t bx = 0; bx < y->dim[3]; bx++, to++)
                    ref_store(out[0], y->type, to,
                              roi_bin(inst, in[0], image * x->dim[1] + c, &rows, &columns, by, bx));
    }
    return CQ_OK;
}
