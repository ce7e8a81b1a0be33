/* Quantised operators of ONNX itself: between floats and small integers, and the convolution and product of
 * integers with all that is added to them in one step ("Sums of integers" in kernels/op.h).
 */
#include "stages/infer/batch.h"
#include "stages/infer/onnx.h"
#include "stages/infer/ops_quant.h"

static const struct tensor_desc *desc_of(const struct lower *c, int t)
{
    static const struct tensor_desc none;
    return t < 0 ? &none : &c->net->tensors[t].desc;
}

/* ---- to and from integers ---- */

static bool is_blocked_scale(const struct tensor_desc *scale, const struct tensor_desc *x, int axis, int64_t block)
{
    for (int i = 0; i < x->rank; i++)
        if (scale->dim[i] != (i == axis ? x->dim[i] / block + (x->dim[i] % block != 0) : x->dim[i]))
            return false;
    return scale->rank == x->rank;
}

/* One scale for all, one per element along the axis, or one per block. */
static enum cq_err check_scale(const struct lower *c, const struct quantised *q, struct op *op)
{
    const struct tensor_desc *x = desc_of(c, q->t), *scale = desc_of(c, q->scale), *zero = desc_of(c, q->zero);
    if (scale->type != DT_F32)
        return lower_fail(c, "its scale is not a float");
    if (zero->type != DT_NONE && tensor_elems(zero) != tensor_elems(scale))
        return lower_fail(c, "scale and zero point differ in size");
    op->u.quant.axis = 0;
    op->u.quant.block = 0;
    if (tensor_elems(scale) == 1)
        return CQ_OK;
    enum cq_err err = lower_axis(c, q->axis, x->rank, &op->u.quant.axis);
    if (err)
        return err;
    op->u.quant.block = q->block;
    bool fits = q->block ? q->block > 0 && is_blocked_scale(scale, x, op->u.quant.axis, q->block)
                         : scale->rank == 1 && x->rank > 0 && scale->dim[0] == x->dim[op->u.quant.axis];
    return fits ? CQ_OK : lower_fail(c, "its scale does not fit its input");
}

static int convert(struct build *b, enum op_kind kind, const struct quantised *q, enum dtype type)
{
    struct op op = {.kind = kind};
    struct tensor_desc y = build_desc(b, q->t);
    y.type = type;
    if (!b->err)
        b->err = check_scale(b->c, q, &op);
    return build_step(b, &op, (int[]){q->t, q->scale, q->zero}, q->zero < 0 ? 2 : 3, &y);
}

int build_quantize(struct build *b, const struct quantised *q, enum dtype type)
{
    struct quantised as_float = *q;
    enum dtype zero = build_desc(b, q->zero).type;
    if (!b->err && ((type != DT_U8 && type != DT_I8 && type != DT_U16 && type != DT_I16) ||
                    (zero != DT_NONE && zero != type)))
        b->err = lower_fail(b->c, "quantises to a type other than integers of 8 or 16 bits");
    as_float.t = build_cast(b, q->t, DT_F32);
    return convert(b, OP_QUANTIZE, &as_float, type);
}

int build_dequantize(struct build *b, const struct quantised *q)
{
    enum dtype type = build_desc(b, q->t).type, zero = build_desc(b, q->zero).type;
    if (!b->err && type != DT_U8 && type != DT_I8 && type != DT_U16 && type != DT_I16 && type != DT_I32)
        b->err = lower_fail(b->c, "its input is no integer of 8 or 16 bits, nor int32");
    if (!b->err && zero != DT_NONE && zero != type)
        b->err = lower_fail(b->c, "its zero point has another type than its input");
    return convert(b, OP_DEQUANTIZE, q, DT_F32);
}

static struct quantised first_input(struct build *b)
{
    const struct lower *c = b->c;
    return (struct quantised){
        .t = build_in(b, 0), .scale = build_in(b, 1), .zero = lower_in(c, 2),
        .axis = node_int(c->node, "axis", 1), .block = node_int(c->node, "block_size", 0),
    };
}

/* A known tensor that the file has in four bits, where only bytes are left of it. */
static bool has_four_bits(const struct lower *c, int i)
{
    const struct value *v = lower_in(c, i) < 0 ? NULL : &c->graph->values[c->node->in[i]];
    if (!v || v->constant.data || v->producer < 0)
        return v && v->constant.four_bits;
    const struct attr *a = node_attr(&c->graph->nodes[v->producer], "value");
    return a && a->tensor.four_bits;
}

static enum cq_err lower_quantize(struct lower *c)
{
    struct build b = {c};
    struct quantised q = first_input(&b);
    int64_t wanted = node_int(c->node, "output_dtype", 0);
    enum dtype type = q.zero >= 0 ? build_desc(&b, q.zero).type : wanted ? onnx_dtype((int) wanted) : DT_U8;
    if (has_four_bits(c, 2))
        return lower_fail(c, "quantises to integers of 4 bits, which is not supported");
    return build_bind(&b, 0, build_quantize(&b, &q, type));
}

static enum cq_err lower_dequantize(struct lower *c)
{
    struct build b = {c};
    struct quantised q = first_input(&b);
    return build_bind(&b, 0, build_dequantize(&b, &q));
}

/* ---- ranges found at run time ---- */

struct quantised build_dynamic(struct build *b, int x)
{
    struct tensor_desc d = build_desc(b, x);
    uint32_t all = (1u << d.rank) - 1;
    struct batch_place place;
    if (!b->err && batch_find(b->c, 0, &place))
        b->err = lower_fail(b->c, "finds its range at run time, which in a batch would be that of all images");
    if (!b->err && (d.type != DT_F32 || tensor_elems(&d) == 0))
        b->err = lower_fail(b->c, "needs a float input with elements");
    int zero = build_scalar(b, DT_F32, 0);
    int low = build_binary(b, BIN_MIN, build_reduce(b, RED_MIN, x, all, false), zero);
    int high = build_binary(b, BIN_MAX, build_reduce(b, RED_MAX, x, all, false), zero);
    int range = build_binary(b, BIN_SUB, high, low);
    /* a tensor of zeros fits any scale */
    int scale = build_where(b, build_binary(b, BIN_EQUAL, range, zero), build_scalar(b, DT_F32, 1),
                            build_binary(b, BIN_DIV, range, build_scalar(b, DT_F32, 255)));
    int zero_point = build_unary(b, UN_ROUND, build_binary(b, BIN_DIV, build_unary(b, UN_NEG, low), scale));
    zero_point = build_binary(b, BIN_MIN, zero_point, build_scalar(b, DT_F32, 255));
    struct quantised q = {.t = x, .scale = scale, .zero = build_cast(b, zero_point, DT_U8)};
    q.t = build_quantize(b, &q, DT_U8);
    return q;
}

static enum cq_err lower_dynamic_quantize(struct lower *c)
{
    struct build b = {c};
    struct quantised q = build_dynamic(&b, build_in(&b, 0));
    build_bind(&b, 0, q.t);
    build_bind(&b, 1, q.scale);
    return build_bind(&b, 2, q.zero);
}

/* ---- sums of integers ---- */

static bool is_byte(enum dtype type)
{
    return type == DT_U8 || type == DT_I8;
}

/* One value, or one for each of n. */
static bool has_one_or(const struct lower *c, int t, int64_t n)
{
    int64_t elems = tensor_elems(desc_of(c, t));
    return t < 0 || elems == 1 || elems == n;
}

/* Zero points have the type of what they belong to; `rows` of x, `columns` of w have their own, and the
 * multiplier one per column. */
static enum cq_err check_sum(const struct lower *c, const int in[SUM_INPUTS], int64_t rows, int64_t columns)
{
    enum dtype x = desc_of(c, in[SUM_X])->type, w = desc_of(c, in[SUM_W])->type;
    if (!is_byte(x) || !is_byte(w))
        return lower_fail(c, "multiplies types other than integers of 8 bits");
    if ((in[SUM_X_ZERO] >= 0 && desc_of(c, in[SUM_X_ZERO])->type != x) ||
        (in[SUM_W_ZERO] >= 0 && desc_of(c, in[SUM_W_ZERO])->type != w))
        return lower_fail(c, "a zero point has another type than what it belongs to");
    if (!has_one_or(c, in[SUM_X_ZERO], rows) || !has_one_or(c, in[SUM_W_ZERO], columns) ||
        !has_one_or(c, in[SUM_SCALE], columns) || !has_one_or(c, in[SUM_Y_ZERO], 1))
        return lower_fail(c, "a scale or zero point has neither one value nor one per channel");
    const struct tensor_desc *bias = desc_of(c, in[SUM_BIAS]);
    if (bias->type != DT_NONE && (bias->type != DT_I32 || bias->rank != 1 || bias->dim[0] != columns))
        return lower_fail(c, "its bias is not one int32 per channel");
    return CQ_OK;
}

static bool is_one_float(const struct lower *c, int t)
{
    return desc_of(c, t)->type == DT_F32 && tensor_elems(desc_of(c, t)) == 1;
}

int build_multiplier(struct build *b, int x_scale, int w_scale, int y_scale)
{
    if (!b->err && (!is_one_float(b->c, x_scale) || build_desc(b, w_scale).type != DT_F32 ||
                    (y_scale >= 0 && !is_one_float(b->c, y_scale))))
        b->err = lower_fail(b->c, "the scales of input and result must be one float each");
    int product = build_binary(b, BIN_MUL, x_scale, w_scale);
    return y_scale < 0 ? product : build_binary(b, BIN_DIV, product, y_scale);
}

static int build_conv_int(struct build *b, const int in[SUM_INPUTS], enum dtype type)
{
    struct op op = {.kind = OP_CONV_INT};
    struct tensor_desc x = build_desc(b, in[SUM_X]), w = build_desc(b, in[SUM_W]), y = {0};
    if (!b->err)
        b->err = lower_conv_window(b->c, &x, &w, &op.u.conv, &y);
    if (!b->err)
        b->err = check_sum(b->c, in, 1, w.dim[0]);
    y.type = type;
    return build_step(b, &op, in, SUM_INPUTS, &y);
}

int build_matmul_int(struct build *b, const int in[SUM_INPUTS], enum dtype type)
{
    struct tensor_desc x = build_desc(b, in[SUM_X]), w = build_desc(b, in[SUM_W]);
    int out = -1;
    if (!b->err)
        b->err = check_sum(b->c, in, x.rank > 1 ? x.dim[x.rank - 2] : 1, w.rank > 1 ? w.dim[w.rank - 1] : 1);
    if (!b->err)
        b->err = lower_make_matmul(b->c, &(struct op){.kind = OP_MATMUL_INT}, in, SUM_INPUTS, type, &out);
    return out;
}

static int build_sum(struct build *b, const int in[SUM_INPUTS], enum dtype type)
{
    return b->c->variant == OP_CONV_INT ? build_conv_int(b, in, type) : build_matmul_int(b, in, type);
}

static enum cq_err lower_integer(struct lower *c)
{
    struct build b = {c};
    int in[SUM_INPUTS] = {build_in(&b, 0), build_in(&b, 1), lower_in(c, 2), lower_in(c, 3), -1, -1, -1};
    return build_bind(&b, 0, build_sum(&b, in, DT_I32));
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, and a convolution's bias. */
static enum cq_err lower_qlinear(struct lower *c)
{
    struct build b = {c};
    int in[SUM_INPUTS] = {
        [SUM_X] = build_in(&b, 0), [SUM_X_ZERO] = build_in(&b, 2), [SUM_W] = build_in(&b, 3),
        [SUM_W_ZERO] = build_in(&b, 5), [SUM_Y_ZERO] = build_in(&b, 7), [SUM_BIAS] = lower_in(c, 8),
        [SUM_SCALE] = build_multiplier(&b, build_in(&b, 1), build_in(&b, 4), build_in(&b, 6)),
    };
    enum dtype type = build_desc(&b, in[SUM_Y_ZERO]).type;
    if (!b.err && !is_byte(type))
        return lower_fail(c, "its result is no integer of 8 bits");
    return build_bind(&b, 0, build_sum(&b, in, type));
}

const struct lower_op lower_ops_quant[] = {
    {"QuantizeLinear", lower_quantize, 0},
    {"DequantizeLinear", lower_dequantize, 0},
    {"QuantizeLinear", lower_quantize, 0, "com.microsoft"},
    {"DequantizeLinear", lower_dequantize, 0, "com.microsoft"},
    {"DynamicQuantizeLinear", lower_dynamic_quantize, 0},
    {"ConvInteger", lower_integer, OP_CONV_INT},
    {"MatMulInteger", lower_integer, OP_MATMUL_INT},
    {"QLinearConv", lower_qlinear, OP_CONV_INT},
    {"QLinearMatMul", lower_qlinear, OP_MATMUL_INT},
    {0},
};
