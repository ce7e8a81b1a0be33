/* Resize and its predecessor Upsample: which sizes, from which of four inputs, by which opset's defaults. */
#include <math.h>
#include <string.h>

#include "stages/infer/batch.h"
#include "stages/infer/lower.h"

/* Floats of a known input; *n is 0 when it is left out or empty. */
static enum cq_err read_floats(const struct lower *c, int i, float *out, int max, int *n)
{
    struct tensor_desc d = lower_desc(c, i);
    int64_t count = lower_in(c, i) < 0 ? 0 : tensor_elems(&d);
    const void *data = lower_data(c, i);
    *n = 0;
    if (!count)
        return CQ_OK;
    if (!data || count < 0 || count > max || (d.type != DT_F32 && d.type != DT_F64))
        return lower_later(c, i, "scales or roi");
    for (int k = 0; k < count; k++)
        out[k] = d.type == DT_F32 ? ((const float *) data)[k] : (float) ((const double *) data)[k];
    *n = (int) count;
    return CQ_OK;
}

static enum cq_err read_modes(const struct lower *c, struct resize_attrs *r)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear", NULL};
    static const char *const coords[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                                         "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn", NULL};
    static const char *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    bool old = c->opset < 11 || c->variant;    /* Upsample, and Resize as it began */
    int mode = node_choice(c->node, "mode", "nearest", modes);
    int coord = old ? COORD_ASYMMETRIC : node_choice(c->node, "coordinate_transformation_mode", "half_pixel", coords);
    int round = old ? NEAREST_SIMPLE : node_choice(c->node, "nearest_mode", "round_prefer_floor", rounds);
    if (mode < 0 || coord < 0 || round < 0)
        return lower_fail(c, "mode '%s' (%s, %s) is not supported", node_string(c->node, "mode", "nearest"),
                          node_string(c->node, "coordinate_transformation_mode", ""),
                          node_string(c->node, "nearest_mode", ""));
    r->antialias = node_int(c->node, "antialias", 0);
    if (r->antialias && mode == RESIZE_NEAREST)
        return lower_fail(c, "antialias does not go with mode 'nearest'");
    r->mode = mode > RESIZE_CUBIC ? RESIZE_LINEAR : (enum resize_mode) mode;
    r->coord = (enum resize_coord) coord;
    r->round = (enum resize_round) round;
    r->cubic_a = node_float(c->node, "cubic_coeff_a", -0.75f);
    r->exclude_outside = node_int(c->node, "exclude_outside", 0);
    r->extrapolation = node_float(c->node, "extrapolation_value", 0);
    return CQ_OK;
}

/* Dimensions that scales, sizes and roi speak of: all, or (opset 18) those named by axes. */
static enum cq_err read_axes(const struct lower *c, int rank, int *axes, int *n)
{
    int count;
    const int64_t *v = node_ints(c->node, "axes", &count);
    *n = v ? count : rank;
    if (*n < 1 || *n > rank)
        return lower_fail(c, "resizes %d axes of a tensor with %d dimensions", *n, rank);
    for (int i = 0; i < *n; i++) {
        enum cq_err err = lower_axis(c, v ? v[i] : i, rank, &axes[i]);
        if (err)
            return err;
    }
    return CQ_OK;
}

static enum cq_err apply_scales(const struct lower *c, const float *scales, const int *axes, int n,
                                struct resize_attrs *r, struct tensor_desc *y)
{
    for (int i = 0; i < n; i++) {
        double size = floorf((float) y->dim[axes[i]] * scales[i]);    /* in float, as ONNX Runtime */
        if (!(scales[i] > 0) || !(size < 1e9))
            return lower_fail(c, "its scale is impossible");
        y->dim[axes[i]] = (int64_t) size;
        r->scale[axes[i]] = scales[i];
    }
    return CQ_OK;
}

/* keep_aspect_ratio_policy: the one scale that keeps the image inside, or makes it cover, the size. */
static float common_scale(const struct tensor_desc *x, const int64_t *sizes, const int *axes, int n, bool cover)
{
    float scale = cover ? 0 : INFINITY;
    for (int i = 0; i < n; i++) {
        float s = (float) sizes[i] / (float) x->dim[axes[i]];
        scale = cover ? fmaxf(scale, s) : fminf(scale, s);
    }
    return scale;
}

static enum cq_err apply_sizes(const struct lower *c, const int64_t *sizes, const int *axes, int n,
                               struct resize_attrs *r, struct tensor_desc *y)
{
    struct tensor_desc x = *y;
    struct batch_place place;
    const char *policy = node_string(c->node, "keep_aspect_ratio_policy", "stretch");
    bool keep = strcmp(policy, "stretch");
    float scale = keep ? common_scale(&x, sizes, axes, n, !strcmp(policy, "not_smaller")) : 0;
    bool baked = batch_baked(c, 3);
    for (int i = 0; i < n; i++) {
        int d = axes[i];
        if (sizes[i] < 1 || sizes[i] > 1000000000 || x.dim[d] < 1)
            return lower_fail(c, "its size is impossible");
        y->dim[d] = keep ? (int64_t) roundf(scale * (float) x.dim[d]) : sizes[i];
        if (baked && batch_find(c, 0, &place) && place.dim == d)
            y->dim[d] *= place.factor;
        r->scale[d] = keep ? scale : (float) y->dim[d] / (float) x.dim[d];
    }
    return CQ_OK;
}

static enum cq_err read_roi(const struct lower *c, const int *axes, int n, int rank, struct resize_attrs *r)
{
    float roi[2 * TENSOR_MAX_RANK];
    int count;
    for (int i = 0; i < rank; i++)
        r->roi[rank + i] = 1;
    if (r->coord != COORD_TF_CROP)
        return CQ_OK;
    enum cq_err err = read_floats(c, 1, roi, 2 * TENSOR_MAX_RANK, &count);
    if (!err && count != 2 * n)
        err = lower_fail(c, "its roi does not match its input");
    for (int i = 0; i < n && !err; i++) {
        r->roi[axes[i]] = roi[i];
        r->roi[rank + axes[i]] = roi[n + i];
    }
    return err;
}

static enum cq_err read_sizes(const struct lower *c, const int *axes, int n, struct resize_attrs *r,
                              struct tensor_desc *y)
{
    float scales[TENSOR_MAX_RANK];
    int64_t sizes[TENSOR_MAX_RANK];
    int n_scales = 0, n_sizes = 0;
    const struct attr *a = node_attr(c->node, "scales");
    enum cq_err err = CQ_OK;
    if (a && a->kind == ATTR_FLOATS && a->n <= TENSOR_MAX_RANK) {
        n_scales = a->n;
        memcpy(scales, a->floats, (size_t) a->n * sizeof *scales);
    } else {
        bool old = c->opset < 11 || c->variant;
        err = read_floats(c, old ? 1 : 2, scales, TENSOR_MAX_RANK, &n_scales);
    }
    if (!err && !n_scales && lower_in(c, 3) >= 0 && !lower_const_ints(c, 3, sizes, TENSOR_MAX_RANK, &n_sizes))
        err = lower_later(c, 3, "sizes");
    if (err)
        return err;
    if (n_scales == n)
        return apply_scales(c, scales, axes, n, r, y);
    if (n_sizes == n)
        return apply_sizes(c, sizes, axes, n, r, y);
    return lower_fail(c, "has neither scales nor sizes for its dimensions");
}

static enum cq_err lower_resize(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    struct op op = {.kind = OP_RESIZE};
    int in = lower_in(c, 0), axes[TENSOR_MAX_RANK], n;
    if (in < 0)
        return lower_fail(c, "has no input");
    for (int i = 0; i < x.rank; i++)
        op.u.resize.scale[i] = 1;
    enum cq_err err = read_modes(c, &op.u.resize);
    if (!err)
        err = read_axes(c, x.rank, axes, &n);
    if (!err)
        err = read_roi(c, axes, n, x.rank, &op.u.resize);
    if (!err)
        err = read_sizes(c, axes, n, &op.u.resize, &y);
    return err ? err : lower_emit1(c, &op, &in, 1, &y);
}

const struct lower_op lower_ops_resize[] = {
    {"Resize", lower_resize, 0},
    {"Upsample", lower_resize, 1},
    {0},
};
