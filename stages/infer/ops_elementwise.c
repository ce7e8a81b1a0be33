/* Operators that work on one element at a time: arithmetic with broadcasting, activations, comparisons. */
#include <math.h>
#include <string.h>

#include "stages/infer/build.h"
#include "stages/infer/onnx.h"

/* ---- two operands ---- */

static bool is_compare(enum binary b)
{
    return b >= BIN_EQUAL && b <= BIN_GREATER_EQUAL;
}

/* Before opset 7 the second operand was laid along `axis` of the first when broadcast = 1. */
static enum cq_err old_broadcast(struct lower *c, const struct tensor_desc *a, int *b)
{
    struct tensor_desc d = c->net->tensors[*b].desc;
    if (c->opset >= 7 || !node_int(c->node, "broadcast", 0) || !node_attr(c->node, "axis"))
        return CQ_OK;
    int axis;
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", 0), a->rank, &axis);
    if (err)
        return err;
    if (axis + d.rank > a->rank)
        return lower_fail(c, "broadcast axis %d does not fit", axis);
    while (d.rank < a->rank - axis)
        d.dim[d.rank++] = 1;
    return lower_view(c, *b, &d, b);
}

enum cq_err lower_make_binary(struct lower *c, enum binary fn, int a, int b, int *out)
{
    struct tensor_desc y;
    const struct tensor_desc *da = &c->net->tensors[a].desc, *db = &c->net->tensors[b].desc;
    if (!broadcast(da, db, &y)) {
        char ta[TENSOR_TEXT_SIZE], tb[TENSOR_TEXT_SIZE];
        return lower_fail(c, "%s and %s do not broadcast", tensor_text(da, ta), tensor_text(db, tb));
    }
    if (is_compare(fn))
        y.type = DT_BOOL;
    struct op op = {.kind = OP_BINARY, .u.binary = fn};
    return lower_emit(c, &op, (int[]){a, b}, 2, &y, 1, out);
}

static enum cq_err lower_binary(struct lower *c)
{
    int a = lower_in(c, 0), b = lower_in(c, 1), y;
    if (a < 0 || b < 0)
        return lower_fail(c, "needs two inputs");
    struct tensor_desc da = lower_desc(c, 0);
    enum cq_err err = old_broadcast(c, &da, &b);
    if (!err)
        err = lower_make_binary(c, (enum binary) c->variant, a, b, &y);
    if (!err)
        lower_bind(c, 0, y);
    return err;
}

static bool is_integer(enum dtype type)
{
    return type >= DT_U8 && type <= DT_U64;
}

/* Of integers, the logical functions of two numbers work bit by bit. */
static enum cq_err lower_bitwise(struct lower *c)
{
    if (!is_integer(lower_desc(c, 0).type) || !is_integer(lower_desc(c, 1).type))
        return lower_fail(c, "needs two integers");
    return lower_binary(c);
}

static enum cq_err lower_bitwise_not(struct lower *c)
{
    struct build b = {c};
    enum dtype type = lower_desc(c, 0).type;
    if (!is_integer(type))
        return lower_fail(c, "needs an integer");
    return build_bind(&b, 0, build_binary(&b, BIN_XOR, build_in(&b, 0), build_scalar(&b, type, -1)));
}

static enum cq_err lower_mod(struct lower *c)
{
    c->variant = node_int(c->node, "fmod", 0) ? BIN_FMOD : BIN_MOD;
    return lower_binary(c);
}

static enum cq_err lower_bit_shift(struct lower *c)
{
    c->variant = strcmp(node_string(c->node, "direction", "LEFT"), "LEFT") ? BIN_SHIFT_RIGHT : BIN_SHIFT_LEFT;
    return lower_binary(c);
}

/* Sum, Max, Min, Mean over any number of inputs: a chain of two-operand steps. */
static enum cq_err lower_variadic(struct lower *c)
{
    int y = lower_in(c, 0);
    if (y < 0)
        return lower_fail(c, "needs an input");
    for (int i = 1; i < c->node->n_in; i++) {
        if (lower_in(c, i) < 0)
            return lower_fail(c, "input %d is missing", i);
        enum cq_err err = lower_make_binary(c, (enum binary) c->variant, y, lower_in(c, i), &y);
        if (err)
            return err;
    }
    if (!strcmp(c->node->type, "Mean") && c->node->n_in > 1) {
        int n = lower_constant_float(c, (float) c->node->n_in);
        enum cq_err err = n < 0 ? CQ_NOMEM : lower_make_binary(c, BIN_DIV, y, n, &y);
        if (err)
            return err;
    }
    lower_bind(c, 0, y);
    return CQ_OK;
}

static enum cq_err lower_where(struct lower *c)
{
    struct tensor_desc cond = lower_desc(c, 0), a = lower_desc(c, 1), b = lower_desc(c, 2), y;
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || lower_in(c, 2) < 0)
        return lower_fail(c, "needs three inputs");
    if (cond.type != DT_BOOL || a.type != b.type)
        return lower_fail(c, "needs a condition that is true or false, and two inputs of one type");
    if (!broadcast(&a, &b, &y) || !broadcast(&y, &cond, &y))
        return lower_fail(c, "its inputs do not broadcast");
    return lower_emit1(c, &(struct op){.kind = OP_WHERE}, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, 3,
                       &y);
}

/* The slope of opset 6 may be one value per channel, without the dimensions behind it. */
static enum cq_err lower_prelu(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), slope = lower_desc(c, 1), y;
    int s = lower_in(c, 1);
    if (lower_in(c, 0) < 0 || s < 0)
        return lower_fail(c, "needs two inputs");
    if (slope.rank == 1 && x.rank > 2 && slope.dim[0] == x.dim[1] && slope.dim[0] != x.dim[x.rank - 1]) {
        while (slope.rank < x.rank - 1)
            slope.dim[slope.rank++] = 1;
        enum cq_err err = lower_view(c, s, &slope, &s);
        if (err)
            return err;
    }
    if (!broadcast(&x, &slope, &y) || !tensor_same_shape(&x, &y))
        return lower_fail(c, "its slope does not broadcast to its input");
    return lower_emit1(c, &(struct op){.kind = OP_PRELU}, (int[]){lower_in(c, 0), s}, 2, &y);
}

/* ---- one operand ---- */

enum cq_err lower_make_unary(struct lower *c, enum unary fn, float a, float b, int x, int *out)
{
    struct tensor_desc y = c->net->tensors[x].desc;
    if (fn == UN_NOT || fn == UN_ISNAN || fn == UN_ISINF)
        y.type = DT_BOOL;
    struct op op = {.kind = OP_UNARY, .act_a = a, .act_b = b, .u.unary = fn};
    return lower_emit(c, &op, &x, 1, &y, 1, out);
}

static enum cq_err emit_unary(struct lower *c, enum unary fn, float a, float b)
{
    int x = lower_in(c, 0);
    if (x < 0)
        return lower_fail(c, "has no input");
    enum cq_err err = lower_make_unary(c, fn, a, b, x, &x);
    if (!err)
        lower_bind(c, 0, x);
    return err;
}

static enum cq_err lower_unary(struct lower *c)
{
    return emit_unary(c, (enum unary) c->variant, 0, 0);
}

/* Activations with attributes: their names and defaults. */
static enum cq_err lower_parametric(struct lower *c)
{
    static const struct { enum unary fn; const char *a; float a_default; const char *b; float b_default; } table[] = {
        {UN_LEAKY, "alpha", 0.01f, "", 0},
        {UN_ELU, "alpha", 1, "", 0},
        {UN_SELU, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
        {UN_CELU, "alpha", 1, "", 0},
        {UN_HARD_SIGMOID, "alpha", 0.2f, "beta", 0.5f},
        {UN_THRESHOLDED_RELU, "alpha", 1, "", 0},
        {UN_SHRINK, "lambd", 0.5f, "bias", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].fn == (enum unary) c->variant)
            return emit_unary(c, table[i].fn, node_float(c->node, table[i].a, table[i].a_default),
                              node_float(c->node, table[i].b, table[i].b_default));
    return CQ_INTERNAL;
}

static enum cq_err lower_is_inf(struct lower *c)
{
    return emit_unary(c, UN_ISINF, (float) node_int(c->node, "detect_negative", 1),
                      (float) node_int(c->node, "detect_positive", 1));
}

static enum cq_err lower_gelu(struct lower *c)
{
    bool tanh_form = !strcmp(node_string(c->node, "approximate", "none"), "tanh");
    return emit_unary(c, tanh_form ? UN_GELU_TANH : UN_GELU, 0, 0);
}

/* Limits that are not known yet, or integers, which a float could not hold exactly. */
static enum cq_err clip_by_inputs(struct lower *c)
{
    int y = lower_in(c, 0);
    if (lower_in(c, 1) >= 0) {
        enum cq_err err = lower_make_binary(c, BIN_MAX, y, lower_in(c, 1), &y);
        if (err)
            return err;
    }
    if (lower_in(c, 2) >= 0) {
        enum cq_err err = lower_make_binary(c, BIN_MIN, y, lower_in(c, 2), &y);
        if (err)
            return err;
    }
    lower_bind(c, 0, y);
    return CQ_OK;
}

static enum cq_err lower_clip(struct lower *c)
{
    float low = node_float(c->node, "min", -INFINITY), high = node_float(c->node, "max", INFINITY);
    if (lower_in(c, 0) < 0)
        return lower_fail(c, "has no input");
    bool known = (lower_in(c, 1) < 0 || lower_const_float(c, 1, &low)) &&
                 (lower_in(c, 2) < 0 || lower_const_float(c, 2, &high));
    if (!known || lower_desc(c, 0).type != DT_F32)
        return clip_by_inputs(c);
    return emit_unary(c, UN_CLIP, low, high);
}

/* ---- types ---- */

enum cq_err lower_make_cast(struct lower *c, int x, enum dtype type, int *out)
{
    struct tensor_desc y = c->net->tensors[x].desc;
    *out = x;
    if (y.type == type)
        return CQ_OK;
    y.type = type;
    return lower_emit(c, &(struct op){.kind = OP_CAST}, &x, 1, &y, 1, out);
}

static enum cq_err cast_to(struct lower *c, enum dtype type)
{
    int x = lower_in(c, 0);
    if (x < 0 || type == DT_NONE)
        return lower_fail(c, "casts to a type that clipq does not have");
    /* half precision is computed as float32 */
    enum cq_err err = lower_make_cast(c, x, type == DT_F16 ? DT_F32 : type, &x);
    if (!err)
        lower_bind(c, 0, x);
    return err;
}

static enum cq_err lower_cast(struct lower *c)
{
    return cast_to(c, onnx_dtype((int) node_int(c->node, "to", 0)));
}

static enum cq_err lower_cast_like(struct lower *c)
{
    return cast_to(c, lower_desc(c, 1).type);
}

const struct lower_op lower_ops_elementwise[] = {
    {"Add", lower_binary, BIN_ADD},         {"Sub", lower_binary, BIN_SUB},
    {"Mul", lower_binary, BIN_MUL},         {"Div", lower_binary, BIN_DIV},
    {"Pow", lower_binary, BIN_POW},         {"Equal", lower_binary, BIN_EQUAL},
    {"Less", lower_binary, BIN_LESS},       {"LessOrEqual", lower_binary, BIN_LESS_EQUAL},
    {"Greater", lower_binary, BIN_GREATER}, {"GreaterOrEqual", lower_binary, BIN_GREATER_EQUAL},
    {"And", lower_binary, BIN_AND},         {"Or", lower_binary, BIN_OR},
    {"Xor", lower_binary, BIN_XOR},         {"Mod", lower_mod, 0},
    {"BitwiseAnd", lower_bitwise, BIN_AND}, {"BitwiseOr", lower_bitwise, BIN_OR},
    {"BitwiseXor", lower_bitwise, BIN_XOR}, {"BitwiseNot", lower_bitwise_not, 0},
    {"BitShift", lower_bit_shift, 0},       {"Sum", lower_variadic, BIN_ADD},
    {"Mean", lower_variadic, BIN_ADD},      {"Max", lower_variadic, BIN_MAX},
    {"Min", lower_variadic, BIN_MIN},       {"Where", lower_where, 0},
    {"PRelu", lower_prelu, 0},
    {"Abs", lower_unary, UN_ABS},           {"Neg", lower_unary, UN_NEG},
    {"Sign", lower_unary, UN_SIGN},         {"Exp", lower_unary, UN_EXP},
    {"Log", lower_unary, UN_LOG},           {"Sqrt", lower_unary, UN_SQRT},
    {"Reciprocal", lower_unary, UN_RECIPROCAL}, {"Floor", lower_unary, UN_FLOOR},
    {"Ceil", lower_unary, UN_CEIL},         {"Round", lower_unary, UN_ROUND},
    {"Erf", lower_unary, UN_ERF},           {"Sin", lower_unary, UN_SIN},
    {"Cos", lower_unary, UN_COS},           {"Tan", lower_unary, UN_TAN},
    {"Asin", lower_unary, UN_ASIN},         {"Acos", lower_unary, UN_ACOS},
    {"Atan", lower_unary, UN_ATAN},         {"Sinh", lower_unary, UN_SINH},
    {"Cosh", lower_unary, UN_COSH},         {"Asinh", lower_unary, UN_ASINH},
    {"Acosh", lower_unary, UN_ACOSH},       {"Atanh", lower_unary, UN_ATANH},
    {"Relu", lower_unary, UN_RELU},         {"Sigmoid", lower_unary, UN_SIGMOID},
    {"HardSwish", lower_unary, UN_HARD_SWISH}, {"Tanh", lower_unary, UN_TANH},
    {"Softplus", lower_unary, UN_SOFTPLUS}, {"Softsign", lower_unary, UN_SOFTSIGN},
    {"Mish", lower_unary, UN_MISH},         {"Not", lower_unary, UN_NOT},
    {"IsNaN", lower_unary, UN_ISNAN},       {"IsInf", lower_is_inf, 0},
    {"Gelu", lower_gelu, 0},                {"Clip", lower_clip, 0},
    {"LeakyRelu", lower_parametric, UN_LEAKY}, {"Elu", lower_parametric, UN_ELU},
    {"Selu", lower_parametric, UN_SELU},    {"Celu", lower_parametric, UN_CELU},
    {"HardSigmoid", lower_parametric, UN_HARD_SIGMOID}, {"Shrink", lower_parametric, UN_SHRINK},
    {"ThresholdedRelu", lower_parametric, UN_THRESHOLDED_RELU},
    {"Cast", lower_cast, 0},                {"CastLike", lower_cast_like, 0},
    {0},
};
