/* What ONNX Runtime's optimiser writes in place of several operators: of the domain com.microsoft, and one of ONNX's own
 * domain that ONNX does not have. They are taken apart again; the engine's passes fuse in their own way.
 */
#include <math.h>
#include <string.h>

#include "stages/infer/build.h"

/* ---- activations ---- */

struct fused_act {
    const char *name;
    enum unary fn;
    float a, b;              /* where the node does not say */
};

static int unary_with(struct build *b, enum unary fn, float p, float q, int x)
{
    struct tensor_desc y = build_desc(b, x);
    return build_step(b, &(struct op){.kind = OP_UNARY, .act_a = p, .act_b = q, .u.unary = fn}, &x, 1, &y);
}

/* Parameters stand in one list in a FusedConv, in attributes of their own in a FusedGemm. */
static void read_parameters(const struct node *n, float *p, float *q)
{
    const struct attr *list = node_attr(n, "activation_params");
    if (list && list->n > 0)
        *p = list->floats[0];
    if (list && list->n > 1)
        *q = list->floats[1];
    *p = node_float(n, "activation_alpha", *p);
    *q = node_float(n, "activation_beta", *q);
}

static int activated(struct build *b, int x)
{
    static const struct fused_act known[] = {
        {"Relu", UN_RELU, 0, 0},           {"Sigmoid", UN_SIGMOID, 0, 0},       {"Tanh", UN_TANH, 0, 0},
        {"LeakyRelu", UN_LEAKY, 0.01f, 0}, {"Clip", UN_CLIP, -INFINITY, INFINITY}, {"Elu", UN_ELU, 1, 0},
        {"HardSigmoid", UN_HARD_SIGMOID, 0.2f, 0.5f}, {"Softplus", UN_SOFTPLUS, 0, 0},
        {"Softsign", UN_SOFTSIGN, 0, 0},   {"ThresholdedRelu", UN_THRESHOLDED_RELU, 1, 0},
    };
    const char *name = node_string(b->c->node, "activation", "");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        float p = known[i].a, q = known[i].b;
        read_parameters(b->c->node, &p, &q);
        if (!strcmp(known[i].name, name))
            return unary_with(b, known[i].fn, p, q, x);
    }
    if (*name && !b->err)
        b->err = lower_fail(b->c, "its activation %s is not supported", name);
    return x;
}

/* ---- convolution and products ---- */

/* What the operator without an activation bound to the node's output, to be replaced by what follows it. */
static int bound(struct build *b)
{
    if (!b->err && !lower_has_output(b->c, 0))
        b->err = lower_fail(b->c, "has no output");
    return b->err ? -1 : b->c->tensor_of[b->c->node->out[0]];
}

/* A fourth input is added before the activation. */
static enum cq_err lower_fused_conv(struct lower *c)
{
    struct build b = {c, lower_conv(c)};
    int y = bound(&b), sum = lower_in(c, 3);
    struct tensor_desc dy = build_desc(&b, y), ds = build_desc(&b, sum);
    if (!b.err && sum >= 0 && !tensor_same_shape(&ds, &dy))
        return lower_fail(c, "its fourth input does not have the shape of its result");
    return build_bind(&b, 0, activated(&b, sum < 0 ? y : build_binary(&b, BIN_ADD, y, sum)));
}

static enum cq_err lower_fused_gemm(struct lower *c)
{
    struct build b = {c, lower_gemm(c)};
    return build_bind(&b, 0, activated(&b, bound(&b)));
}

/* transBatch moves the first dimension behind the batches, trans then exchanges the last two. */
static int turned(struct build *b, int x, const char *trans, const char *trans_batch)
{
    struct tensor_desc d = build_desc(b, x);
    int perm[TENSOR_MAX_RANK], last = d.rank - 1;
    bool batch = node_int(b->c->node, trans_batch, 0) && d.rank > 2;
    for (int i = 0; i < d.rank; i++)
        perm[i] = batch && i < last ? (i + 1) % last : i;
    if (d.rank > 1 && node_int(b->c->node, trans, 0)) {
        int before = perm[last];
        perm[last] = perm[last - 1];
        perm[last - 1] = before;
    }
    return build_transpose(b, x, perm);
}

static int scaled(struct build *b, int x, float by)
{
    return by == 1 ? x : build_binary(b, BIN_MUL, x, build_scalar(b, DT_F32, (double) by));
}

static enum cq_err lower_fused_matmul(struct lower *c)
{
    struct build b = {c};
    int out = -1, in[] = {
        turned(&b, build_in(&b, 0), "transA", "transBatchA"), turned(&b, build_in(&b, 1), "transB", "transBatchB"),
    };
    if (!b.err)
        b.err = lower_make_matmul(c, &(struct op){.kind = OP_MATMUL}, in, 2, build_desc(&b, in[0]).type, &out);
    return build_bind(&b, 0, activated(&b, scaled(&b, out, node_float(c->node, "alpha", 1))));
}

/* ---- Gelu and its kin ---- */

static int with_bias(struct build *b, int x, int input)
{
    return lower_in(b->c, input) < 0 ? x : build_binary(b, BIN_ADD, x, lower_in(b->c, input));
}

static enum cq_err lower_bias_gelu(struct lower *c)
{
    struct build b = {c};
    return build_bind(&b, 0, build_unary(&b, (enum unary) c->variant, with_bias(&b, build_in(&b, 0), 1)));
}

/* x*sigmoid(alpha*x) */
static enum cq_err lower_quick_gelu(struct lower *c)
{
    struct build b = {c};
    float alpha = node_float(c->node, "alpha", 1.702f);
    int x = build_in(&b, 0);
    if (alpha == 1)
        return build_bind(&b, 0, build_unary(&b, UN_SILU, x));
    return build_bind(&b, 0, build_binary(&b, BIN_MUL, x, build_unary(&b, UN_SIGMOID, scaled(&b, x, alpha))));
}

/* The first half of the last dimension, times Gelu of the second. */
static enum cq_err lower_bias_split_gelu(struct lower *c)
{
    struct build b = {c};
    int x = with_bias(&b, build_in(&b, 0), 1);
    struct tensor_desc d = build_desc(&b, x);
    if (!b.err && (d.rank < 1 || d.dim[d.rank - 1] % 2))
        return lower_fail(c, "needs an even last dimension");
    if (b.err)
        return b.err;
    int64_t half = d.dim[d.rank - 1] / 2;
    int left = build_slice(&b, x, d.rank - 1, 0, 1, half), right = build_slice(&b, x, d.rank - 1, half, 1, half);
    return build_bind(&b, 0, build_binary(&b, BIN_MUL, left, build_unary(&b, UN_GELU, right)));
}

/* x + bias [C] + skip */
static enum cq_err lower_bias_add(struct lower *c)
{
    struct build b = {c};
    int sum = build_binary(&b, BIN_ADD, build_in(&b, 0), build_in(&b, 1));
    return build_bind(&b, 0, build_binary(&b, BIN_ADD, sum, build_in(&b, 2)));
}

/* ---- normalisations ---- */

static bool fits_axis(const struct build *b, int t, const struct tensor_desc *x, int axis)
{
    struct tensor_desc d = build_desc(b, t), tail = {.rank = x->rank - axis};
    for (int i = 0; i < tail.rank; i++)
        tail.dim[i] = x->dim[axis + i];
    return t < 0 || tensor_elems(&d) == tensor_elems(&tail);
}

/* x/sqrt(mean of x*x + epsilon)*scale, over the dimensions from `axis` on; *inverse: what x is multiplied by. */
static int rms_norm(struct build *b, int x, int scale, int axis, float epsilon, int *inverse)
{
    struct tensor_desc d = build_desc(b, x);
    uint32_t axes = ((1u << d.rank) - 1) & ~((1u << axis) - 1);
    int square = build_reduce(b, RED_MEAN, build_binary(b, BIN_MUL, x, x), axes, true);
    square = build_binary(b, BIN_ADD, square, build_scalar(b, d.type, (double) epsilon));
    *inverse = build_unary(b, UN_RECIPROCAL, build_unary(b, UN_SQRT, square));
    if (!b->err && !fits_axis(b, scale, &d, axis))
        b->err = lower_fail(b->c, "its scale does not have the size of what is normalised");
    return build_binary(b, BIN_MUL, build_binary(b, BIN_MUL, x, *inverse), scale);
}

static enum cq_err lower_rms_norm(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0), axis = 0, inverse;
    if (!b.err)
        b.err = lower_axis(c, node_int(c->node, "axis", -1), build_desc(&b, x).rank, &axis);
    build_bind(&b, 0, rms_norm(&b, x, build_in(&b, 1), axis, node_float(c->node, "epsilon", 1e-5f), &inverse));
    return build_bind(&b, 1, inverse);
}

static int layer_norm(struct build *b, int x, int scale, int bias, float epsilon)
{
    struct tensor_desc d = build_desc(b, x);
    struct op op = {.kind = OP_LAYER_NORM, .u.norm = {.epsilon = epsilon, .axis = d.rank - 1}};
    if (!b->err && (!fits_axis(b, scale, &d, d.rank - 1) || !fits_axis(b, bias, &d, d.rank - 1)))
        b->err = lower_fail(b->c, "its scale or bias does not have the size of what is normalised");
    return build_step(b, &op, (int[]){x, scale, bias}, bias < 0 ? 2 : 3, &d);
}

/* input, skip, gamma, beta (without it where simplified), bias: the norm of input + skip + bias, which is the fourth
 * output. The second and third were for training, and ONNX Runtime does not fill them either. */
static enum cq_err lower_skip_norm(struct lower *c)
{
    struct build b = {c};
    bool simplified = c->variant;
    int x = build_in(&b, 0), inverse;
    struct tensor_desc before = build_desc(&b, x);
    int sum = with_bias(&b, build_binary(&b, BIN_ADD, x, build_in(&b, 1)), simplified ? 3 : 4);
    struct tensor_desc d = build_desc(&b, sum);
    if (b.err)
        return b.err;
    if (d.rank < 1 || !tensor_same_shape(&d, &before))
        return lower_fail(c, "its skip or bias does not fit its input");
    float epsilon = node_float(c->node, "epsilon", 1e-12f);
    int y = simplified ? rms_norm(&b, sum, build_in(&b, 2), d.rank - 1, epsilon, &inverse)
                       : layer_norm(&b, sum, build_in(&b, 2), lower_in(c, 3), epsilon);
    build_bind(&b, 0, y);
    return build_bind(&b, 3, sum);
}

#define ORT "com.microsoft"

const struct lower_op lower_ops_fused[] = {
    {"FusedConv", lower_fused_conv, 0, ORT},
    {"FusedGemm", lower_fused_gemm, 0, ORT},
    {"FusedMatMul", lower_fused_matmul, 0, ORT},
    {"TransposeMatMul", lower_fused_matmul, 0, ORT},
    {"FusedMatMulActivation", lower_fused_matmul, 0, ORT},
    {"BiasGelu", lower_bias_gelu, UN_GELU, ORT},
    {"Gelu", lower_bias_gelu, UN_GELU, ORT},
    {"FastGelu", lower_bias_gelu, UN_GELU_TANH, ORT},
    {"QuickGelu", lower_quick_gelu, 0, ORT},
    {"BiasSplitGelu", lower_bias_split_gelu, 0, ORT},
    {"BiasAdd", lower_bias_add, 0, ORT},
    {"SkipLayerNormalization", lower_skip_norm, 0, ORT},
    {"SkipSimplifiedLayerNormalization", lower_skip_norm, 1, ORT},
    {"SimplifiedLayerNormalization", lower_rms_norm, 0},
    {0},
};
