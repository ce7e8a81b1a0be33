/* Operators with windows: convolutions and pooling. Windows are resolved to explicit pads; automatic
 * padding and ceil_mode leave no trace but the shapes. */
#include <string.h>

#include "stages/infer/lower.h"

/* ---- windows ---- */

static enum cq_err read_ints(const struct lower *c, const char *name, int n, int otherwise, int *out)
{
    int count;
    const int64_t *v = node_ints(c->node, name, &count);
    if (count && count != n)
        return lower_fail(c, "attribute %s has %d values instead of %d", name, count, n);
    for (int i = 0; i < n; i++) {
        int64_t value = count ? v[i] : otherwise;
        if (value < 0 || value > INT32_MAX / 4)
            return lower_fail(c, "attribute %s holds %lld", name, (long long) value);
        out[i] = (int) value;
    }
    return CQ_OK;
}

static enum cq_err read_pads(const struct lower *c, struct conv_attrs *a)
{
    int pads[2 * OP_SPATIAL];
    enum cq_err err = read_ints(c, "pads", 2 * a->spatial, 0, pads);
    for (int i = 0; i < a->spatial && !err; i++) {
        a->pad_begin[i] = pads[i];
        a->pad_end[i] = pads[a->spatial + i];
    }
    return err;
}

/* Everything but the kernel's size, which a convolution has from its weights. */
static enum cq_err read_window(const struct lower *c, int rank, struct conv_attrs *a)
{
    *a = (struct conv_attrs){.spatial = rank - 2};
    if (rank < 3 || a->spatial > OP_SPATIAL)
        return lower_fail(c, "works on %d dimensions; 3 to 5 are supported", rank);
    enum cq_err err = read_ints(c, "strides", a->spatial, 1, a->stride);
    if (!err)
        err = read_ints(c, "dilations", a->spatial, 1, a->dilation);
    if (!err)
        err = read_pads(c, a);
    for (int i = 0; i < a->spatial && !err; i++)
        if (!a->stride[i] || !a->dilation[i])
            err = lower_fail(c, "has a stride or dilation of 0");
    int64_t group = node_int(c->node, "group", 1);
    if (!err && (group < 1 || group > INT32_MAX))
        err = lower_fail(c, "has %lld groups", (long long) group);
    a->group = (int) group;
    return err;
}

static int64_t extent(const struct conv_attrs *a, int i)
{
    return (int64_t) (a->kernel[i] - 1) * a->dilation[i] + 1;
}

/* Results along one dimension; also resolves auto_pad. */
static int64_t window_count(const struct lower *c, struct conv_attrs *a, int i, int64_t in)
{
    const char *mode = node_string(c->node, "auto_pad", "NOTSET");
    int64_t stride = a->stride[i], ext = extent(a, i);
    if (!strncmp(mode, "SAME", 4)) {
        int64_t out = in / stride + (in % stride != 0), pad = (out - 1) * stride + ext - in;
        pad = pad > 0 ? pad : 0;
        a->pad_begin[i] = (int) (strcmp(mode, "SAME_LOWER") ? pad / 2 : pad - pad / 2);
        a->pad_end[i] = (int) (pad - a->pad_begin[i]);
        return out;
    }
    if (!strcmp(mode, "VALID"))
        a->pad_begin[i] = a->pad_end[i] = 0;
    int64_t room = in + a->pad_begin[i] + a->pad_end[i] - ext;
    if (room < 0)
        return -1;
    int64_t out = room / stride + 1;
    if (node_int(c->node, "ceil_mode", 0) && room % stride) {
        /* a last window counts only if it starts inside the image or the front padding */
        if (out * stride < in + a->pad_begin[i])
            out++;
    }
    return out;
}

static enum cq_err window_shape(const struct lower *c, struct conv_attrs *a, const struct tensor_desc *x,
                                int64_t channels, struct tensor_desc *y)
{
    *y = *x;
    y->dim[1] = channels;
    for (int i = 0; i < a->spatial; i++) {
        if (a->kernel[i] < 1)
            return lower_fail(c, "has a kernel of size 0");
        y->dim[2 + i] = window_count(c, a, i, x->dim[2 + i]);
        if (y->dim[2 + i] < 1)
            return lower_fail(c, "its window is larger than its input");
    }
    return CQ_OK;
}

/* ---- convolutions ---- */

/* Weights must fit x; kernel_shape, when given, must agree with them. */
static enum cq_err read_weights(const struct lower *c, const struct tensor_desc *x, const struct tensor_desc *w,
                                bool transposed, struct conv_attrs *a)
{
    char tx[TENSOR_TEXT_SIZE], tw[TENSOR_TEXT_SIZE];
    int64_t into = transposed ? w->dim[0] : w->dim[1] * a->group;
    if (w->rank != x->rank || into != x->dim[1] || w->dim[0] % a->group || w->dim[0] < 1 || w->dim[1] < 1)
        return lower_fail(c, "weights %s do not fit input %s in %d groups", tensor_text(w, tw), tensor_text(x, tx),
                          a->group);
    for (int i = 0; i < a->spatial; i++) {
        if (w->dim[2 + i] > INT32_MAX / 4)
            return lower_fail(c, "has an impossibly large kernel");
        a->kernel[i] = (int) w->dim[2 + i];
    }
    int given[OP_SPATIAL];
    enum cq_err err = read_ints(c, "kernel_shape", a->spatial, 0, given);
    for (int i = 0; i < a->spatial && !err; i++)
        if (given[i] && given[i] != a->kernel[i])
            err = lower_fail(c, "kernel_shape disagrees with the weights");
    return err;
}

enum cq_err lower_conv_window(const struct lower *c, const struct tensor_desc *x, const struct tensor_desc *w,
                              struct conv_attrs *attrs, struct tensor_desc *y)
{
    enum cq_err err = read_window(c, x->rank, attrs);
    if (!err)
        err = read_weights(c, x, w, false, attrs);
    return err ? err : window_shape(c, attrs, x, w->dim[0], y);
}

static enum cq_err check_bias(const struct lower *c, int64_t channels)
{
    struct tensor_desc b = lower_desc(c, 2);
    if (b.type != DT_NONE && (b.rank != 1 || b.dim[0] != channels))
        return lower_fail(c, "its bias does not have one value per channel");
    return CQ_OK;
}

static enum cq_err emit_conv(struct lower *c, const struct op *op, const struct tensor_desc *y)
{
    return lower_emit1(c, op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, lower_in(c, 2) < 0 ? 2 : 3, y);
}

static enum cq_err lower_conv(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), w = lower_desc(c, 1), y;
    struct op op = {.kind = OP_CONV};
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0)
        return lower_fail(c, "needs input and weights");
    enum cq_err err = lower_conv_window(c, &x, &w, &op.u.conv, &y);
    if (!err)
        err = check_bias(c, w.dim[0]);
    return err ? err : emit_conv(c, &op, &y);
}

/* One dimension: out = stride*(in-1) + output_padding + extent - pads; with output_shape or SAME the pads
 * follow from the size wanted. */
static int64_t transposed_size(const struct lower *c, struct conv_attrs *a, int i, int64_t in, int extra,
                               int64_t wanted)
{
    const char *mode = node_string(c->node, "auto_pad", "NOTSET");
    int64_t full = (int64_t) a->stride[i] * (in - 1) + extra + extent(a, i);
    if (!wanted && !strncmp(mode, "SAME", 4))
        wanted = in * a->stride[i];
    if (!wanted)
        return full - a->pad_begin[i] - a->pad_end[i];
    int64_t pads = full > wanted ? full - wanted : 0, half = pads / 2;
    a->pad_begin[i] = (int) (strcmp(mode, "SAME_UPPER") ? pads - half : half);
    a->pad_end[i] = (int) (pads - a->pad_begin[i]);
    return wanted;
}

static enum cq_err lower_conv_transpose(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), w = lower_desc(c, 1), y = x;
    struct op op = {.kind = OP_CONV_TRANSPOSE};
    struct conv_attrs *a = &op.u.conv;
    int extra[OP_SPATIAL], wanted[OP_SPATIAL];
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0)
        return lower_fail(c, "needs input and weights");
    enum cq_err err = read_window(c, x.rank, a);
    if (!err)
        err = read_weights(c, &x, &w, true, a);
    if (!err)
        err = check_bias(c, w.dim[1] * a->group);
    if (!err)
        err = read_ints(c, "output_padding", a->spatial, 0, extra);
    if (!err)
        err = read_ints(c, "output_shape", a->spatial, 0, wanted);
    if (err)
        return err;
    y.dim[1] = w.dim[1] * a->group;
    for (int i = 0; i < a->spatial; i++) {
        y.dim[2 + i] = transposed_size(c, a, i, x.dim[2 + i], extra[i], wanted[i]);
        if (y.dim[2 + i] < 1 || a->kernel[i] < 1)
            return lower_fail(c, "its result would be empty");
    }
    return emit_conv(c, &op, &y);
}

/* ---- pooling ---- */

static enum cq_err lower_pool(struct lower *c)
{
    int x_in = lower_in(c, 0), count;
    struct tensor_desc x = lower_desc(c, 0), y;
    struct op op = {.kind = (enum op_kind) c->variant};
    if (x_in < 0)
        return lower_fail(c, "has no input");
    if (c->node->n_out > 1 && lower_has_output(c, 1))
        return lower_fail(c, "its second output (indices) is not supported");
    enum cq_err err = read_window(c, x.rank, &op.u.conv);
    if (err)
        return err;
    if (!node_ints(c->node, "kernel_shape", &count))
        return lower_fail(c, "has no kernel_shape");
    if (op.kind == OP_POOL_L2 && node_int(c->node, "p", 2) != 2)
        return lower_fail(c, "only p = 2 is supported");
    op.u.conv.count_include_pad = node_int(c->node, "count_include_pad", 0);
    err = read_ints(c, "kernel_shape", op.u.conv.spatial, 0, op.u.conv.kernel);
    if (!err)
        err = window_shape(c, &op.u.conv, &x, x.dim[1], &y);
    return err ? err : lower_emit1(c, &op, &x_in, 1, &y);
}

static enum cq_err lower_global_pool(struct lower *c)
{
    int x_in = lower_in(c, 0);
    struct tensor_desc y = lower_desc(c, 0);
    struct op op = {.kind = (enum op_kind) c->variant, .u.conv = {.spatial = y.rank - 2, .group = 1}};
    if (x_in < 0 || y.rank < 3 || y.rank - 2 > OP_SPATIAL)
        return lower_fail(c, "needs an input of 3 to 5 dimensions");
    for (int i = 0; i < y.rank - 2; i++) {
        if (y.dim[2 + i] < 1 || y.dim[2 + i] > INT32_MAX / 4)
            return lower_fail(c, "its input is empty or impossibly large");
        op.u.conv.kernel[i] = (int) y.dim[2 + i];
        op.u.conv.stride[i] = op.u.conv.dilation[i] = 1;
        y.dim[2 + i] = 1;
    }
    return lower_emit1(c, &op, &x_in, 1, &y);
}

const struct lower_op lower_ops_conv[] = {
    {"Conv", lower_conv, 0},
    {"ConvTranspose", lower_conv_transpose, 0},
    {"MaxPool", lower_pool, OP_POOL_MAX},
    {"AveragePool", lower_pool, OP_POOL_AVG},
    {"LpPool", lower_pool, OP_POOL_L2},
    {"GlobalMaxPool", lower_global_pool, OP_POOL_MAX},
    {"GlobalAveragePool", lower_global_pool, OP_POOL_AVG},
    {"GlobalLpPool", lower_global_pool, OP_POOL_L2},
    {0},
};
