/* Operators that move no data: other shapes for the same elements, constants, and questions about shapes.
 *
 * Shapes are concrete, so Shape and its like are constants. A reshape by one that holds the batch size is right
 * as it stands, while one by a baked constant must be grown (batch.h).
 */
#include <stdlib.h>
#include <string.h>

#include "stages/infer/batch.h"
#include "stages/infer/build.h"
#include "stages/infer/onnx.h"

/* ---- views ---- */

static enum cq_err bind_view(struct lower *c, const struct tensor_desc *y)
{
    int out;
    enum cq_err err = lower_view(c, lower_in(c, 0), y, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

/* `as_written` is what the node says, possibly for another batch size; `exact` where it holds for any if it fits. */
static enum cq_err emit_view(struct lower *c, const struct tensor_desc *as_written, bool exact)
{
    struct tensor_desc grown, x = lower_desc(c, 0);
    int64_t inner = 0;
    bool fits = tensor_elems(as_written) == tensor_elems(&x);
    if (!batch_reshape(c, fits ? as_written : NULL, &grown, &inner) ||
        (fits && exact && !tensor_same_shape(as_written, &grown)))
        return bind_view(c, as_written);
    enum cq_err err = bind_view(c, &grown);
    if (!err)
        c->net->tensors[c->tensor_of[c->node->out[0]]].batch_inner = inner;
    return err;
}

static enum cq_err need_input(struct lower *c)
{
    return lower_in(c, 0) < 0 ? lower_fail(c, "has no input") : CQ_OK;
}

static enum cq_err lower_identity(struct lower *c)
{
    enum cq_err err = need_input(c);
    if (!err)
        lower_bind(c, 0, lower_in(c, 0));
    return err;
}

/* 0 copies the input's dimension, one -1 takes what is left; false when nothing can be left for it. */
static bool resolve_reshape(const struct lower *c, const struct tensor_desc *x, const int64_t *to, int n,
                            struct tensor_desc *y)
{
    bool allow_zero = node_int(c->node, "allowzero", 0);
    int64_t known = 1, total = tensor_elems(x);
    int open = -1;
    *y = (struct tensor_desc){.type = x->type, .rank = n};
    for (int i = 0; i < n; i++) {
        y->dim[i] = to[i] == 0 && !allow_zero && i < x->rank ? x->dim[i] : to[i];
        if (to[i] == -1 && open < 0) {
            open = i;
            continue;
        }
        if (y->dim[i] < 0 || __builtin_mul_overflow(known, y->dim[i], &known))
            return false;
    }
    if (open >= 0) {
        if (known == 0 || total % known)
            return false;
        y->dim[open] = total / known;
    }
    return true;
}

static enum cq_err lower_reshape(struct lower *c)
{
    int64_t to[TENSOR_MAX_RANK];
    int n;
    int64_t inner;
    struct tensor_desc x = lower_desc(c, 0), y, grown;
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "shape", 1, to, &n);
    if (!err && n < 0)
        err = lower_fail(c, "has no shape");
    if (err)
        return err;
    if (!resolve_reshape(c, &x, to, n, &y)) {
        char text[TENSOR_TEXT_SIZE];
        if (!batch_reshape(c, NULL, &grown, &inner))
            return lower_fail(c, "%s does not divide into the new shape", tensor_text(&x, text));
        y = grown;
    }
    return emit_view(c, &y, !batch_baked(c, 1));
}

static enum cq_err lower_flatten(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), y = {.type = x.type, .rank = 2, .dim = {1, 1}};
    int64_t axis = node_int(c->node, "axis", 1);
    if (axis < -x.rank || axis > x.rank)
        return lower_fail(c, "axis %lld of a tensor with %d dimensions", (long long) axis, x.rank);
    if (axis < 0)
        axis += x.rank;
    for (int i = 0; i < x.rank; i++)
        y.dim[i >= axis] *= x.dim[i];
    enum cq_err err = need_input(c);
    return err ? err : emit_view(c, &y, axis > 0);
}

static enum cq_err axes_mask(struct lower *c, const int64_t *axes, int n, int rank, unsigned *mask)
{
    *mask = 0;
    for (int i = 0; i < n; i++) {
        int axis;
        enum cq_err err = lower_axis(c, axes[i], rank, &axis);
        if (err)
            return err;
        *mask |= 1u << axis;
    }
    return CQ_OK;
}

static enum cq_err lower_squeeze(struct lower *c)
{
    int64_t axes[TENSOR_MAX_RANK];
    int n;
    unsigned mask = 0;
    struct tensor_desc x = lower_desc(c, 0), y = {.type = x.type}, base = batch_base(c, 0);
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "axes", 1, axes, &n);
    if (!err && n >= 0)
        err = axes_mask(c, axes, n, x.rank, &mask);
    if (err)
        return err;
    for (int i = 0; i < x.rank; i++) {
        bool drop = n >= 0 ? mask >> i & 1 : base.type != DT_NONE ? base.dim[i] == 1 : x.dim[i] == 1;
        if (!drop)
            y.dim[y.rank++] = x.dim[i];
    }
    return emit_view(c, &y, true);
}

static enum cq_err lower_unsqueeze(struct lower *c)
{
    int64_t axes[TENSOR_MAX_RANK];
    int n;
    unsigned mask;
    struct tensor_desc x = lower_desc(c, 0), y = {.type = x.type};
    enum cq_err err = need_input(c);
    if (!err)
        err = lower_ints(c, "axes", 1, axes, &n);
    if (!err && (n < 0 || x.rank + n > TENSOR_MAX_RANK))
        err = lower_fail(c, "has no axes, or too many");
    if (!err)
        err = axes_mask(c, axes, n, x.rank + n, &mask);
    if (!err && __builtin_popcount(mask) != n)
        err = lower_fail(c, "names an axis twice");
    if (err)
        return err;
    for (int i = 0, from = 0; i < x.rank + n; i++)
        y.dim[y.rank++] = mask >> i & 1 ? 1 : x.dim[from++];
    return emit_view(c, &y, true);
}

/* The mask says that nothing was dropped; before opset 10 it had the input's type. */
static enum cq_err lower_dropout(struct lower *c)
{
    struct build b = {c};
    int64_t training = 0;
    int n, x = build_in(&b, 0);
    float ratio = 0.5f;
    struct tensor_desc d = build_desc(&b, x);
    if (lower_in(c, 2) >= 0 && !lower_const_ints(c, 2, &training, 1, &n))
        return lower_later(c, 2, "whether it trains");
    if (training && !(lower_const_float(c, 1, &ratio) && ratio == 0))
        return lower_fail(c, "drops values at random: export the model for inference, not for training");
    if (lower_has_output(c, 1)) {
        int kept = build_scalar(&b, c->opset < 10 ? d.type : DT_BOOL, 1);
        build_bind(&b, 1, build_expand(&b, kept, d.rank, d.dim));
    }
    return build_bind(&b, 0, x);
}

/* ---- constants ---- */

/* A vector of int64 that becomes the node's result. */
static enum cq_err bind_ints(struct lower *c, const int64_t *v, int n, int rank)
{
    struct tensor_desc d = {.type = DT_I64, .rank = rank, .dim = {n}};
    int t = lower_constant(c, &d, v);
    if (t < 0)
        return CQ_NOMEM;
    lower_bind(c, 0, t);
    return CQ_OK;
}

static enum cq_err lower_shape(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    int64_t start = node_int(c->node, "start", 0), end = node_int(c->node, "end", x.rank);
    start = start < 0 ? start + x.rank : start;
    end = end < 0 ? end + x.rank : end;
    start = start < 0 ? 0 : start > x.rank ? x.rank : start;
    end = end < start ? start : end > x.rank ? x.rank : end;
    enum cq_err err = need_input(c);
    return err ? err : bind_ints(c, x.dim + start, (int) (end - start), 1);
}

static enum cq_err lower_size(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0);
    int64_t n = tensor_elems(&x);
    enum cq_err err = need_input(c);
    return err ? err : bind_ints(c, &n, 1, 0);
}

static enum cq_err bind_floats(struct lower *c, const float *v, int n, int rank)
{
    struct tensor_desc d = {.type = DT_F32, .rank = rank, .dim = {n}};
    int t = lower_constant(c, &d, v);
    lower_bind(c, 0, t);
    return t < 0 ? CQ_NOMEM : CQ_OK;
}

static enum cq_err lower_constant_node(struct lower *c)
{
    const struct attr *a = c->node->n_attr ? &c->node->attr[0] : NULL;
    if (a && a->kind == ATTR_TENSOR && !strcmp(a->name, "value")) {
        int t = net_tensor(c->net, c->node->name, &a->tensor.desc);
        if (t < 0)
            return CQ_NOMEM;
        c->net->tensors[t].data = a->tensor.data;
        lower_bind(c, 0, t);
        return CQ_OK;
    }
    if (a && a->kind == ATTR_INT && !strcmp(a->name, "value_int"))
        return bind_ints(c, &a->i, 1, 0);
    if (a && a->kind == ATTR_INTS && !strcmp(a->name, "value_ints"))
        return bind_ints(c, a->ints, a->n, 1);
    if (a && a->kind == ATTR_FLOAT && !strcmp(a->name, "value_float"))
        return bind_floats(c, &a->f, 1, 0);
    if (a && a->kind == ATTR_FLOATS && !strcmp(a->name, "value_floats"))
        return bind_floats(c, a->floats, a->n, 1);
    return lower_fail(c, "its value is neither numbers nor a dense tensor");
}

static enum cq_err lower_constant_of_shape(struct lower *c)
{
    const struct attr *a = node_attr(c->node, "value");
    int n, shape = lower_in(c, 0), x;
    struct tensor_desc y = {.type = DT_F32};
    if (shape < 0 || !lower_const_ints(c, 0, y.dim, TENSOR_MAX_RANK, &n))
        return lower_later(c, 0, "its shape");
    y.rank = n;
    if (a && a->kind == ATTR_TENSOR && tensor_elems(&a->tensor.desc) == 1) {
        y.type = a->tensor.desc.type;
        x = lower_constant(c, &(struct tensor_desc){.type = y.type}, a->tensor.data);
    } else {
        x = lower_constant_float(c, 0);
    }
    if (x < 0)
        return CQ_NOMEM;
    return lower_emit1(c, &(struct op){.kind = OP_EXPAND}, &x, 1, &y);
}

/* Numbers from start to limit, in the inputs' type; computed in double, which holds every index exactly. */
static enum cq_err lower_range(struct lower *c)
{
    double v[3];
    struct tensor_desc d = lower_desc(c, 0);
    for (int i = 0; i < 3; i++) {
        int64_t n;
        float f;
        int count;
        if (lower_const_ints(c, i, &n, 1, &count) && count == 1)
            v[i] = (double) n;
        else if (lower_const_float(c, i, &f))
            v[i] = lower_desc(c, i).type == DT_F64 ? *(const double *) lower_data(c, i) : (double) f;
        else
            return lower_later(c, i, "its limits");
    }
    double steps = v[2] != 0 ? (v[1] - v[0]) / v[2] : -1;
    int64_t n = steps > 0 && steps < 1e9 ? (int64_t) steps + (steps > (double) (int64_t) steps) : 0;
    bool whole = d.type == DT_I64 || d.type == DT_I32;
    if (steps >= 1e9 || (!whole && d.type != DT_F32 && d.type != DT_F64))
        return lower_fail(c, "counts too far, or in a type that is not supported");

    d = (struct tensor_desc){.type = d.type, .rank = 1, .dim = {n}};
    void *out = net_constant_room(c->net, tensor_bytes(&d));
    int t = out ? net_tensor(c->net, c->node->name, &d) : -1;
    if (t < 0)
        return CQ_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        double x = v[0] + (double) i * v[2];
        switch (d.type) {
        case DT_I64: ((int64_t *) out)[i] = (int64_t) x; break;
        case DT_I32: ((int32_t *) out)[i] = (int32_t) x; break;
        case DT_F64: ((double *) out)[i] = x; break;
        default:     ((float *) out)[i] = (float) x; break;
        }
    }
    c->net->tensors[t].data = out;
    lower_bind(c, 0, t);
    return CQ_OK;
}

const struct lower_op lower_ops_view[] = {
    {"Identity", lower_identity, 0},
    {"Dropout", lower_dropout, 0},
    {"Reshape", lower_reshape, 0},
    {"Flatten", lower_flatten, 0},
    {"Squeeze", lower_squeeze, 0},
    {"Unsqueeze", lower_unsqueeze, 0},
    {"Shape", lower_shape, 0},
    {"Size", lower_size, 0},
    {"Constant", lower_constant_node, 0},
    {"ConstantOfShape", lower_constant_of_shape, 0},
    {"Range", lower_range, 0},
    {0},
};
