/* Quantised operators of ONNX Runtime (com.microsoft), as their definition says: integers to floats, the operator,
 * and back. ONNX Runtime computes some of them in one go, which may differ by one step of the result.
 */
#include "stages/infer/ops_quant.h"
#include "stages/infer/window.h"

#define ORT "com.microsoft"

/* The tensor at input i, whose scale and zero point follow, as floats. */
static int real_input(struct build *b, int i)
{
    struct quantised q = {.t = build_in(b, i), .scale = build_in(b, i + 1), .zero = lower_in(b->c, i + 2)};
    return build_dequantize(b, &q);
}

/* Back to integers with the scale at input i and the zero point behind it. */
static enum cq_err bind_integer(struct build *b, int x, int i)
{
    struct quantised q = {.t = x, .scale = build_in(b, i), .zero = lower_in(b->c, i + 1)};
    enum dtype zero = build_desc(b, q.zero).type;
    return build_bind(b, 0, build_quantize(b, &q, zero != DT_NONE ? zero : DT_U8));
}

static enum cq_err lower_two(struct lower *c)
{
    struct build b = {c};
    int x = real_input(&b, 0), y = real_input(&b, 3);
    return bind_integer(&b, build_binary(&b, (enum binary) c->variant, x, y), 6);
}

static enum cq_err lower_activation(struct lower *c)
{
    struct build b = {c};
    int x = real_input(&b, 0);
    struct tensor_desc d = build_desc(&b, x);
    struct op op = {.kind = OP_UNARY, .act_a = node_float(c->node, "alpha", 0.01f), .u.unary = (enum unary) c->variant};
    return bind_integer(&b, build_step(&b, &op, &x, 1, &d), 3);
}

/* Condition, then both choices. */
static enum cq_err lower_choice(struct lower *c)
{
    struct build b = {c};
    int cond = build_in(&b, 0), x = real_input(&b, 1);
    return bind_integer(&b, build_where(&b, cond, x, real_input(&b, 4)), 7);
}

static enum cq_err lower_qsoftmax(struct lower *c)
{
    struct build b = {c};
    int x = real_input(&b, 0), axis = 0;
    if (!b.err && node_int(c->node, "opset", 13) < 13)
        return lower_fail(c, "softmax as it was before opset 13 is not supported: take the model as exported");
    if (!b.err)
        b.err = lower_axis(c, node_int(c->node, "axis", -1), build_desc(&b, x).rank, &axis);
    return bind_integer(&b, build_softmax(&b, x, axis, false), 3);
}

static enum cq_err lower_qpool(struct lower *c)
{
    struct build b = {c};
    int x = real_input(&b, 0);
    struct tensor_desc d = build_desc(&b, x), y = {0};
    struct op op = {.kind = OP_POOL_AVG};
    if (!b.err && node_int(c->node, "channels_last", 0))
        return lower_fail(c, "channels_last is not supported: take the model as exported");
    if (!b.err)
        b.err = window_read(c, d.rank, &op.u.conv);
    op.u.conv.count_include_pad = node_int(c->node, "count_include_pad", 0);
    for (int i = 0; i < op.u.conv.spatial && c->variant; i++)
        op.u.conv.kernel[i] = d.dim[2 + i] <= INT32_MAX / 4 ? (int) d.dim[2 + i] : 0;
    if (!b.err && !c->variant)
        b.err = window_ints(c, "kernel_shape", op.u.conv.spatial, 0, op.u.conv.kernel);
    if (!b.err)
        b.err = window_shape(c, &op.u.conv, &d, d.dim[1], &y);
    return bind_integer(&b, build_step(&b, &op, &x, 1, &y), 3);
}

/* The result's scale and zero point, then each part with its own. */
static enum cq_err lower_qconcat(struct lower *c)
{
    struct build b = {c};
    struct op op = {.kind = OP_CONCAT};
    int in[OP_MAX_INPUTS], n = (c->node->n_in - 2) / 3;
    if (n < 1 || n > OP_MAX_INPUTS || c->node->n_in != 2 + 3 * n)
        return lower_fail(c, "needs 1 to %d parts, each with scale and zero point", OP_MAX_INPUTS);
    struct tensor_desc y = {0};
    for (int i = 0; i < n; i++) {
        in[i] = real_input(&b, 2 + 3 * i);
        struct tensor_desc d = build_desc(&b, in[i]);
        if (!b.err && i == 0) {
            y = d;
            b.err = lower_axis(c, node_int(c->node, "axis", 0), y.rank, &op.u.axis.axis);
            y.dim[op.u.axis.axis] = 0;
        }
        int64_t length = y.dim[op.u.axis.axis], added = d.dim[op.u.axis.axis];
        y.dim[op.u.axis.axis] = added;
        if (!b.err && (!tensor_same_shape(&y, &d) || __builtin_add_overflow(length, added, &length)))
            return lower_fail(c, "its parts do not fit together");
        y.dim[op.u.axis.axis] = length;
    }
    return bind_integer(&b, build_step(&b, &op, in, n, &y), 0);
}

/* ---- products ---- */

/* a, b, scales, zero points?, bias (float)?: floats from a product of integers. */
static int real_product(struct build *b, int x, int w, int x_scale, int w_scale, int x_zero, int w_zero, int bias)
{
    int in[SUM_INPUTS] = {
        [SUM_X] = x, [SUM_W] = w, [SUM_X_ZERO] = x_zero, [SUM_W_ZERO] = w_zero, [SUM_BIAS] = -1,
        [SUM_SCALE] = build_multiplier(b, x_scale, w_scale, -1), [SUM_Y_ZERO] = -1,
    };
    int y = build_matmul_int(b, in, DT_F32);
    return bias < 0 ? y : build_binary(b, BIN_ADD, y, bias);
}

static enum cq_err lower_integer_to_float(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0), w = build_in(&b, 1), x_scale = build_in(&b, 2), w_scale = build_in(&b, 3);
    return build_bind(&b, 0, real_product(&b, x, w, x_scale, w_scale, lower_in(c, 4), lower_in(c, 5), lower_in(c, 6)));
}

/* a (float), b, its scale, zero point?, bias? */
static enum cq_err lower_dynamic_matmul(struct lower *c)
{
    struct build b = {c};
    struct quantised x = build_dynamic(&b, build_in(&b, 0));
    int w = build_in(&b, 1), w_scale = build_in(&b, 2);
    return build_bind(&b, 0, real_product(&b, x.t, w, x.scale, w_scale, x.zero, lower_in(c, 3), lower_in(c, 4)));
}

const struct lower_op lower_ops_qlinear[] = {
    {"QLinearAdd", lower_two, BIN_ADD, ORT},
    {"QLinearMul", lower_two, BIN_MUL, ORT},
    {"QLinearSigmoid", lower_activation, UN_SIGMOID, ORT},
    {"QLinearLeakyRelu", lower_activation, UN_LEAKY, ORT},
    {"QLinearWhere", lower_choice, 0, ORT},
    {"QLinearSoftmax", lower_qsoftmax, 0, ORT},
    {"QLinearAveragePool", lower_qpool, 0, ORT},
    {"QLinearGlobalAveragePool", lower_qpool, 1, ORT},
    {"QLinearConcat", lower_qconcat, 0, ORT},
    {"MatMulIntegerToFloat", lower_integer_to_float, 0, ORT},
    {"DynamicQuantizeMatMul", lower_dynamic_matmul, 0, ORT},
    {0},
};
