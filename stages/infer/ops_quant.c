/* Quantised operators of ONNX itself: between floats and small integers, and the convolution and product of
 * integers with all that is added to them in one step ("Sums of integers" in kernels/op.h).
 */
#include "stages/infer/lower.h"
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

static enum cq_err convert(struct lower *c, enum op_kind kind, const struct quantised *q, enum dtype type, int *out)
{
    struct op op = {.kind = kind};
    struct tensor_desc y = *desc_of(c, q->t);
    y.type = type;
    enum cq_err err = check_scale(c, q, &op);
    return err ? err : lower_emit(c, &op, (int[]){q->t, q->scale, q->zero}, q->zero < 0 ? 2 : 3, &y, 1, out);
}

enum cq_err lower_make_quantize(struct lower *c, const struct quantised *q, enum dtype type, int *out)
{
    struct quantised as_float = *q;
    enum dtype zero = desc_of(c, q->zero)->type;
    if ((type != DT_U8 && type != DT_I8 && type != DT_U16 && type != DT_I16) || (zero != DT_NONE && zero != type))
        return lower_fail(c, "quantises to a type other than integers of 8 or 16 bits");
    enum cq_err err = lower_make_cast(c, q->t, DT_F32, &as_float.t);
    return err ? err : convert(c, OP_QUANTIZE, &as_float, type, out);
}

enum cq_err lower_make_dequantize(struct lower *c, const struct quantised *q, int *out)
{
    enum dtype type = desc_of(c, q->t)->type, zero = desc_of(c, q->zero)->type;
    if (type != DT_U8 && type != DT_I8 && type != DT_U16 && type != DT_I16 && type != DT_I32)
        return lower_fail(c, "its input is no integer of 8 or 16 bits, nor int32");
    if (zero != DT_NONE && zero != type)
        return lower_fail(c, "its zero point has another type than its input");
    return convert(c, OP_DEQUANTIZE, q, DT_F32, out);
}

static struct quantised first_input(const struct lower *c)
{
    return (struct quantised){
        .t = lower_in(c, 0), .scale = lower_in(c, 1), .zero = lower_in(c, 2),
        .axis = node_int(c->node, "axis", 1), .block = node_int(c->node, "block_size", 0),
    };
}

static enum cq_err lower_quantize(struct lower *c)
{
    struct quantised q = first_input(c);
    int64_t wanted = node_int(c->node, "output_dtype", 0);
    enum dtype type = q.zero >= 0 ? desc_of(c, q.zero)->type : wanted ? onnx_dtype((int) wanted) : DT_U8;
    int out;
    if (q.t < 0 || q.scale < 0)
        return lower_fail(c, "needs input and scale");
    enum cq_err err = lower_make_quantize(c, &q, type, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

static enum cq_err lower_dequantize(struct lower *c)
{
    struct quantised q = first_input(c);
    int out;
    if (q.t < 0 || q.scale < 0)
        return lower_fail(c, "needs input and scale");
    enum cq_err err = lower_make_dequantize(c, &q, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

/* ---- ranges found at run time ---- */

/* The smallest or largest element, or 0 where that lies beyond. */
static enum cq_err range_end(struct lower *c, int x, enum reduce fn, enum binary with, int zero, int *out)
{
    struct op op = {.kind = OP_REDUCE};
    struct tensor_desc scalar = {.type = DT_F32};
    op.u.reduce.fn = fn;
    op.u.reduce.axes = (1u << desc_of(c, x)->rank) - 1;
    enum cq_err err = lower_emit(c, &op, &x, 1, &scalar, 1, out);
    return err ? err : lower_make_binary(c, with, *out, zero, out);
}

/* range/255, and 1 for a tensor of zeros, which any scale fits. */
static enum cq_err dynamic_scale(struct lower *c, int range, int zero, int *scale)
{
    int quotient, is_zero;
    int levels = lower_constant_float(c, 255), one = lower_constant_float(c, 1);
    enum cq_err err = levels < 0 || one < 0 ? CQ_NOMEM : lower_make_binary(c, BIN_DIV, range, levels, &quotient);
    if (!err)
        err = lower_make_binary(c, BIN_EQUAL, range, zero, &is_zero);
    struct tensor_desc scalar = {.type = DT_F32};
    return err ? err : lower_emit(c, &(struct op){.kind = OP_WHERE}, (int[]){is_zero, one, quotient}, 3, &scalar, 1,
                                  scale);
}

/* round(-min/scale), which lies between 0 and 255. */
static enum cq_err dynamic_zero(struct lower *c, int low, int scale, int *out)
{
    enum cq_err err = lower_make_unary(c, UN_NEG, 0, 0, low, out);
    if (!err)
        err = lower_make_binary(c, BIN_DIV, *out, scale, out);
    if (!err)
        err = lower_make_unary(c, UN_CLIP, 0, 255, *out, out);
    if (!err)
        err = lower_make_unary(c, UN_ROUND, 0, 0, *out, out);
    return err ? err : lower_make_cast(c, *out, DT_U8, out);
}

enum cq_err lower_make_dynamic(struct lower *c, int x, struct quantised *out)
{
    int low, high, range, zero = lower_constant_float(c, 0);
    *out = (struct quantised){.t = x};
    if (desc_of(c, x)->type != DT_F32 || tensor_elems(desc_of(c, x)) == 0)
        return lower_fail(c, "needs a float input with elements");
    enum cq_err err = zero < 0 ? CQ_NOMEM : range_end(c, x, RED_MIN, BIN_MIN, zero, &low);
    if (!err)
        err = range_end(c, x, RED_MAX, BIN_MAX, zero, &high);
    if (!err)
        err = lower_make_binary(c, BIN_SUB, high, low, &range);
    if (!err)
        err = dynamic_scale(c, range, zero, &out->scale);
    if (!err)
        err = dynamic_zero(c, low, out->scale, &out->zero);
    return err ? err : lower_make_quantize(c, out, DT_U8, &out->t);
}

static enum cq_err lower_dynamic_quantize(struct lower *c)
{
    struct quantised q;
    if (lower_in(c, 0) < 0)
        return lower_fail(c, "has no input");
    enum cq_err err = lower_make_dynamic(c, lower_in(c, 0), &q);
    if (err)
        return err;
    lower_bind(c, 0, q.t);
    lower_bind(c, 1, q.scale);
    lower_bind(c, 2, q.zero);
    return CQ_OK;
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

enum cq_err lower_make_multiplier(struct lower *c, int x_scale, int w_scale, int y_scale, int *out)
{
    if (!is_one_float(c, x_scale) || desc_of(c, w_scale)->type != DT_F32 || (y_scale >= 0 && !is_one_float(c, y_scale)))
        return lower_fail(c, "the scales of input and result must be one float each");
    enum cq_err err = lower_make_binary(c, BIN_MUL, x_scale, w_scale, out);
    return err || y_scale < 0 ? err : lower_make_binary(c, BIN_DIV, *out, y_scale, out);
}

static enum cq_err emit_conv(struct lower *c, const int in[SUM_INPUTS], enum dtype type)
{
    struct op op = {.kind = OP_CONV_INT};
    struct tensor_desc y;
    const struct tensor_desc *w = desc_of(c, in[SUM_W]);
    enum cq_err err = lower_conv_window(c, desc_of(c, in[SUM_X]), w, &op.u.conv, &y);
    if (!err)
        err = check_sum(c, in, 1, w->dim[0]);
    y.type = type;
    return err ? err : lower_emit1(c, &op, in, SUM_INPUTS, &y);
}

enum cq_err lower_make_matmul_int(struct lower *c, const int in[SUM_INPUTS], enum dtype type, int *out)
{
    const struct tensor_desc *a = desc_of(c, in[SUM_X]), *b = desc_of(c, in[SUM_W]);
    int64_t rows = a->rank > 1 ? a->dim[a->rank - 2] : 1, columns = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    enum cq_err err = check_sum(c, in, rows, columns);
    return err ? err : lower_make_matmul(c, &(struct op){.kind = OP_MATMUL_INT}, in, SUM_INPUTS, type, out);
}

static enum cq_err lower_integer(struct lower *c)
{
    int in[SUM_INPUTS] = {lower_in(c, 0), lower_in(c, 1), lower_in(c, 2), lower_in(c, 3), -1, -1, -1}, out;
    if (in[SUM_X] < 0 || in[SUM_W] < 0)
        return lower_fail(c, "needs two inputs");
    if (c->variant == OP_CONV_INT)
        return emit_conv(c, in, DT_I32);
    enum cq_err err = lower_make_matmul_int(c, in, DT_I32, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, and a convolution's bias. */
static enum cq_err lower_qlinear(struct lower *c)
{
    int in[SUM_INPUTS] = {
        [SUM_X] = lower_in(c, 0), [SUM_X_ZERO] = lower_in(c, 2), [SUM_W] = lower_in(c, 3),
        [SUM_W_ZERO] = lower_in(c, 5), [SUM_Y_ZERO] = lower_in(c, 7), [SUM_BIAS] = lower_in(c, 8),
    }, out;
    for (int i = 0; i < 8; i++)
        if (lower_in(c, i) < 0)
            return lower_fail(c, "input %d is missing", i);
    enum dtype type = desc_of(c, in[SUM_Y_ZERO])->type;
    if (!is_byte(type))
        return lower_fail(c, "its result is no integer of 8 bits");
    enum cq_err err = lower_make_multiplier(c, lower_in(c, 1), lower_in(c, 4), lower_in(c, 6), &in[SUM_SCALE]);
    if (err || c->variant == OP_CONV_INT)
        return err ? err : emit_conv(c, in, type);
    err = lower_make_matmul_int(c, in, type, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
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
