/* Convolutions. */
#include <string.h>

#include "stages/infer/window.h"

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
    enum cq_err err = window_ints(c, "kernel_shape", a->spatial, 0, given);
    for (int i = 0; i < a->spatial && !err; i++)
        if (given[i] && given[i] != a->kernel[i])
            err = lower_fail(c, "kernel_shape disagrees with the weights");
    return err;
}

enum cq_err lower_conv_window(const struct lower *c, const struct tensor_desc *x, const struct tensor_desc *w,
                              struct conv_attrs *attrs, struct tensor_desc *y)
{
    enum cq_err err = window_read(c, x->rank, attrs);
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

enum cq_err lower_conv(struct lower *c)
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
    int64_t full = (int64_t) a->stride[i] * (in - 1) + extra + window_extent(a, i);
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
    enum cq_err err = window_read(c, x.rank, a);
    if (!err)
        err = read_weights(c, &x, &w, true, a);
    if (!err)
        err = check_bias(c, w.dim[1] * a->group);
    if (!err)
        err = window_ints(c, "output_padding", a->spatial, 0, extra);
    if (!err)
        err = window_ints(c, "output_shape", a->spatial, 0, wanted);
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

const struct lower_op lower_ops_conv[] = {
    {"Conv", lower_conv, 0},
    {"ConvTranspose", lower_conv_transpose, 0},
    {0},
};
