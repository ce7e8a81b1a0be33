/* Normalisations. */
#include "stages/infer/lower.h"

static bool is_vector(const struct lower *c, int i, int64_t n)
{
    struct tensor_desc d = lower_desc(c, i);
    return d.type != DT_NONE && d.rank == 1 && d.dim[0] == n;
}

static enum cq_err lower_batch_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    int in[5];
    if (lower_in(c, 0) < 0 || x.rank < 2)
        return lower_fail(c, "needs an input with channels");
    if (node_int(c->node, "training_mode", 0) || !node_int(c->node, "spatial", 1))
        return lower_fail(c, "training mode and spatial = 0 are not supported");
    in[0] = lower_in(c, 0);
    for (int i = 1; i < 5; i++) {
        in[i] = lower_in(c, i);
        if (!is_vector(c, i, x.dim[1]))
            return lower_fail(c, "its parameters do not have one value per channel");
    }
    struct op op = {.kind = OP_BATCH_NORM};
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    return lower_emit1(c, &op, in, 5, &x);
}

static enum cq_err lower_instance_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    if (lower_in(c, 0) < 0 || x.rank < 3 || !is_vector(c, 1, x.dim[1]) || !is_vector(c, 2, x.dim[1]))
        return lower_fail(c, "needs an input and one scale and bias per channel");
    struct op op = {.kind = OP_INSTANCE_NORM};
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, 3, &x);
}

static enum cq_err lower_layer_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    struct op op = {.kind = OP_LAYER_NORM};
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0)
        return lower_fail(c, "needs input and scale");
    if (lower_has_output(c, 1) || lower_has_output(c, 2))
        return lower_fail(c, "its mean and deviation as outputs are not supported");
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", -1), x.rank, &op.u.norm.axis);
    if (err)
        return err;
    struct tensor_desc tail = {.type = x.type, .rank = x.rank - op.u.norm.axis};
    for (int i = 0; i < tail.rank; i++)
        tail.dim[i] = x.dim[op.u.norm.axis + i];
    for (int i = 1; i < 3; i++) {
        struct tensor_desc d = lower_desc(c, i);
        if (d.type != DT_NONE && tensor_elems(&d) != tensor_elems(&tail))
            return lower_fail(c, "scale and bias do not have the size of what is normalised");
    }
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, lower_in(c, 2) < 0 ? 2 : 3, &x);
}

static enum cq_err lower_lrn(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    int in = lower_in(c, 0);
    int64_t size = node_int(c->node, "size", 0);
    if (in < 0 || x.rank < 3 || size < 1 || size > INT32_MAX)
        return lower_fail(c, "needs an input with channels and a size");
    struct op op = {.kind = OP_LRN};
    op.u.norm.alpha = node_float(c->node, "alpha", 1e-4f);
    op.u.norm.beta = node_float(c->node, "beta", 0.75f);
    op.u.norm.bias = node_float(c->node, "bias", 1);
    op.u.norm.size = (int) size;
    return lower_emit1(c, &op, &in, 1, &x);
}

/* x / ||x|| along one axis. */
static enum cq_err lower_lp_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    int64_t p = node_int(c->node, "p", 2);
    int in = lower_in(c, 0), norm, axis;
    if (in < 0 || (p != 1 && p != 2))
        return lower_fail(c, "needs an input and p = 1 or 2");
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", -1), x.rank, &axis);
    if (err)
        return err;
    struct op reduce = {.kind = OP_REDUCE};
    reduce.u.reduce.fn = p == 1 ? RED_L1 : RED_L2;
    reduce.u.reduce.axes = 1u << axis;
    reduce.u.reduce.keepdims = true;
    y.dim[axis] = 1;
    err = lower_emit(c, &reduce, &in, 1, &y, 1, &norm);
    struct op divide = {.kind = OP_BINARY, .u.binary = BIN_DIV};
    return err ? err : lower_emit1(c, &divide, (int[]){in, norm}, 2, &x);
}

const struct lower_op lower_ops_norm[] = {
    {"BatchNormalization", lower_batch_norm, 0},
    {"InstanceNormalization", lower_instance_norm, 0},
    {"LayerNormalization", lower_layer_norm, 0},
    {"LRN", lower_lrn, 0},
    {"LpNormalization", lower_lp_norm, 0},
    {0},
};
