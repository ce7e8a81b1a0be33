/* (x - mean) / sqrt(variance + epsilon) over the last dimensions, then perhaps times a scale and plus a bias, is layer
 * normalisation: so exporters write it for opsets that have no LayerNormalization.
 *
 * The quotient becomes the normalisation with a scale of ones; a product and a sum with constants behind it then put
 * theirs in its place.
 */
#include <string.h>

#include "stages/infer/pass.h"

static struct step *maker(const struct rewrite *r, int t, enum op_kind kind)
{
    struct step *s = t >= 0 && r->makers[t] >= 0 ? &r->net->steps[r->makers[t]] : NULL;
    return s && s->op.kind == kind && !s->dead && !s->op.act ? s : NULL;
}

static bool is_mean(const struct step *s, uint32_t axes)
{
    return s && s->op.u.reduce.fn == RED_MEAN && s->op.u.reduce.keepdims && s->op.u.reduce.axes == axes;
}

/* The first of the dimensions, which must be the last ones; -1 otherwise. */
static int first_axis(uint32_t axes, int rank)
{
    int first = 0;
    while (first < rank && !(axes >> first & 1))
        first++;
    return first < rank && axes == (1u << rank) - (1u << first) ? first : -1;
}

/* variance + epsilon under the root: the reduction that makes the variance, and epsilon. */
static struct step *variance_of(const struct rewrite *r, int root, float *epsilon)
{
    struct step *sqrt = rewrite_only_source(r, root, OP_UNARY);
    struct step *add = sqrt && sqrt->op.u.unary == UN_SQRT ? rewrite_only_source(r, sqrt->in[0], OP_BINARY) : NULL;
    if (!add || add->op.u.binary != BIN_ADD || add->op.act)
        return NULL;
    int i = rewrite_scalar(r, add->in[0], epsilon) ? 1 : 0;
    return i || rewrite_scalar(r, add->in[1], epsilon) ? rewrite_only_source(r, add->in[i], OP_REDUCE) : NULL;
}

/* Does `t`, read by nobody else, hold the squares of d? *readers: how often d is read in all. */
static bool is_square(const struct rewrite *r, int t, int d, int *readers)
{
    const struct step *s = rewrite_only_source(r, t, OP_BINARY);
    float two;
    if (!s || s->op.act || s->in[0] != d)
        return false;
    bool product = s->op.u.binary == BIN_MUL && s->in[1] == d;
    *readers = product ? 3 : 2;
    return product || (s->op.u.binary == BIN_POW && rewrite_scalar(r, s->in[1], &two) && two == 2);
}

static enum cq_err become_norm(struct rewrite *r, struct step *s, int x, int axis, float epsilon)
{
    const struct tensor_desc *d = &r->net->tensors[x].desc;
    struct tensor_desc shape = {.type = DT_F32};
    float *ones;
    for (int i = axis; i < d->rank; i++)
        shape.dim[shape.rank++] = d->dim[i];
    int scale = rewrite_constant(r, &shape, &ones);
    int *in = pool_alloc(&r->net->pool, 3, sizeof *in);
    if (scale < 0 || !in)
        return CQ_NOMEM;
    for (int64_t i = 0; i < tensor_elems(&shape); i++)
        ones[i] = 1;
    in[0] = x;
    in[1] = scale;
    in[2] = -1;
    r->uses[s->in[0]]--;
    r->uses[x]++;
    s->in = in;
    s->n_in = 2;
    s->op = (struct op){.kind = OP_LAYER_NORM, .u.norm = {.epsilon = epsilon, .axis = axis}};
    return CQ_OK;
}

/* The sweep removes what nobody reads any more: mean, difference, squares, variance. */
static enum cq_err fuse_quotient(struct rewrite *r, struct step *s)
{
    float epsilon;
    int d = s->in[0], readers;
    struct step *variance = variance_of(r, s->in[1], &epsilon), *sub = maker(r, d, OP_BINARY);
    if (!variance || !sub || sub->op.u.binary != BIN_SUB || !is_square(r, variance->in[0], d, &readers) ||
        r->uses[d] != readers)
        return CQ_OK;
    int x = sub->in[0];
    struct step *mean = rewrite_only_source(r, sub->in[1], OP_REDUCE);
    const struct tensor_desc *desc = &r->net->tensors[x].desc;
    int axis = mean ? first_axis(mean->op.u.reduce.axes, desc->rank) : -1;
    if (axis < 0 || tensor_elems(desc) < 1 || desc->type != DT_F32 || mean->in[0] != x || !is_mean(mean, mean->op.u.reduce.axes) ||
        !is_mean(variance, mean->op.u.reduce.axes))
        return CQ_OK;
    return become_norm(r, s, x, axis, epsilon);
}

/* Has the constant t the shape of the normalised dimensions, but for ones in front? */
static bool fits(const struct rewrite *r, int t, const struct tensor_desc *shape)
{
    const struct tensor_desc *d = t >= 0 ? &r->net->tensors[t].desc : NULL;
    if (!rewrite_floats(r, t) || d->rank < shape->rank || tensor_elems(d) != tensor_elems(shape))
        return false;
    for (int i = 0; i < shape->rank; i++)
        if (d->dim[d->rank - shape->rank + i] != shape->dim[i])
            return false;
    return true;
}

static bool is_ones(const struct rewrite *r, int t)
{
    const float *v = rewrite_floats(r, t);
    for (int64_t i = 0; v && i < tensor_elems(&r->net->tensors[t].desc); i++)
        if (v[i] != 1)
            return false;
    return v;
}

/* norm * scale, norm + bias: `slot` is the input of the norm that the constant t becomes. */
static enum cq_err put_constant(struct rewrite *r, struct step *norm, int slot, int t)
{
    struct tensor_desc shape = r->net->tensors[norm->in[1]].desc;
    float *copy;
    int c = rewrite_constant(r, &shape, &copy), *in = pool_alloc(&r->net->pool, 3, sizeof *in);
    if (c < 0 || !in)
        return CQ_NOMEM;
    memcpy(copy, rewrite_floats(r, t), tensor_bytes(&shape));
    in[0] = norm->in[0];
    in[1] = norm->in[1];
    in[slot] = c;
    norm->in = in;
    norm->n_in = slot + 1;
    return CQ_OK;
}

static enum cq_err fuse_affine(struct rewrite *r, struct step *s)
{
    int slot = s->op.u.binary == BIN_MUL ? 1 : 2;
    for (int i = 0; i < 2; i++) {
        struct step *norm = rewrite_only_source(r, s->in[i], OP_LAYER_NORM);
        const struct tensor *all = r->net->tensors;
        if (!norm || norm->n_in != 2 || (slot == 1 && !is_ones(r, norm->in[1])) ||
            !fits(r, s->in[1 - i], &all[norm->in[1]].desc) ||
            !tensor_same_shape(&all[s->out[0]].desc, &all[norm->out[0]].desc))
            continue;
        enum cq_err err = put_constant(r, norm, slot, s->in[1 - i]);
        if (!err)
            rewrite_take_output(r, norm, s);
        return err;
    }
    return CQ_OK;
}

static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    for (int n = 0; n < r->net->n_steps && !err; n++) {
        struct step *s = &r->net->steps[n];
        if (s->dead || s->op.kind != OP_BINARY || s->op.act)
            continue;
        if (s->op.u.binary == BIN_DIV)
            err = fuse_quotient(r, s);
        else if (s->op.u.binary == BIN_MUL || s->op.u.binary == BIN_ADD)
            err = fuse_affine(r, s);
    }
    return err;
}

const struct pass pass_layer_norm = {.name = "layer_norm", .run = run};
