/* Operators that move elements: joining, cutting, reordering, picking. */
#include <string.h>

#include "stages/infer/batch.h"
#include "stages/infer/build.h"

static enum cq_err need_input(struct lower *c)
{
    return lower_in(c, 0) < 0 ? lower_fail(c, "has no input") : CQ_OK;
}

/* ---- Concat, Split ---- */

/* A constant made for one image (a class token) stands beside tensors of a batch: repeat it. */
static enum cq_err repeat_for_batch(struct lower *c, int axis, const struct tensor_desc *like, int *t)
{
    struct tensor_desc d = c->net->tensors[*t].desc;
    bool differs = false;
    if (!batch_rewrites(c) || d.rank != like->rank)
        return CQ_OK;
    for (int i = 0; i < d.rank; i++)
        if (i != axis && d.dim[i] == 1 && like->dim[i] > 1) {
            d.dim[i] = like->dim[i];
            differs = true;
        }
    return differs ? lower_emit(c, &(struct op){.kind = OP_EXPAND}, t, 1, &d, 1, t) : CQ_OK;
}

/* What all inputs must agree with, but for the axis: the largest sizes among them when a batch may be missing. */
static struct tensor_desc concat_model(const struct lower *c)
{
    struct tensor_desc like = lower_desc(c, 0);
    for (int i = 1; batch_rewrites(c) && i < c->node->n_in; i++) {
        struct tensor_desc d = lower_desc(c, i);
        for (int k = 0; d.rank == like.rank && k < d.rank; k++)
            like.dim[k] = d.dim[k] > like.dim[k] ? d.dim[k] : like.dim[k];
    }
    return like;
}

static enum cq_err add_concat_input(struct lower *c, int axis, const struct tensor_desc *like, int *t, int64_t *size)
{
    if (*t < 0)
        return lower_fail(c, "one of its inputs is missing");
    enum cq_err err = repeat_for_batch(c, axis, like, t);
    if (err)
        return err;
    const struct tensor_desc *d = &c->net->tensors[*t].desc;
    bool fits = d->rank == like->rank && d->type == like->type;
    for (int i = 0; fits && i < d->rank; i++)
        fits = i == axis || d->dim[i] == like->dim[i];
    if (!fits || __builtin_add_overflow(*size, d->dim[axis], size)) {
        char a[TENSOR_TEXT_SIZE], b[TENSOR_TEXT_SIZE];
        return lower_fail(c, "%s and %s do not join along axis %d", tensor_text(like, a), tensor_text(d, b), axis);
    }
    return CQ_OK;
}

/* Joins in groups when there are more inputs than a kernel takes. */
static enum cq_err lower_concat(struct lower *c)
{
    struct tensor_desc like = concat_model(c), y = like;
    struct op op = {.kind = OP_CONCAT};
    int in[OP_MAX_INPUTS], n = 0;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", 1), like.rank, &op.u.axis.axis);
    y.dim[op.u.axis.axis] = 0;
    for (int i = 0; i < c->node->n_in && !err; i++) {
        int t = lower_in(c, i);
        if (n == OP_MAX_INPUTS) {
            err = lower_emit(c, &op, in, n, &y, 1, &in[0]);
            n = 1;
        }
        if (!err)
            err = add_concat_input(c, op.u.axis.axis, &like, &t, &y.dim[op.u.axis.axis]);
        in[n++] = t;
    }
    if (err)
        return err;
    if (n == 1) {
        lower_bind(c, 0, in[0]);
        return CQ_OK;
    }
    return lower_emit1(c, &op, in, n, &y);
}

static enum cq_err split_sizes(struct lower *c, int64_t total, int64_t *sizes)
{
    int n = c->node->n_out, count;
    int64_t left = total, given[OP_MAX_OUTPUTS];
    const int64_t *attr = node_ints(c->node, "split", &count);
    if (attr && count == n) {
        memcpy(given, attr, (size_t) n * sizeof *given);
    } else if (lower_in(c, 1) >= 0) {
        if (!lower_const_ints(c, 1, given, OP_MAX_OUTPUTS, &count))
            return lower_later(c, 1, "split");
    } else {
        count = n;
        for (int i = 0; i < n; i++)      /* equal parts, the last one smaller */
            given[i] = (total + n - 1) / n < left ? (total + n - 1) / n : left, left -= given[i];
    }
    left = total;
    for (int i = 0; i < n && count == n; i++) {
        sizes[i] = given[i];
        left = sizes[i] < 0 || sizes[i] > left ? -1 : left - sizes[i];
        if (left < 0)
            break;
    }
    return count == n && left == 0 ? CQ_OK : lower_fail(c, "its sizes do not add up to %lld", (long long) total);
}

static enum cq_err lower_split(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y[OP_MAX_OUTPUTS];
    struct op op = {.kind = OP_SPLIT};
    int64_t sizes[OP_MAX_OUTPUTS];
    int in = lower_in(c, 0), out[OP_MAX_OUTPUTS], n = c->node->n_out;
    enum cq_err err = need_input(c);
    if (!err && (n < 1 || n > OP_MAX_OUTPUTS))
        err = lower_fail(c, "splits into %d parts; at most %d are supported", n, OP_MAX_OUTPUTS);
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &op.u.axis.axis);
    if (!err)
        err = split_sizes(c, x.dim[op.u.axis.axis], sizes);
    for (int i = 0; i < n && !err; i++) {
        y[i] = x;
        y[i].dim[op.u.axis.axis] = sizes[i];
    }
    if (!err)
        err = lower_emit(c, &op, &in, 1, y, n, out);
    for (int i = 0; i < n && !err; i++)
        lower_bind(c, i, out[i]);
    return err;
}

/* ---- Slice ---- */

struct slice_args {
    int n;
    int64_t start[TENSOR_MAX_RANK], end[TENSOR_MAX_RANK], axes[TENSOR_MAX_RANK], steps[TENSOR_MAX_RANK];
};

static enum cq_err read_slice(struct lower *c, int rank, struct slice_args *s)
{
    int n_end, n_axes, n_steps;
    bool old = c->opset < 10;
    enum cq_err err = lower_ints(c, "starts", old ? -1 : 1, s->start, &s->n);
    if (!err)
        err = lower_ints(c, "ends", old ? -1 : 2, s->end, &n_end);
    if (!err)
        err = lower_ints(c, "axes", old ? -1 : 3, s->axes, &n_axes);
    if (!err)
        err = lower_ints(c, "steps", old ? -1 : 4, s->steps, &n_steps);
    if (err)
        return err;
    if (s->n < 0 || s->n > rank || n_end != s->n || (n_axes >= 0 && n_axes != s->n) ||
        (n_steps >= 0 && n_steps != s->n))
        return lower_fail(c, "starts, ends, axes and steps do not belong together");
    for (int i = 0; i < s->n; i++) {
        s->axes[i] = n_axes < 0 ? i : s->axes[i];
        s->steps[i] = n_steps < 0 ? 1 : s->steps[i];
    }
    return CQ_OK;
}

static int64_t clamp_index(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Negative starts and ends count from the end; ends beyond the tensor mean its edge. */
static int64_t slice_count(int64_t dim, int64_t step, int64_t *start, int64_t end)
{
    int64_t from = *start < 0 ? (*start < -dim ? -1 : *start + dim) : *start;
    int64_t to = end < 0 ? (end < -dim ? -1 : end + dim) : end;
    if (step > 0) {
        *start = clamp_index(from, 0, dim);
        to = clamp_index(to, 0, dim);
        return to > *start ? (to - *start - 1) / step + 1 : 0;
    }
    *start = clamp_index(from, dim ? 0 : -1, dim - 1);
    to = clamp_index(to, -1, dim - 1);
    return *start > to ? (*start - to - 1) / -step + 1 : 0;
}

static enum cq_err lower_slice(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    struct op op = {.kind = OP_SLICE};
    struct slice_args s;
    struct batch_place place;
    bool whole = true;
    int in = lower_in(c, 0);
    enum cq_err err = need_input(c);
    if (!err)
        err = read_slice(c, x.rank, &s);
    for (int i = 0; i < x.rank; i++)
        op.u.slice.step[i] = 1;
    for (int i = 0; i < s.n && !err; i++) {
        int axis;
        err = lower_axis(c, s.axes[i], x.rank, &axis);
        if (!err && (s.steps[i] == 0 || s.steps[i] == INT64_MIN))
            err = lower_fail(c, "has a step of 0");
        if (err)
            break;
        /* "all of the exported batch" means all of this one */
        bool whole_batch = batch_find(c, 0, &place) && place.dim == axis && s.start[i] == 0 && s.steps[i] == 1 &&
                           s.end[i] == x.dim[axis] / place.factor;
        if (whole_batch)
            continue;
        y.dim[axis] = slice_count(x.dim[axis], s.steps[i], &s.start[i], s.end[i]);
        op.u.slice.start[axis] = s.start[i];
        op.u.slice.step[axis] = s.steps[i];
        whole = whole && s.steps[i] == 1 && y.dim[axis] == x.dim[axis];
    }
    if (err)
        return err;
    if (whole) {
        lower_bind(c, 0, in);
        return CQ_OK;
    }
    return lower_emit1(c, &op, &in, 1, &y);
}

/* ---- Transpose, Expand, Tile ---- */

static enum cq_err lower_transpose(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    struct op op = {.kind = OP_TRANSPOSE};
    int in = lower_in(c, 0), count;
    unsigned seen = 0;
    const int64_t *perm = node_ints(c->node, "perm", &count);
    enum cq_err err = need_input(c);
    if (!err && perm && count != x.rank)
        err = lower_fail(c, "perm has %d entries for %d dimensions", count, x.rank);
    for (int i = 0; i < x.rank && !err; i++) {
        int from;
        err = lower_axis(c, perm ? perm[i] : x.rank - 1 - i, x.rank, &from);
        if (err)
            break;
        op.u.perm[i] = from;
        seen |= 1u << from;
        y.dim[i] = x.dim[from];
    }
    if (!err && seen != (1u << x.rank) - 1)
        err = lower_fail(c, "perm names a dimension twice");
    return err ? err : lower_emit1(c, &op, &in, 1, &y);
}

/* A size as exported, in the dimension that the batch has made larger. */
static void grow_size(const struct lower *c, const struct tensor_desc *x, struct tensor_desc *to)
{
    struct batch_place place;
    if (!batch_find(c, 0, &place) || !batch_baked(c, 1) || place.dim + to->rank < x->rank)
        return;
    int64_t *size = &to->dim[place.dim + to->rank - x->rank];
    if (*size == x->dim[place.dim] / place.factor)
        *size = x->dim[place.dim];
}

static enum cq_err lower_expand(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), to = {.type = x.type}, y;
    int in = lower_in(c, 0), n;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "shape", 1, to.dim, &n);
    if (!err && n < 0)
        err = lower_fail(c, "has no shape");
    if (err)
        return err;
    to.rank = n;
    grow_size(c, &x, &to);
    if (!broadcast(&x, &to, &y))
        return lower_fail(c, "its input does not broadcast to the shape");
    if (tensor_same_shape(&x, &y)) {
        lower_bind(c, 0, in);
        return CQ_OK;
    }
    return lower_emit1(c, &(struct op){.kind = OP_EXPAND}, &in, 1, &y);
}

static enum cq_err lower_tile(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    int64_t repeats[TENSOR_MAX_RANK];
    int in = lower_in(c, 0), n;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "repeats", 1, repeats, &n);
    if (!err && n != x.rank)
        err = lower_fail(c, "repeats do not match its input");
    for (int i = 0; i < x.rank && !err; i++)
        if (repeats[i] < 0 || __builtin_mul_overflow(x.dim[i], repeats[i], &y.dim[i]))
            err = lower_fail(c, "its result would be impossibly large");
    return err ? err : lower_emit1(c, &(struct op){.kind = OP_TILE}, &in, 1, &y);
}

/* ---- Gather, DepthToSpace ---- */

/* Constant indices, as exported, into a dimension that holds the images of a batch one after another (a flattened
 * tensor seen in strides): each image reads its own part. */
static int indices_per_image(struct build *b, int axis, int indices)
{
    struct batch_place place;
    struct tensor_desc d = build_desc(b, indices);
    if (!batch_find(b->c, 0, &place) || place.dim != axis || place.before != 1 || !batch_baked(b->c, 1) ||
        d.rank < 1 || d.dim[0] != 1)
        return indices;
    int part = build_scalar(b, DT_I64, (double) batch_base(b->c, 0).dim[axis]);
    int offset = build_binary(b, BIN_MUL, build_counting(b, place.factor, d.rank, 0), part);
    return build_binary(b, BIN_ADD, offset, build_cast(b, indices, DT_I64));
}

static enum cq_err lower_gather(struct lower *c)
{
    struct build b = {c};
    int in[2] = {lower_in(c, 0), lower_in(c, 1)};
    struct tensor_desc x = lower_desc(c, 0), index, y = {.type = x.type};
    struct op op = {.kind = OP_GATHER};
    enum cq_err err = need_input(c);
    if (!err && lower_in(c, 1) < 0)
        err = lower_fail(c, "has no indices");
    if (!err)
        err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &op.u.axis.axis);
    if (err)
        return err;
    in[1] = indices_per_image(&b, op.u.axis.axis, in[1]);
    if (b.err)
        return b.err;
    index = build_desc(&b, in[1]);
    if (x.rank < 1 || x.rank - 1 + index.rank > TENSOR_MAX_RANK)
        return lower_fail(c, "its result would have too many dimensions");
    for (int i = 0; i < op.u.axis.axis; i++)
        y.dim[y.rank++] = x.dim[i];
    for (int i = 0; i < index.rank; i++)
        y.dim[y.rank++] = index.dim[i];
    for (int i = op.u.axis.axis + 1; i < x.rank; i++)
        y.dim[y.rank++] = x.dim[i];
    return lower_emit1(c, &op, in, 2, &y);
}

static enum cq_err lower_gather_elements(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = lower_desc(c, 1);
    struct op op = {.kind = OP_GATHER_ELEMENTS};
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || x.rank != y.rank || x.rank < 1)
        return lower_fail(c, "its indices do not match its input");
    y.type = x.type;
    enum cq_err err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &op.u.axis.axis);
    for (int i = 0; i < x.rank && !err; i++)
        if (i != op.u.axis.axis && y.dim[i] > x.dim[i])
            err = lower_fail(c, "its indices are larger than its input");
    return err ? err : lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1)}, 2, &y);
}

/* Channels in the order [C, b, b]: a place in the block is the last part of a channel's number. */
static enum cq_err space_to_depth_crd(struct lower *c, const struct tensor_desc *x, int64_t b, const int64_t *y)
{
    struct build s = {c};
    const int64_t cut[] = {x->dim[0], x->dim[1], x->dim[2] / b, b, x->dim[3] / b, b};
    int blocks = build_view(&s, build_in(&s, 0), 6, cut);
    return build_bind(&s, 0, build_view(&s, build_transpose(&s, blocks, (int[]){0, 1, 3, 5, 2, 4}), 4, y));
}

static enum cq_err lower_depth_to_space(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = x;
    bool to_space = c->variant == OP_DEPTH_TO_SPACE;
    int64_t b = node_int(c->node, "blocksize", 0);
    int in = lower_in(c, 0);
    if (in < 0 || x.rank != 4 || b < 1 || b > 1024)
        return lower_fail(c, "needs 4 dimensions and a block size");
    if (to_space ? x.dim[1] % (b * b) : x.dim[2] % b || x.dim[3] % b)
        return lower_fail(c, "its input does not divide into blocks of %lld", (long long) b);
    y.dim[1] = to_space ? x.dim[1] / (b * b) : x.dim[1] * b * b;
    y.dim[2] = to_space ? x.dim[2] * b : x.dim[2] / b;
    y.dim[3] = to_space ? x.dim[3] * b : x.dim[3] / b;
    struct op op = {.kind = (enum op_kind) c->variant, .u.axis.axis = (int) b};
    op.u.axis.flag = !strcmp(node_string(c->node, "mode", "DCR"), "CRD");
    if (op.u.axis.flag && !to_space)
        return space_to_depth_crd(c, &x, b, y.dim);
    return lower_emit1(c, &op, &in, 1, &y);
}

const struct lower_op lower_ops_move[] = {
    {"Concat", lower_concat, 0},
    {"Split", lower_split, 0},
    {"Slice", lower_slice, 0},
    {"Transpose", lower_transpose, 0},
    {"Expand", lower_expand, 0},
    {"Tile", lower_tile, 0},
    {"Gather", lower_gather, 0},
    {"GatherElements", lower_gather_elements, 0},
    {"DepthToSpace", lower_depth_to_space, OP_DEPTH_TO_SPACE},
    {"SpaceToDepth", lower_depth_to_space, OP_SPACE_TO_DEPTH},
    {0},
};
