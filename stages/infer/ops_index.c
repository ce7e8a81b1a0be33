/* Operators that choose, place or mark elements by index: scatter and gather by tuples, running sums, triangles,
 * one-hot vectors.
 *
 * What only compares positions (Trilu, OneHot, EyeLike) is built from numbered rows and columns and Where, so that it
 * runs on the device, and is a constant where its inputs are. Indices that come as data are checked where they are
 * used, by the kernels.
 */
#include <string.h>

#include "stages/infer/batch.h"
#include "stages/infer/build.h"
#include "stages/infer/onnx.h"

/* ---- positions ---- */

/* Compares column and row + k over a matrix of x's last two dimensions. */
static int compare_diagonal(struct build *b, enum binary fn, int x, int k)
{
    struct tensor_desc d = build_desc(b, x);
    if (b->err)
        return -1;
    int row = build_counting(b, d.dim[d.rank - 2], 2, 0), column = build_counting(b, d.dim[d.rank - 1], 2, 1);
    return build_binary(b, fn, column, build_binary(b, BIN_ADD, row, k));
}

/* Far off the matrix is as good as at infinity, and adding a row number to it does not overflow. */
static int bounded(struct build *b, int k)
{
    k = build_binary(b, BIN_MAX, k, build_scalar(b, DT_I64, -0x1p40));
    return build_binary(b, BIN_MIN, k, build_scalar(b, DT_I64, 0x1p40));
}

static enum cq_err lower_trilu(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0);
    struct tensor_desc d = build_desc(&b, x), dk = lower_desc(c, 1);
    if (!b.err && (d.rank < 2 || (dk.type != DT_NONE && tensor_elems(&dk) != 1)))
        return lower_fail(c, "needs a matrix and one diagonal");
    bool upper = node_int(c->node, "upper", 1);
    int k = dk.type == DT_NONE ? build_scalar(&b, DT_I64, 0) : bounded(&b, build_view(&b, lower_in(c, 1), 0, d.dim));
    int keep = compare_diagonal(&b, upper ? BIN_GREATER_EQUAL : BIN_LESS_EQUAL, x, k);
    return build_bind(&b, 0, build_where(&b, keep, x, build_scalar(&b, d.type, 0)));
}

static enum cq_err lower_eye_like(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0);
    struct tensor_desc d = build_desc(&b, x);
    enum dtype type = node_attr(c->node, "dtype") ? onnx_dtype((int) node_int(c->node, "dtype", 0)) : d.type;
    if (!b.err && (d.rank != 2 || type == DT_NONE))
        return lower_fail(c, "needs a matrix and a type that clipq has");
    int k = bounded(&b, build_scalar(&b, DT_I64, (double) node_int(c->node, "k", 0)));
    int mark = compare_diagonal(&b, BIN_EQUAL, x, k);
    return build_bind(&b, 0, build_cast(&b, mark, type == DT_F16 ? DT_F32 : type));
}

static bool read_depth(const struct lower *c, int64_t *depth)
{
    int n;
    float f;
    if (lower_const_ints(c, 1, depth, 1, &n))
        return n == 1 && *depth >= 0;
    if (!lower_const_float(c, 1, &f) || !(f >= 0 && f < 0x1p31f))
        return false;
    *depth = (int64_t) f;
    return true;
}

/* The i-th of the two values, as a scalar. */
static int value_of(struct build *b, int values, int i)
{
    return build_view(b, build_slice(b, values, 0, i, 1, 1), 0, (int64_t[]){0});
}

/* An index from -depth to -1 counts from the end; one outside marks nothing. */
static enum cq_err lower_one_hot(struct lower *c)
{
    struct build b = {c};
    int index = build_cast(&b, build_in(&b, 0), DT_I64), values = build_in(&b, 2), axis;
    struct tensor_desc d = build_desc(&b, index), dv = build_desc(&b, values);
    int64_t depth, dim[TENSOR_MAX_RANK + 1];
    if (b.err)
        return b.err;
    if (!read_depth(c, &depth))
        return lower_later(c, 1, "its depth");
    if (d.rank >= TENSOR_MAX_RANK || dv.rank != 1 || dv.dim[0] != 2)
        return lower_fail(c, "needs fewer dimensions, or does not have two values");
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", -1), d.rank + 1, &axis);
    if (err)
        return err;
    for (int i = 0; i <= d.rank; i++)
        dim[i] = i == axis ? 1 : d.dim[i - (i > axis)];
    index = build_view(&b, index, d.rank + 1, dim);
    int place = build_counting(&b, depth, d.rank + 1, axis);
    int from_end = build_binary(&b, BIN_SUB, place, build_scalar(&b, DT_I64, (double) depth));
    int hot = build_binary(&b, BIN_OR, build_binary(&b, BIN_EQUAL, index, place),
                           build_binary(&b, BIN_EQUAL, index, from_end));
    return build_bind(&b, 0, build_where(&b, hot, value_of(&b, values, 1), value_of(&b, values, 0)));
}

/* The first `length` entries along the time axis change places, one length per entry of the batch axis. */
static enum cq_err lower_reverse_sequence(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0), length = build_cast(&b, build_in(&b, 1), DT_I64), batch, time;
    struct tensor_desc d = build_desc(&b, x);
    enum cq_err err = b.err;
    if (!err)
        err = lower_axis(c, node_int(c->node, "batch_axis", 1), d.rank, &batch);
    if (!err)
        err = lower_axis(c, node_int(c->node, "time_axis", 0), d.rank, &time);
    if (!err && batch == time)
        err = lower_fail(c, "its batch and time are one axis");
    if (err)
        return err;
    int64_t dim[TENSOR_MAX_RANK];
    for (int i = 0; i < d.rank; i++)
        dim[i] = i == batch ? d.dim[i] : 1;
    length = build_view(&b, length, d.rank, dim);
    int at = build_counting(&b, d.dim[time], d.rank, time);
    int mirrored = build_binary(&b, BIN_SUB, build_binary(&b, BIN_SUB, length, build_scalar(&b, DT_I64, 1)), at);
    int from = build_where(&b, build_binary(&b, BIN_LESS, at, length), mirrored, at);
    from = build_expand(&b, from, d.rank, d.dim);
    struct op op = {.kind = OP_GATHER_ELEMENTS, .u.axis.axis = time};
    return build_bind(&b, 0, build_step(&b, &op, (int[]){x, from}, 2, &d));
}

static enum cq_err lower_cum_sum(struct lower *c)
{
    int64_t axis;
    int n, in = lower_in(c, 0);
    struct tensor_desc x = lower_desc(c, 0);
    struct op op = {.kind = OP_CUM_SUM};
    if (in < 0 || x.rank < 1)
        return lower_fail(c, "needs an input with dimensions");
    if (!lower_const_ints(c, 1, &axis, 1, &n) || n != 1)
        return lower_later(c, 1, "its axis");
    op.u.scan.exclusive = node_int(c->node, "exclusive", 0);
    op.u.scan.reverse = node_int(c->node, "reverse", 0);
    enum cq_err err = lower_axis(c, axis, x.rank, &op.u.scan.axis);
    return err ? err : lower_emit1(c, &op, &in, 1, &x);
}

/* ---- index tuples ---- */

/* Whether the first entry of every tuple picks the image out of a batch of one, as exported: it can only be 0. */
static bool picks_image(const struct lower *c, const struct tensor_desc *indices)
{
    struct batch_place data, tuples;
    return batch_find(c, 0, &data) && batch_find(c, 1, &tuples) && data.dim == 0 && tuples.dim == 0 &&
           data.factor == tuples.factor && batch_base(c, 0).dim[0] == 1 && batch_base(c, 1).dim[0] == 1 &&
           indices->rank > 1 && indices->dim[indices->rank - 1] > 1;
}

static enum cq_err lower_gather_nd(struct lower *c)
{
    struct build b = {c};
    int in[2] = {lower_in(c, 0), lower_in(c, 1)};
    struct tensor_desc x = lower_desc(c, 0), d = lower_desc(c, 1), y = {.type = x.type};
    int64_t batch_dims = node_int(c->node, "batch_dims", 0);
    if (batch_dims == 0 && picks_image(c, &d)) {        /* of a larger batch, each tuple's own image */
        in[1] = build_slice(&b, in[1], d.rank - 1, 1, 1, d.dim[d.rank - 1] - 1);
        d = build_desc(&b, in[1]);
        batch_dims = 1;
    }
    if (b.err)
        return b.err;
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || d.rank < 1 || x.rank < 1)
        return lower_fail(c, "needs an input and indices, both with dimensions");
    int64_t depth = d.dim[d.rank - 1];
    if (batch_dims < 0 || batch_dims >= d.rank || batch_dims > x.rank || depth > x.rank - batch_dims)
        return lower_fail(c, "its indices have more entries than its input has dimensions");
    for (int i = 0; i < batch_dims; i++)
        if (x.dim[i] != d.dim[i])
            return lower_fail(c, "its input and indices differ in the first %d dimensions", (int) batch_dims);
    int open = (int) (batch_dims + depth);
    if (d.rank - 1 + x.rank - open > TENSOR_MAX_RANK)
        return lower_fail(c, "its result would have too many dimensions");
    for (int i = 0; i < d.rank - 1; i++)
        y.dim[y.rank++] = d.dim[i];
    for (int i = open; i < x.rank; i++)
        y.dim[y.rank++] = x.dim[i];
    struct op op = {.kind = OP_GATHER_ND, .u.axis.axis = (int) batch_dims};
    return lower_emit1(c, &op, in, 2, &y);
}

static enum cq_err read_reduction(struct lower *c, struct op *op)
{
    static const struct { const char *name; bool combine; enum binary fn; } table[] = {
        {"none", false, BIN_ADD}, {"add", true, BIN_ADD}, {"mul", true, BIN_MUL},
        {"min", true, BIN_MIN},   {"max", true, BIN_MAX},
    };
    const char *name = node_string(c->node, "reduction", "none");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(name, table[i].name)) {
            op->u.scatter.combine = table[i].combine;
            op->u.scatter.fn = table[i].fn;
            return CQ_OK;
        }
    return lower_fail(c, "reduction '%s' is not one of ONNX's", name);
}

static enum cq_err emit_scatter(struct lower *c, struct op *op)
{
    struct tensor_desc x = lower_desc(c, 0), updates = lower_desc(c, 2);
    enum cq_err err = read_reduction(c, op);
    if (!err && updates.type != x.type)
        err = lower_fail(c, "its updates are not of its input's type");
    return err ? err : lower_emit1(c, op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, 3, &x);
}

static enum cq_err need_three(struct lower *c)
{
    for (int i = 0; i < 3; i++)
        if (lower_in(c, i) < 0)
            return lower_fail(c, "needs an input, indices and updates");
    return CQ_OK;
}

static enum cq_err lower_scatter_elements(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), d = lower_desc(c, 1), updates = lower_desc(c, 2);
    struct op op = {.kind = OP_SCATTER_ELEMENTS};
    enum cq_err err = need_three(c);
    if (!err && (x.rank < 1 || d.rank != x.rank || !tensor_same_shape(&d, &updates)))
        err = lower_fail(c, "its indices do not match its input or its updates");
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &op.u.scatter.axis);
    for (int i = 0; i < x.rank && !err; i++)
        if (i != op.u.scatter.axis && d.dim[i] > x.dim[i])
            err = lower_fail(c, "its indices are larger than its input");
    return err ? err : emit_scatter(c, &op);
}

static enum cq_err lower_scatter_nd(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), d = lower_desc(c, 1), updates = lower_desc(c, 2), want = {0};
    enum cq_err err = need_three(c);
    if (err)
        return err;
    int64_t depth = d.rank ? d.dim[d.rank - 1] : -1;
    if (depth < 0 || depth > x.rank || d.rank - 1 + x.rank - depth > TENSOR_MAX_RANK)
        return lower_fail(c, "its indices have more entries than its input has dimensions");
    for (int i = 0; i < d.rank - 1; i++)
        want.dim[want.rank++] = d.dim[i];
    for (int i = (int) depth; i < x.rank; i++)
        want.dim[want.rank++] = x.dim[i];
    if (!tensor_same_shape(&want, &updates)) {
        char tw[TENSOR_TEXT_SIZE], tu[TENSOR_TEXT_SIZE];
        want.type = updates.type;
        return lower_fail(c, "its updates are %s, not %s", tensor_text(&updates, tu), tensor_text(&want, tw));
    }
    return emit_scatter(c, &(struct op){.kind = OP_SCATTER_ND});
}

const struct lower_op lower_ops_index[] = {
    {"Trilu", lower_trilu, 0},
    {"EyeLike", lower_eye_like, 0},
    {"OneHot", lower_one_hot, 0},
    {"ReverseSequence", lower_reverse_sequence, 0},
    {"CumSum", lower_cum_sum, 0},
    {"GatherND", lower_gather_nd, 0},
    {"Scatter", lower_scatter_elements, 0},
    {"ScatterElements", lower_scatter_elements, 0},
    {"ScatterND", lower_scatter_nd, 0},
    {0},
};
