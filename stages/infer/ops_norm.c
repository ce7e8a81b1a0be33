/* Normalisations. */
#include <float.h>

#include "stages/infer/build.h"

static bool is_vector(const struct lower *c, int i, int64_t n)
{
    struct tensor_desc d = lower_desc(c, i);
    return d.type != DT_NONE && d.rank == 1 && d.dim[0] == n;
}

/* ---- BatchNormalization ---- */

/* What follows x among its inputs. */
enum { BN_SCALE = 1, BN_BIAS, BN_MEAN, BN_VAR, BN_INPUTS };

/* A value per channel so that it meets x's channels. With spatial = 0 (opset 7) there is one per element of an
 * image, which meets x as it is. */
static int along_channels(struct build *b, int t, const struct tensor_desc *x)
{
    int64_t dim[TENSOR_MAX_RANK] = {x->dim[1]};
    for (int i = 1; i < x->rank; i++)
        dim[i] = 1;
    return build_desc(b, t).rank == 1 ? build_view(b, t, x->rank - 1, dim) : t;
}

/* (x - mean) * scale/sqrt(var + epsilon) + bias */
static int normalised(struct build *b, const int in[BN_INPUTS])
{
    struct tensor_desc x = build_desc(b, in[0]);
    int epsilon = build_scalar(b, x.type, node_float(b->c->node, "epsilon", 1e-5f));
    int deviation = build_unary(b, UN_SQRT, build_binary(b, BIN_ADD, in[BN_VAR], epsilon));
    int factor = along_channels(b, build_binary(b, BIN_DIV, in[BN_SCALE], deviation), &x);
    int centred = build_binary(b, BIN_SUB, in[0], along_channels(b, in[BN_MEAN], &x));
    return build_binary(b, BIN_ADD, build_binary(b, BIN_MUL, centred, factor), along_channels(b, in[BN_BIAS], &x));
}

/* old*momentum + now*(1 - momentum) */
static int running(struct build *b, int old, int now)
{
    enum dtype type = build_desc(b, old).type;
    double momentum = node_float(b->c->node, "momentum", 0.9f);
    old = build_binary(b, BIN_MUL, old, build_scalar(b, type, momentum));
    return build_binary(b, BIN_ADD, old, build_binary(b, BIN_MUL, now, build_scalar(b, type, 1 - momentum)));
}

/* Statistics of the batch itself, and what they make of the given ones. */
static enum cq_err lower_training_norm(struct lower *c, int in[BN_INPUTS])
{
    struct build b = {c};
    struct tensor_desc x = lower_desc(c, 0);
    uint32_t axes = ((1u << x.rank) - 1) & ~2u;
    int mean = build_reduce(&b, RED_MEAN, in[0], axes, false);
    int centred = build_binary(&b, BIN_SUB, in[0], along_channels(&b, mean, &x));
    int var = build_reduce(&b, RED_MEAN, build_binary(&b, BIN_MUL, centred, centred), axes, false);
    enum cq_err err = build_bind(&b, 1, running(&b, in[BN_MEAN], mean));
    if (!err)
        err = build_bind(&b, 2, running(&b, in[BN_VAR], var));
    in[BN_MEAN] = mean;
    in[BN_VAR] = var;
    return err ? err : build_bind(&b, 0, normalised(&b, in));
}

/* Parameters that are known become one scale and shift at load (OP_BATCH_NORM). */
static enum cq_err lower_batch_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), image = x;
    struct build b = {c};
    int in[BN_INPUTS] = {lower_in(c, 0)};
    bool spatial = node_int(c->node, "spatial", 1), known = spatial;
    if (in[0] < 0 || x.rank < 2)
        return lower_fail(c, "needs an input with channels");
    image.rank--;
    for (int i = 0; i < image.rank; i++)
        image.dim[i] = x.dim[1 + i];
    for (int i = 1; i < BN_INPUTS; i++) {
        struct tensor_desc d = lower_desc(c, i);
        in[i] = lower_in(c, i);
        known = known && lower_data(c, i);
        if (in[i] < 0 || (spatial ? !is_vector(c, i, x.dim[1]) : !tensor_same_shape(&d, &image)))
            return lower_fail(c, "its parameters do not have one value per %s", spatial ? "channel" : "element");
    }
    if (node_int(c->node, "training_mode", 0))
        return lower_training_norm(c, in);
    struct op op = {.kind = OP_BATCH_NORM};
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    return known ? lower_emit1(c, &op, in, BN_INPUTS, &x) : build_bind(&b, 0, normalised(&b, in));
}

/* ---- others ---- */

static enum cq_err lower_instance_norm(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    if (lower_in(c, 0) < 0 || x.rank < 3 || !is_vector(c, 1, x.dim[1]) || !is_vector(c, 2, x.dim[1]))
        return lower_fail(c, "needs an input and one scale and bias per channel");
    struct op op = {.kind = OP_INSTANCE_NORM};
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, 3, &x);
}

/* The mean, and one over the deviation, of the dimensions from the axis on; where they are asked for. */
static enum cq_err bind_statistics(struct lower *c, int first, float epsilon)
{
    struct build b = {c};
    if (!lower_has_output(c, 1) && !lower_has_output(c, 2))
        return CQ_OK;
    int x = build_in(&b, 0);
    struct tensor_desc d = build_desc(&b, x);
    uint32_t axes = ((1u << d.rank) - 1) & ~((1u << first) - 1);
    int mean = build_reduce(&b, RED_MEAN, x, axes, true), centred = build_binary(&b, BIN_SUB, x, mean);
    int variance = build_reduce(&b, RED_MEAN, build_binary(&b, BIN_MUL, centred, centred), axes, true);
    variance = build_binary(&b, BIN_ADD, variance, build_scalar(&b, d.type, (double) epsilon));
    build_bind(&b, 1, mean);
    return build_bind(&b, 2, build_unary(&b, UN_RECIPROCAL, build_unary(&b, UN_SQRT, variance)));
}

/* A scale or bias in the shape of what is normalised, of which it may have fewer dimensions. */
static int as_tail(struct build *b, int i, const struct tensor_desc *tail)
{
    struct tensor_desc d = lower_desc(b->c, i), fits;
    if (d.type == DT_NONE || b->err)
        return -1;
    if (tensor_elems(&d) == tensor_elems(tail))
        return build_view(b, lower_in(b->c, i), tail->rank, tail->dim);
    if (!broadcast(&d, tail, &fits) || !tensor_same_shape(&fits, tail)) {
        b->err = lower_fail(b->c, "scale and bias do not have the size of what is normalised");
        return -1;
    }
    return build_expand(b, lower_in(b->c, i), tail->rank, tail->dim);
}

static enum cq_err lower_layer_norm(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc x = lower_desc(c, 0);
    struct op op = {.kind = OP_LAYER_NORM};
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0)
        return lower_fail(c, "needs input and scale");
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", -1), x.rank, &op.u.norm.axis);
    if (err)
        return err;
    struct tensor_desc tail = {.type = x.type, .rank = x.rank - op.u.norm.axis};
    for (int i = 0; i < tail.rank; i++)
        tail.dim[i] = x.dim[op.u.norm.axis + i];
    op.u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f);
    int in[3] = {lower_in(c, 0), as_tail(&b, 1, &tail), as_tail(&b, 2, &tail)};
    err = build_bind(&b, 0, build_step(&b, &op, in, in[2] < 0 ? 2 : 3, &x));
    return err ? err : bind_statistics(c, op.u.norm.axis, op.u.norm.epsilon);
}

/* One mean and deviation for each group of channels. Scale and bias are per group in opset 18, per channel later. */
static enum cq_err lower_group_norm(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc x = lower_desc(c, 0);
    int64_t groups = node_int(c->node, "num_groups", 0), elems = tensor_elems(&x);
    bool per_group = c->opset < 21;
    if (x.rank < 2 || groups < 1 || x.dim[1] % groups || elems < 1)
        return lower_fail(c, "needs an input whose channels divide into its groups");
    int64_t parameters = per_group ? groups : x.dim[1];
    if (!is_vector(c, 1, parameters) || !is_vector(c, 2, parameters))
        return lower_fail(c, "does not have %lld values of scale and bias", (long long) parameters);
    int64_t grouped[] = {x.dim[0], groups, elems / x.dim[0] / groups}, channels[TENSOR_MAX_RANK] = {x.dim[1]};
    int in[3] = {build_view(&b, build_in(&b, 0), 3, grouped), build_in(&b, 1), build_in(&b, 2)};
    if (!per_group)
        for (int i = 1; i < 3; i++)
            in[i] = build_expand(&b, build_scalar(&b, x.type, i == 1), 1, &groups);
    struct tensor_desc flat = build_desc(&b, in[0]);
    struct op op = {.kind = OP_INSTANCE_NORM, .u.norm.epsilon = node_float(c->node, "epsilon", 1e-5f)};
    int y = build_view(&b, build_step(&b, &op, in, 3, &flat), x.rank, x.dim);
    for (int i = 1; i < x.rank; i++)
        channels[i] = 1;
    if (!per_group) {
        y = build_binary(&b, BIN_MUL, y, build_view(&b, build_in(&b, 1), x.rank - 1, channels));
        y = build_binary(&b, BIN_ADD, y, build_view(&b, build_in(&b, 2), x.rank - 1, channels));
    }
    return build_bind(&b, 0, y);
}

/* (x - mean) / (deviation + 1e-9) over the axes. */
static enum cq_err lower_mean_variance_norm(struct lower *c)
{
    static const int64_t usual[] = {0, 2, 3};
    struct build b = {c};
    int x = build_in(&b, 0), count, axis;
    const int64_t *axes = node_ints(c->node, "axes", &count);
    uint32_t mask = 0;
    for (int i = 0; i < (axes ? count : 3) && !b.err; i++) {
        b.err = lower_axis(c, axes ? axes[i] : usual[i], build_desc(&b, x).rank, &axis);
        mask |= b.err ? 0 : 1u << axis;
    }
    enum dtype type = build_desc(&b, x).type;
    int centred = build_binary(&b, BIN_SUB, x, build_reduce(&b, RED_MEAN, x, mask, true));
    int variance = build_reduce(&b, RED_MEAN, build_binary(&b, BIN_MUL, centred, centred), mask, true);
    int deviation = build_binary(&b, BIN_ADD, build_unary(&b, UN_SQRT, variance), build_scalar(&b, type, 1e-9));
    return build_bind(&b, 0, build_binary(&b, BIN_DIV, centred, deviation));
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

/* x / ||x|| along one axis; what has no length stays 0. */
static enum cq_err lower_lp_norm(struct lower *c)
{
    struct build b = {c};
    int64_t p = node_int(c->node, "p", 2);
    int x = build_in(&b, 0), axis;
    struct tensor_desc d = build_desc(&b, x);
    if (!b.err && p != 1 && p != 2)
        return lower_fail(c, "needs p = 1 or 2");
    if (!b.err)
        b.err = lower_axis(c, node_int(c->node, "axis", -1), d.rank, &axis);
    if (b.err)
        return b.err;
    int norm = build_reduce(&b, p == 1 ? RED_L1 : RED_L2, x, 1u << axis, true);
    norm = build_binary(&b, BIN_MAX, norm, build_scalar(&b, d.type, (double) FLT_MIN));
    return build_bind(&b, 0, build_binary(&b, BIN_DIV, x, norm));
}

const struct lower_op lower_ops_norm[] = {
    {"BatchNormalization", lower_batch_norm, 0},
    {"InstanceNormalization", lower_instance_norm, 0},
    {"LayerNormalization", lower_layer_norm, 0},
    {"GroupNormalization", lower_group_norm, 0},
    {"MeanVarianceNormalization", lower_mean_variance_norm, 0},
    {"LRN", lower_lrn, 0},
    {"LpNormalization", lower_lp_norm, 0},
    {0},
};
