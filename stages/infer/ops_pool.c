/* Pooling, and MaxUnpool, which puts back what a maximum was taken from. */
#include "stages/infer/window.h"

static enum cq_err read_power(const struct lower *c, struct conv_attrs *a)
{
    int64_t p = node_int(c->node, "p", 2);
    if (p < 1 || p > INT32_MAX)
        return lower_fail(c, "p = %lld is not supported", (long long) p);
    a->p = (int) p;
    return CQ_OK;
}

static enum cq_err read_kernel(const struct lower *c, struct conv_attrs *a)
{
    int count;
    if (!node_ints(c->node, "kernel_shape", &count))
        return lower_fail(c, "has no kernel_shape");
    return window_ints(c, "kernel_shape", a->spatial, 0, a->kernel);
}

static enum cq_err lower_pool(struct lower *c)
{
    int x_in = lower_in(c, 0), out[2];
    bool index = c->variant == OP_POOL_MAX && lower_has_output(c, 1);
    struct tensor_desc x = lower_desc(c, 0), y[2];
    struct op op = {.kind = (enum op_kind) c->variant};
    if (x_in < 0)
        return lower_fail(c, "has no input");
    enum cq_err err = window_read(c, x.rank, &op.u.conv);
    if (!err)
        err = read_kernel(c, &op.u.conv);
    if (!err)
        err = read_power(c, &op.u.conv);
    if (!err)
        err = window_shape(c, &op.u.conv, &x, x.dim[1], &y[0]);
    if (err)
        return err;
    op.u.conv.count_include_pad = node_int(c->node, "count_include_pad", 0);
    op.u.conv.column_major = index && node_int(c->node, "storage_order", 0);
    y[1] = y[0];
    y[1].type = DT_I64;
    err = lower_emit(c, &op, &x_in, 1, y, index ? 2 : 1, out);
    for (int i = 0; i < (index ? 2 : 1) && !err; i++)
        lower_bind(c, i, out[i]);
    return err;
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
    enum cq_err err = read_power(c, &op.u.conv);
    return err ? err : lower_emit1(c, &op, &x_in, 1, &y);
}

/* ---- MaxUnpool ---- */

/* What the pooling was made from: the size that the windows cover, or output_shape, which also tells sizes
 * apart that pooling makes equal. Batch and channels are x's, whatever a shape of the exported batch says. */
static enum cq_err unpooled_shape(const struct lower *c, const struct conv_attrs *a, const struct tensor_desc *x,
                                  struct tensor_desc *y)
{
    int64_t given[TENSOR_MAX_RANK];
    int n = 0;
    if (lower_in(c, 2) >= 0 && !lower_const_ints(c, 2, given, TENSOR_MAX_RANK, &n))
        return lower_later(c, 2, "output_shape");
    if (n && n != x->rank)
        return lower_fail(c, "output_shape has %d values for %d dimensions", n, x->rank);
    *y = *x;
    for (int i = 0; i < a->spatial; i++) {
        int64_t covered = (x->dim[2 + i] - 1) * a->stride[i] + a->kernel[i] - a->pad_begin[i] - a->pad_end[i];
        y->dim[2 + i] = n ? given[2 + i] : covered;
        if (y->dim[2 + i] < 0)
            return lower_fail(c, "its result would be empty");
    }
    return CQ_OK;
}

/* Indices count in all of the result. (A test of the ONNX suite counts them in the result without output_shape;
 * then they would not be those that MaxPool gave.) */
static enum cq_err lower_max_unpool(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), index = lower_desc(c, 1), y;
    struct op op = {.kind = OP_MAX_UNPOOL};
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || !tensor_same_shape(&x, &index))
        return lower_fail(c, "its indices do not have the shape of its input");
    enum cq_err err = window_read(c, x.rank, &op.u.conv);
    if (!err)
        err = read_kernel(c, &op.u.conv);
    if (!err)
        err = unpooled_shape(c, &op.u.conv, &x, &y);
    return err ? err : lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1)}, 2, &y);
}

const struct lower_op lower_ops_pool[] = {
    {"MaxPool", lower_pool, OP_POOL_MAX},
    {"AveragePool", lower_pool, OP_POOL_AVG},
    {"LpPool", lower_pool, OP_POOL_LP},
    {"GlobalMaxPool", lower_global_pool, OP_POOL_MAX},
    {"GlobalAveragePool", lower_global_pool, OP_POOL_AVG},
    {"GlobalLpPool", lower_global_pool, OP_POOL_LP},
    {"MaxUnpool", lower_max_unpool, 0},
    {0},
};
