/* See build.h. */
#include "stages/infer/build.h"

#include <string.h>

static int fail(struct build *b, enum cq_err err)
{
    b->err = b->err ? b->err : err;
    return -1;
}

int build_in(struct build *b, int i)
{
    int t = b->err ? -1 : lower_in(b->c, i);
    if (t < 0 && !b->err)
        return fail(b, lower_fail(b->c, "has no input %d", i));
    return t;
}

struct tensor_desc build_desc(const struct build *b, int tensor)
{
    return b->err || tensor < 0 ? (struct tensor_desc){0} : b->c->net->tensors[tensor].desc;
}

enum cq_err build_bind(struct build *b, int i, int tensor)
{
    if (!b->err)
        lower_bind(b->c, i, tensor);
    return b->err;
}

int build_room(struct build *b, const struct tensor_desc *d, void **data)
{
    *data = NULL;
    if (b->err)
        return -1;
    if (!desc_valid(d))
        return fail(b, lower_fail(b->c, "its result would be impossibly large"));
    void *room = net_constant_room(b->c->net, tensor_bytes(d));
    int t = room ? net_tensor(b->c->net, b->c->node->name, d) : -1;
    if (t < 0)
        return fail(b, CQ_NOMEM);
    b->c->net->tensors[t].data = *data = room;
    return t;
}

int build_constant(struct build *b, const struct tensor_desc *d, const void *data)
{
    void *room;
    int t = build_room(b, d, &room);
    if (room && tensor_bytes(d))
        memcpy(room, data, tensor_bytes(d));
    return t;
}

int build_scalar(struct build *b, enum dtype type, double v)
{
    return build_cast(b, build_constant(b, &(struct tensor_desc){.type = DT_F64}, &v), type);
}

int build_counting(struct build *b, int64_t n, int rank, int axis)
{
    struct tensor_desc d = {.type = DT_I64, .rank = rank};
    void *data;
    for (int i = 0; i < rank; i++)
        d.dim[i] = i == axis ? n : 1;
    int t = build_room(b, &d, &data);
    for (int64_t i = 0; data && i < n; i++)
        ((int64_t *) data)[i] = i;
    return t;
}

int build_step(struct build *b, const struct op *op, const int *in, int n_in, const struct tensor_desc *y)
{
    int out;
    if (b->err)
        return -1;
    enum cq_err err = lower_emit(b->c, op, in, n_in, y, 1, &out);
    return err ? fail(b, err) : out;
}

int build_unary(struct build *b, enum unary fn, int x)
{
    int out;
    enum cq_err err = b->err ? b->err : lower_make_unary(b->c, fn, 0, 0, x, &out);
    return err ? fail(b, err) : out;
}

int build_binary(struct build *b, enum binary fn, int x, int y)
{
    int out;
    enum cq_err err = b->err ? b->err : lower_make_binary(b->c, fn, x, y, &out);
    return err ? fail(b, err) : out;
}

int build_where(struct build *b, int cond, int x, int y)
{
    struct tensor_desc dc = build_desc(b, cond), dx = build_desc(b, x), dy = build_desc(b, y), out;
    if (b->err)
        return -1;
    if (!broadcast(&dx, &dy, &out) || !broadcast(&out, &dc, &out))
        return fail(b, lower_fail(b->c, "its inputs do not broadcast"));
    return build_step(b, &(struct op){.kind = OP_WHERE}, (int[]){cond, x, y}, 3, &out);
}

int build_cast(struct build *b, int x, enum dtype type)
{
    int out;
    enum cq_err err = b->err ? b->err : lower_make_cast(b->c, x, type, &out);
    return err ? fail(b, err) : out;
}

static struct tensor_desc without(const struct tensor_desc *x, uint32_t axes, bool keep)
{
    struct tensor_desc y = {.type = x->type};
    for (int i = 0; i < x->rank; i++) {
        bool gone = axes >> i & 1;
        if (!gone || keep)
            y.dim[y.rank++] = gone ? 1 : x->dim[i];
    }
    return y;
}

int build_reduce(struct build *b, enum reduce fn, int x, uint32_t axes, bool keep)
{
    struct tensor_desc d = build_desc(b, x), y = without(&d, axes, keep);
    struct op op = {.kind = OP_REDUCE, .u.reduce = {.fn = fn, .axes = axes, .keepdims = keep}};
    return build_step(b, &op, &x, 1, &y);
}

int build_arg_max(struct build *b, int x, int axis)
{
    struct tensor_desc d = build_desc(b, x), y = without(&d, 1u << axis, true);
    y.type = DT_I64;
    return build_step(b, &(struct op){.kind = OP_ARG, .u.axis.axis = axis}, &x, 1, &y);
}

int build_softmax(struct build *b, int x, int axis, bool log)
{
    struct tensor_desc d = build_desc(b, x);
    return build_step(b, &(struct op){.kind = OP_SOFTMAX, .u.axis = {axis, log}}, &x, 1, &d);
}

int build_transpose(struct build *b, int x, const int *perm)
{
    struct tensor_desc d = build_desc(b, x), y = d;
    struct op op = {.kind = OP_TRANSPOSE};
    bool moves = false;
    for (int i = 0; i < d.rank; i++) {
        op.u.perm[i] = perm[i];
        y.dim[i] = d.dim[perm[i]];
        moves = moves || perm[i] != i;
    }
    return moves ? build_step(b, &op, &x, 1, &y) : x;
}

int build_slice(struct build *b, int x, int axis, int64_t start, int64_t step, int64_t count)
{
    struct tensor_desc y = build_desc(b, x);
    struct op op = {.kind = OP_SLICE};
    if (start == 0 && step == 1 && count == y.dim[axis])
        return x;
    for (int i = 0; i < y.rank; i++)
        op.u.slice.step[i] = 1;
    op.u.slice.start[axis] = start;
    op.u.slice.step[axis] = step;
    y.dim[axis] = count;
    return build_step(b, &op, &x, 1, &y);
}

int build_matmul(struct build *b, int x, int y)
{
    int out;
    struct op op = {.kind = OP_MATMUL};
    enum cq_err err =
        b->err ? b->err : lower_make_matmul(b->c, &op, (int[]){x, y}, 2, build_desc(b, x).type, &out);
    return err ? fail(b, err) : out;
}

static struct tensor_desc reshaped(const struct build *b, int x, int rank, const int64_t *dim)
{
    struct tensor_desc d = {.type = build_desc(b, x).type, .rank = rank};
    memcpy(d.dim, dim, (size_t) rank * sizeof *dim);
    return d;
}

int build_view(struct build *b, int x, int rank, const int64_t *dim)
{
    struct tensor_desc now = build_desc(b, x), d = reshaped(b, x, rank, dim);
    int out;
    if (b->err || tensor_same_shape(&now, &d))
        return b->err ? -1 : x;
    enum cq_err err = lower_view(b->c, x, &d, &out);
    return err ? fail(b, err) : out;
}

int build_expand(struct build *b, int x, int rank, const int64_t *dim)
{
    struct tensor_desc now = build_desc(b, x), d = reshaped(b, x, rank, dim);
    return tensor_same_shape(&now, &d) ? x : build_step(b, &(struct op){.kind = OP_EXPAND}, &x, 1, &d);
}
