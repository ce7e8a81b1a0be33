/* Operators that sum over a dimension: products of matrices, softmax, reductions, arg and top-k. */
#include "stages/infer/batch.h"
#include "stages/infer/build.h"

static enum cq_err need_input(struct lower *c)
{
    return lower_in(c, 0) < 0 ? lower_fail(c, "has no input") : CQ_OK;
}

/* ---- MatMul, Gemm ---- */

/* Leading dimensions broadcast; the last two multiply. */
static bool matmul_shape(const struct tensor_desc *a, const struct tensor_desc *b, struct tensor_desc *y)
{
    struct tensor_desc lead_a = *a, lead_b = *b;
    if (a->rank < 2 || b->rank < 2 || a->dim[a->rank - 1] != b->dim[b->rank - 2])
        return false;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    if (!broadcast(&lead_a, &lead_b, y))
        return false;
    y->dim[y->rank++] = a->dim[a->rank - 2];
    y->dim[y->rank++] = b->dim[b->rank - 1];
    return true;
}

static enum cq_err view_vector(struct lower *c, bool row, struct tensor_desc *d, int *t)
{
    struct tensor_desc m = {.type = d->type, .rank = 2, .dim = {row ? 1 : d->dim[0], row ? d->dim[0] : 1}};
    if (d->rank != 1)
        return CQ_OK;
    *d = m;
    return lower_view(c, *t, &m, t);
}

/* The result without the dimension that a vector got. */
static enum cq_err drop_vectors(struct lower *c, bool row, bool column, int *t)
{
    struct tensor_desc y = c->net->tensors[*t].desc, wanted = y;
    if (!row && !column)
        return CQ_OK;
    if (column)
        wanted.rank--;
    if (row) {
        wanted.dim[y.rank - 2] = y.dim[y.rank - 1];
        wanted.rank--;
    }
    return lower_view(c, *t, &wanted, t);
}

/* A vector is a row on the left and a column on the right; its dimension goes again afterwards. */
enum cq_err lower_make_matmul(struct lower *c, const struct op *op, const int *in, int n_in, enum dtype type,
                              int *out)
{
    int with[OP_MAX_INPUTS];
    for (int i = 0; i < n_in; i++)
        with[i] = in[i];
    struct tensor_desc a = c->net->tensors[in[0]].desc, b = c->net->tensors[in[1]].desc, y;
    bool row = a.rank == 1, column = b.rank == 1;
    enum cq_err err = view_vector(c, true, &a, &with[0]);
    if (!err)
        err = view_vector(c, false, &b, &with[1]);
    if (err)
        return err;
    if (!matmul_shape(&a, &b, &y)) {
        char ta[TENSOR_TEXT_SIZE], tb[TENSOR_TEXT_SIZE];
        return lower_fail(c, "%s and %s do not multiply", tensor_text(&a, ta), tensor_text(&b, tb));
    }
    y.type = type;
    err = lower_emit(c, op, with, n_in, &y, 1, out);
    return err ? err : drop_vectors(c, row, column, out);
}

static enum cq_err lower_matmul(struct lower *c)
{
    int in[2] = {lower_in(c, 0), lower_in(c, 1)}, out;
    if (in[0] < 0 || in[1] < 0)
        return lower_fail(c, "needs two inputs");
    enum cq_err err = lower_make_matmul(c, &(struct op){.kind = OP_MATMUL}, in, 2, lower_desc(c, 0).type, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

enum cq_err lower_gemm(struct lower *c)
{
    struct tensor_desc a = lower_desc(c, 0), b = lower_desc(c, 1), bias = lower_desc(c, 2), y, fits;
    struct op op = {.kind = OP_GEMM};
    op.u.gemm.alpha = node_float(c->node, "alpha", 1);
    op.u.gemm.beta = node_float(c->node, "beta", 1);
    op.u.gemm.trans_a = node_int(c->node, "transA", 0);
    op.u.gemm.trans_b = node_int(c->node, "transB", 0);
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || a.rank != 2 || b.rank != 2)
        return lower_fail(c, "needs two matrices");
    int64_t k = a.dim[op.u.gemm.trans_a ? 0 : 1];
    y = (struct tensor_desc){.type = a.type, .rank = 2};
    y.dim[0] = a.dim[op.u.gemm.trans_a ? 1 : 0];
    y.dim[1] = b.dim[op.u.gemm.trans_b ? 0 : 1];
    if (b.dim[op.u.gemm.trans_b ? 1 : 0] != k)
        return lower_fail(c, "its matrices do not multiply");
    if (bias.type != DT_NONE && (!broadcast(&y, &bias, &fits) || !tensor_same_shape(&y, &fits)))
        return lower_fail(c, "its third input does not broadcast to the result");
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, lower_in(c, 2) < 0 ? 2 : 3, &y);
}

/* ---- Softmax ---- */

/* Before opset 13 everything from the axis on was one dimension. */
static enum cq_err lower_softmax(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), flat = {.type = x.type, .rank = 2, .dim = {1, 1}};
    struct op op = {.kind = OP_SOFTMAX};
    int in = lower_in(c, 0), axis;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", c->opset < 13 ? 1 : -1), x.rank, &axis);
    if (err)
        return err;
    op.u.axis.flag = c->variant;
    op.u.axis.axis = axis;
    for (int i = 0; i < x.rank; i++)
        flat.dim[i >= axis] *= x.dim[i];
    if (c->opset >= 13 || flat.dim[1] == x.dim[axis])
        return lower_emit1(c, &op, &in, 1, &x);

    op.u.axis.axis = 1;
    err = lower_view(c, in, &flat, &in);
    if (!err)
        err = lower_emit(c, &op, &in, 1, &flat, 1, &in);
    if (!err)
        err = lower_view(c, in, &x, &in);
    if (!err)
        lower_bind(c, 0, in);
    return err;
}

/* 1 at the first of the largest, 0 elsewhere; before opset 13 as Softmax. */
static enum cq_err lower_hardmax(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc x = lower_desc(c, 0);
    int in = build_in(&b, 0), rank = x.rank, axis;
    int64_t flat[2] = {1, 1};
    if (!b.err)
        b.err = lower_axis(c, node_int(c->node, "axis", c->opset < 13 ? 1 : -1), x.rank, &axis);
    if (b.err)
        return b.err;
    for (int i = 0; i < x.rank; i++)
        flat[i >= axis] *= x.dim[i];
    if (c->opset < 13) {
        in = build_view(&b, in, 2, flat);
        axis = 1;
        rank = 2;
    }
    int64_t n = c->opset < 13 ? flat[1] : rank ? x.dim[axis] : 0;
    if (n < 1)
        return lower_fail(c, "has nothing to choose from");
    int best = build_arg_max(&b, in, axis), place = build_counting(&b, n, rank, axis);
    int mark = build_cast(&b, build_binary(&b, BIN_EQUAL, place, best), x.type);
    return build_bind(&b, 0, build_view(&b, mark, x.rank, x.dim));
}

/* ---- reductions ---- */

static void reduce_shape(const struct tensor_desc *x, uint32_t axes, bool keep, struct tensor_desc *y)
{
    *y = (struct tensor_desc){.type = x->type};
    for (int i = 0; i < x->rank; i++) {
        if (!(axes >> i & 1))
            y->dim[y->rank++] = x->dim[i];
        else if (keep)
            y->dim[y->rank++] = 1;
    }
}

/* A reduction over a batch of one leaves the image alone; over a larger batch it must do so too. */
static uint32_t batch_axis(const struct lower *c, bool keep)
{
    struct batch_place place;
    return keep && batch_find(c, 0, &place) && lower_desc(c, 0).dim[place.dim] == place.factor ? 1u << place.dim : 0;
}

/* What is made of one element alone, as noop_with_empty_axes asks for. */
static bool is_identity_of_one(enum reduce fn)
{
    return fn == RED_SUM || fn == RED_MEAN || fn == RED_MAX || fn == RED_MIN || fn == RED_PROD ||
           fn == RED_LOG_SUM_EXP;
}

static enum cq_err lower_reduce(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y;
    struct op op = {.kind = OP_REDUCE};
    int64_t axes[TENSOR_MAX_RANK];
    int in = lower_in(c, 0), n;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "axes", 1, axes, &n);
    bool each = !err && n <= 0 && node_int(c->node, "noop_with_empty_axes", 0);
    if (each && is_identity_of_one((enum reduce) c->variant)) {
        lower_bind(c, 0, in);
        return CQ_OK;
    }
    for (int i = 0; i < n && !err; i++) {
        int axis;
        err = lower_axis(c, axes[i], x.rank, &axis);
        if (!err && x.rank)
            op.u.reduce.axes |= 1u << axis;
    }
    if (err)
        return err;
    if (n <= 0 && !each)
        op.u.reduce.axes = (1u << x.rank) - 1;
    op.u.reduce.fn = (enum reduce) c->variant;
    op.u.reduce.keepdims = node_int(c->node, "keepdims", 1);
    op.u.reduce.axes &= ~batch_axis(c, op.u.reduce.keepdims);
    reduce_shape(&x, op.u.reduce.axes, op.u.reduce.keepdims, &y);
    return lower_emit1(c, &op, &in, 1, &y);
}

/* Of equal elements the last one is the first when read from the end. */
static enum cq_err lower_arg(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc x = lower_desc(c, 0), y;
    struct op op = {.kind = OP_ARG};
    bool last = node_int(c->node, "select_last_index", 0);
    int in = build_in(&b, 0), axis;
    if (!b.err)
        b.err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &axis);
    if (!b.err && (!x.rank || !x.dim[axis]))
        return lower_fail(c, "has nothing to choose from");
    if (b.err)
        return b.err;
    op.u.axis.axis = axis;
    op.u.axis.flag = c->variant;
    reduce_shape(&x, 1u << axis, node_int(c->node, "keepdims", 1), &y);
    y.type = DT_I64;
    if (last)
        in = build_slice(&b, in, axis, x.dim[axis] - 1, -1, x.dim[axis]);
    int best = build_step(&b, &op, &in, 1, &y);
    if (last)
        best = build_binary(&b, BIN_SUB, build_scalar(&b, DT_I64, (double) (x.dim[axis] - 1)), best);
    return build_bind(&b, 0, best);
}

/* The determinants of the last two dimensions. */
static enum cq_err lower_det(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    int in = lower_in(c, 0);
    if (in < 0 || x.rank < 2 || x.dim[x.rank - 1] != x.dim[x.rank - 2])
        return lower_fail(c, "needs square matrices");
    y.rank -= 2;
    return lower_emit1(c, &(struct op){.kind = OP_DET}, &in, 1, &y);
}

static enum cq_err lower_topk(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y[2];
    struct op op = {.kind = OP_TOPK};
    int64_t k = node_int(c->node, "k", -1);
    int in = lower_in(c, 0), out[2], n;
    enum cq_err err = need_input(c);
    if (!err && lower_in(c, 1) >= 0 && !(lower_const_ints(c, 1, &k, 1, &n) && n == 1))
        err = lower_later(c, 1, "k");
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", -1), x.rank, &op.u.topk.axis);
    if (!err && (!x.rank || k < 0 || k > x.dim[op.u.topk.axis]))
        err = lower_fail(c, "k = %lld does not fit its input", (long long) k);
    if (err)
        return err;
    op.u.topk.k = k;
    op.u.topk.largest = node_int(c->node, "largest", 1);
    op.u.topk.sorted = node_int(c->node, "sorted", 1);
    y[0] = y[1] = x;
    y[0].dim[op.u.topk.axis] = y[1].dim[op.u.topk.axis] = k;
    y[1].type = DT_I64;
    err = lower_emit(c, &op, &in, 1, y, 2, out);
    if (err)
        return err;
    lower_bind(c, 0, out[0]);
    lower_bind(c, 1, out[1]);
    return CQ_OK;
}

const struct lower_op lower_ops_math[] = {
    {"MatMul", lower_matmul, 0},
    {"Gemm", lower_gemm, 0},
    {"Softmax", lower_softmax, 0},
    {"LogSoftmax", lower_softmax, 1},
    {"Hardmax", lower_hardmax, 0},
    {"ReduceSum", lower_reduce, RED_SUM},
    {"ReduceMean", lower_reduce, RED_MEAN},
    {"ReduceMax", lower_reduce, RED_MAX},
    {"ReduceMin", lower_reduce, RED_MIN},
    {"ReduceProd", lower_reduce, RED_PROD},
    {"ReduceL1", lower_reduce, RED_L1},
    {"ReduceL2", lower_reduce, RED_L2},
    {"ReduceSumSquare", lower_reduce, RED_SUM_SQUARE},
    {"ReduceLogSum", lower_reduce, RED_LOG_SUM},
    {"ReduceLogSumExp", lower_reduce, RED_LOG_SUM_EXP},
    {"ArgMax", lower_arg, 0},
    {"ArgMin", lower_arg, 1},
    {"TopK", lower_topk, 0},
    {"Det", lower_det, 0},
    {0},
};
