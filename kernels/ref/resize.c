/* Resize: nearest, linear and cubic, separable over all dimensions.
 *
 * Each output coordinate of each dimension has a run of taps (neighbouring input positions, each with a weight); an
 * output element is the sum over the product of its dimensions' taps. As in ONNX Runtime, source positions are computed
 * in float, for the rounding of ties in nearest mode depends on it, and a dimension of scale 1 is left alone, cropping
 * included.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/ref/ref.h"

/* Nearest, linear and cubic as filters: how far they reach on either side. */
static const int reach[] = {[RESIZE_NEAREST] = 0, [RESIZE_LINEAR] = 1, [RESIZE_CUBIC] = 2};

static float source_of(const struct resize_attrs *r, int rank, int d, int64_t in, int64_t out, int64_t o)
{
    float scale = r->scale[d], x = (float) o, start = r->roi[d], end = r->roi[rank + d], last = (float) (in - 1);
    if (scale == 1)
        return x;
    switch (r->coord) {
    case COORD_HALF_PIXEL:
        return (x + 0.5f) / scale - 0.5f;
    case COORD_HALF_PIXEL_SYMMETRIC: {
        float middle = (float) in / 2, shown = (float) out / (scale * (float) in);
        return middle * (1 - shown) + (x + 0.5f) / scale - 0.5f;
    }
    case COORD_PYTORCH_HALF_PIXEL:
        return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case COORD_TF_HALF_PIXEL_FOR_NN:
        return (x + 0.5f) / scale;
    case COORD_ALIGN_CORNERS:
        return out > 1 ? x * last / (float) (out - 1) : 0;
    case COORD_ASYMMETRIC:
        return x / scale;
    case COORD_TF_CROP:
        return out > 1 ? start * last + x * (end - start) * last / (float) (out - 1) : 0.5f * (start + end) * last;
    }
    return 0;
}

static float nearest(enum resize_round round, float x, float scale)
{
    switch (round) {
    case NEAREST_PREFER_FLOOR:
        return ceilf(x - 0.5f);
    case NEAREST_PREFER_CEIL:
        return floorf(x + 0.5f);
    case NEAREST_FLOOR:
        return floorf(x);
    case NEAREST_CEIL:
        return ceilf(x);
    case NEAREST_SIMPLE:
        return scale < 1 ? ceilf(x) : floorf(x);
    }
    return x;
}

static int64_t clamp(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

double ref_cubic(double a, double x)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double filter(const struct resize_attrs *r, double x)
{
    return r->mode == RESIZE_CUBIC ? ref_cubic(r->cubic_a, x) : fmax(1 - fabs(x), 0);
}

/* How much wider the filter is than a pixel: with antialias, as wide as the pixels of the result. */
static double stretch_of(const struct resize_attrs *r, int d)
{
    return r->antialias && r->scale[d] < 1 ? 1 / (double) r->scale[d] : 1;
}

int64_t ref_resize_width(const struct op_inst *inst, int d)
{
    const struct resize_attrs *r = &inst->op->u.resize;
    int64_t in = inst->in[0].dim[d], most = in > 2 ? in : 2;
    double full = 2 * reach[r->mode] * stretch_of(r, d) + 2;
    return r->mode == RESIZE_NEAREST ? 1 : full < (double) most ? (int64_t) full : most;
}

/* Taps beyond the border repeat it, or are left out and the rest scaled up: either way they end inside. */
static struct ref_taps taps_filter(const struct resize_attrs *r, int d, float x, int64_t in, double *weight)
{
    double stretch = stretch_of(r, d), support = reach[r->mode] * stretch, sum = 0;
    int64_t first = (int64_t) floor((double) x - support) + 1, last = (int64_t) ceil((double) x + support) - 1;
    struct ref_taps t = {.first = clamp(first, in)};
    t.n = (int) (clamp(last, in) - t.first + 1);
    for (int i = 0; i < t.n; i++)
        weight[i] = 0;
    for (int64_t i = first; i <= last; i++) {
        double w = r->exclude_outside && i != clamp(i, in) ? 0 : filter(r, ((double) i - (double) x) / stretch);
        weight[clamp(i, in) - t.first] += w;
        sum += w;
    }
    for (int i = 0; i < t.n && (r->antialias || r->exclude_outside) && sum != 0; i++)
        weight[i] /= sum;
    return t;
}

/* Not further outside than `room`; NaN becomes the lower end. */
static float limit(float x, int64_t in, float room)
{
    return fminf(fmaxf(x, -room), (float) (in - 1) + room);
}

struct ref_taps ref_resize_taps(const struct op_inst *inst, int d, int64_t o, double *weight)
{
    const struct resize_attrs *r = &inst->op->u.resize;
    int64_t in = inst->in[0].dim[d], out = inst->out[0].dim[d];
    float exact = source_of(r, inst->in[0].rank, d, in, out, o), x = limit(exact, in, (float) in + 4);
    struct ref_taps t = {.n = 1};
    weight[0] = 1;
    if (r->mode == RESIZE_NEAREST)
        t.first = clamp((int64_t) nearest(r->round, x, r->scale[d]), in);
    else if (in == out && x == (float) o)
        t.first = o;
    else
        t = taps_filter(r, d, r->mode == RESIZE_LINEAR && !r->antialias ? limit(x, in, 0) : x, in, weight);
    t.outside = r->coord == COORD_TF_CROP && (exact < 0 || exact > (float) (in - 1));
    return t;
}

/* ---- the sum ---- */

/* All taps of a dimension. */
struct axis {
    struct ref_taps *taps;
    double *weight;                /* `width` for each output position */
    int64_t width;
};

static enum cq_err axis_init(struct axis *a, const struct op_inst *inst, int d)
{
    int64_t n = inst->out[0].dim[d];
    a->width = ref_resize_width(inst, d);
    a->taps = calloc((size_t) n + 1, sizeof *a->taps);
    a->weight = calloc((size_t) n * (size_t) a->width + 1, sizeof *a->weight);
    for (int64_t o = 0; o < n && a->taps && a->weight; o++)
        a->taps[o] = ref_resize_taps(inst, d, o, a->weight + o * a->width);
    return a->taps && a->weight ? CQ_OK : CQ_NOMEM;
}

static double element(const struct tensor_desc *x, const void *data, const struct axis *axes, const int64_t *at, int d,
                      int64_t index)
{
    if (d == x->rank)
        return ref_load(data, x->type, index);
    const struct ref_taps *t = &axes[d].taps[at[d]];
    const double *weight = axes[d].weight + at[d] * axes[d].width;
    double sum = 0;
    for (int i = 0; i < t->n; i++)
        if (weight[i] != 0)
            sum += weight[i] * element(x, data, axes, at, d + 1, index * x->dim[d] + t->first + i);
    return sum;
}

enum cq_err ref_resize(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct axis axes[TENSOR_MAX_RANK] = {0};
    enum cq_err err = CQ_OK;
    if (x->rank != y->rank || (tensor_elems(x) == 0 && tensor_elems(y) > 0))
        return CQ_INVALID;
    for (int d = 0; d < y->rank && !err && tensor_elems(y) > 0; d++)
        err = axis_init(&axes[d], inst, d);
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n && !err; i++, ref_advance(y, at)) {
        bool outside = false;
        for (int d = 0; d < y->rank; d++)
            outside = outside || axes[d].taps[at[d]].outside;
        double v = outside ? inst->op->u.resize.extrapolation : element(x, in[0], axes, at, 0, 0);
        ref_store(out[0], y->type, i, v);
    }
    for (int d = 0; d < y->rank; d++) {
        free(axes[d].taps);
        free(axes[d].weight);
    }
    return err;
}
