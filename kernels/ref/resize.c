/* Resize: nearest, linear and cubic, separable over all dimensions.
 *
 * Each output coordinate of each dimension has up to four taps (input position, weight); an output element is the
 * sum over the product of its dimensions' taps. As in ONNX Runtime, source positions are computed in float, for the
 * rounding of ties in nearest mode depends on it, and a dimension of scale 1 is left alone, cropping included.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/ref/ref.h"

static float source_of(const struct resize_attrs *r, int rank, int d, int64_t in, int64_t out, int64_t o)
{
    float scale = r->scale[d], x = (float) o, start = r->roi[d], end = r->roi[rank + d], last = (float) (in - 1);
    if (scale == 1)
        return x;
    switch (r->coord) {
    case COORD_HALF_PIXEL:
        return (x + 0.5f) / scale - 0.5f;
    case COORD_PYTORCH_HALF_PIXEL:
        return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case COORD_ALIGN_CORNERS:
        return out > 1 ? x * last / (float) (out - 1) : 0;
    case COORD_ASYMMETRIC:
        return x / scale;
    case COORD_TF_CROP:
        return out > 1 ? start * last + x * (end - start) * last / (float) (out - 1) : 0.5f * (start + end) * last;
    }
    return 0;
}

static float nearest(enum resize_round round, float x)
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
    }
    return x;
}

static int64_t clamp(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void taps_linear(struct ref_taps *t, float x, int64_t in)
{
    x = fminf(fmaxf(x, 0), (float) (in - 1));
    int64_t low = (int64_t) x;
    double part = (double) x - (double) low;
    *t = (struct ref_taps){.n = part > 0 ? 2 : 1, .at = {low, clamp(low + 1, in)}, .weight = {1 - part, part}};
}

void ref_cubic_weights(double a, double s, double weight[4])
{
    weight[0] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
    weight[1] = ((a + 2) * s - (a + 3)) * s * s + 1;
    weight[2] = ((a + 2) * (1 - s) - (a + 3)) * (1 - s) * (1 - s) + 1;
    weight[3] = ((a * (2 - s) - 5 * a) * (2 - s) + 8 * a) * (2 - s) - 4 * a;
}

/* Taps beyond the border repeat it, or are left out and the rest scaled up. */
static void taps_cubic(struct ref_taps *t, float x, int64_t in, double a, bool exclude_outside)
{
    float base = floorf(x);
    double s = (double) x - base, sum = 0;
    double weight[REF_MAX_TAPS];
    ref_cubic_weights(a, s, weight);
    t->n = REF_MAX_TAPS;
    for (int i = 0; i < REF_MAX_TAPS; i++) {
        int64_t at = (int64_t) base - 1 + i;
        t->at[i] = clamp(at, in);
        t->weight[i] = exclude_outside && at != t->at[i] ? 0 : weight[i];
        sum += t->weight[i];
    }
    for (int i = 0; exclude_outside && i < REF_MAX_TAPS; i++)
        t->weight[i] /= sum;
}

struct ref_taps ref_resize_taps(const struct op_inst *inst, int d, int64_t o)
{
    const struct resize_attrs *r = &inst->op->u.resize;
    int64_t in = inst->in[0].dim[d], out = inst->out[0].dim[d];
    float x = source_of(r, inst->in[0].rank, d, in, out, o);
    struct ref_taps t = {.n = 1, .weight = {1}};
    if (r->mode == RESIZE_NEAREST)
        t.at[0] = clamp((int64_t) nearest(r->round, x), in);
    else if (r->mode == RESIZE_LINEAR)
        taps_linear(&t, x, in);
    else if (in == out && x == (float) o)
        t.at[0] = o;
    else
        taps_cubic(&t, x, in, r->cubic_a, r->exclude_outside);
    t.outside = r->coord == COORD_TF_CROP && (x < 0 || x > (float) (in - 1));
    return t;
}

static double element(const struct tensor_desc *x, const void *data, const struct ref_taps *const *taps, int d,
                      int64_t index)
{
    if (d == x->rank)
        return ref_load(data, x->type, index);
    double sum = 0;
    for (int i = 0; i < taps[d]->n; i++)
        sum += taps[d]->weight[i] * element(x, data, taps, d + 1, index * x->dim[d] + taps[d]->at[i]);
    return sum;
}

/* All dimensions' taps, one after the other. */
static struct ref_taps *make_taps(const struct op_inst *inst)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t n = 0;
    for (int d = 0; d < y->rank; d++)
        n += y->dim[d];
    struct ref_taps *taps = calloc((size_t) n + 1, sizeof *taps), *at = taps;
    for (int d = 0; taps && d < y->rank; d++)
        for (int64_t o = 0; o < y->dim[d]; o++)
            *at++ = ref_resize_taps(inst, d, o);
    return taps;
}

enum cq_err ref_resize(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    if (x->rank != y->rank || (tensor_elems(x) == 0 && tensor_elems(y) > 0))
        return CQ_INVALID;
    struct ref_taps *taps = make_taps(inst);
    if (!taps)
        return CQ_NOMEM;
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        const struct ref_taps *here[TENSOR_MAX_RANK], *first = taps;
        bool outside = false;
        for (int d = 0; d < y->rank; first += y->dim[d++]) {
            here[d] = first + at[d];
            outside = outside || here[d]->outside;
        }
        ref_store(out[0], y->type, i, outside ? inst->op->u.resize.extrapolation : element(x, in[0], here, 0, 0));
    }
    free(taps);
    return CQ_OK;
}
