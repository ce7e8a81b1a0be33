/* Pad in all its modes. What negative pads take away goes first, so that the other modes repeat what is left. */
#include <string.h>

#include "stages/infer/build.h"

static enum cq_err read_pads(struct lower *c, int rank, int64_t *begin, int64_t *end)
{
    int64_t pads[2 * TENSOR_MAX_RANK], axes[TENSOR_MAX_RANK];
    int n, n_axes;
    const char *name = c->opset < 2 ? "paddings" : "pads";
    const int64_t *attr = node_ints(c->node, name, &n);
    if (attr && n <= 2 * TENSOR_MAX_RANK)
        memcpy(pads, attr, (size_t) n * sizeof *pads);
    else if (attr || !lower_const_ints(c, 1, pads, 2 * TENSOR_MAX_RANK, &n))
        return lower_later(c, 1, "pads");
    enum cq_err err = lower_ints(c, "axes", 3, axes, &n_axes);
    if (err)
        return err;
    int dims = n_axes < 0 ? rank : n_axes;
    if (n != 2 * dims)
        return lower_fail(c, "has %d pads for %d dimensions", n, dims);
    for (int i = 0; i < 2 * dims; i++)
        if (pads[i] < -INT32_MAX || pads[i] > INT32_MAX)
            return lower_fail(c, "its pads are impossible");
    for (int i = 0; i < dims; i++) {
        int axis = i;
        if (n_axes >= 0 && (err = lower_axis(c, axes[i], rank, &axis)))
            return err;
        begin[axis] = pads[i];
        end[axis] = pads[dims + i];
    }
    return CQ_OK;
}

static enum cq_err read_mode(const struct lower *c, enum pad_mode *out)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    int mode = node_choice(c->node, "mode", "constant", modes);
    if (mode < 0)
        return lower_fail(c, "mode '%s' is not supported", node_string(c->node, "mode", ""));
    *out = (enum pad_mode) mode;
    return CQ_OK;
}

/* The value to pad with, -1 for zero: an input, or an attribute before opset 11. */
static int pad_value(struct build *b, enum dtype type)
{
    const struct lower *c = b->c;
    int value = lower_in(c, 2);
    if (value < 0)
        return node_attr(c->node, "value") ? build_scalar(b, type, node_float(c->node, "value", 0)) : -1;
    struct tensor_desc d = build_desc(b, value);
    if (!b->err && (d.type != type || tensor_elems(&d) != 1))
        b->err = lower_fail(c, "its value is not one %s", dtype_name(type));
    return value;
}

static int crop(struct build *b, int x, int64_t *begin, int64_t *end)
{
    struct tensor_desc d = build_desc(b, x);
    for (int i = 0; i < d.rank && !b->err; i++) {
        int64_t first = begin[i] < 0 ? -begin[i] : 0, last = d.dim[i] + (end[i] < 0 ? end[i] : 0);
        if (first >= last && (begin[i] > 0 || end[i] > 0))
            b->err = lower_fail(b->c, "has nothing to repeat in dimension %d", i);
        else
            x = build_slice(b, x, i, first, 1, last - first);
        begin[i] = begin[i] < 0 ? 0 : begin[i];
        end[i] = end[i] < 0 ? 0 : end[i];
    }
    return x;
}

static enum cq_err lower_pad(struct lower *c)
{
    struct build b = {c};
    struct op op = {.kind = OP_PAD};
    int64_t *begin = op.u.pad.begin, *end = op.u.pad.end;
    int in[2] = {build_in(&b, 0)};
    struct tensor_desc x = build_desc(&b, in[0]), y = x;
    if (!b.err)
        b.err = read_mode(c, &op.u.pad.mode);
    if (!b.err)
        b.err = read_pads(c, x.rank, begin, end);
    for (int i = 0; i < x.rank && !b.err; i++)
        if (__builtin_add_overflow(y.dim[i], begin[i] + end[i], &y.dim[i]) || y.dim[i] < 0)
            b.err = lower_fail(c, "its pads are impossible");
    if (!b.err && op.u.pad.mode != PAD_CONSTANT)
        in[0] = crop(&b, in[0], begin, end);
    if (!b.err)
        in[1] = pad_value(&b, x.type);
    return build_bind(&b, 0, build_step(&b, &op, in, in[1] >= 0 ? 2 : 1, &y));
}

const struct lower_op lower_ops_pad[] = {
    {"Pad", lower_pad, 0},
    {0},
};
