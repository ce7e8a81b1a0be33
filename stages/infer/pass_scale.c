/* Several additions, multiplications and so on in a row, each with one constant per position along a dimension or one
 * for all, are x*scale + shift: a batch normalisation without statistics. What a convolution takes is gone by now
 * (pass_affine.c).
 *
 * A batch normalisation has its constants along dimension 1. Where these lie further back and all dimensions in front
 * are 1, x is looked at as [1,C,..]. A layer normalisation of whole images in front takes scale and shift for nothing.
 */
#include <math.h>

#include "stages/infer/pass.h"

enum { MOST_STEPS = 8, MOST_CHANNELS = 1 << 16 };

struct chain {
    struct step *step[MOST_STEPS];       /* the last one first */
    int constant[MOST_STEPS];            /* which operand of each */
    int n, axis;                         /* axis: -1 while all constants are one for all */
};

static const struct tensor_desc *desc_of(const struct rewrite *r, int t)
{
    return &r->net->tensors[t].desc;
}

/* A constant with one value per position along dimension *axis of y, or one for all (-1). */
static bool is_along(const struct tensor_desc *k, const struct tensor_desc *y, int *axis)
{
    *axis = -1;
    for (int i = 0; i < k->rank; i++) {
        int at = i + y->rank - k->rank;
        if (k->dim[i] == 1)
            continue;
        if (*axis >= 0 || at < 0 || k->dim[i] != y->dim[at])
            return false;
        *axis = at;
    }
    return k->rank <= y->rank;
}

/* Is the step of such a form, along the chain's axis? Then it joins the chain. */
static bool join(const struct rewrite *r, struct chain *c, struct step *s)
{
    const struct tensor_desc *y = desc_of(r, s->out[0]);
    enum binary fn = s->op.u.binary;
    if (c->n == MOST_STEPS || (c->n && s->op.act) || fn > BIN_DIV || y->type != DT_F32)
        return false;
    for (int i = fn == BIN_DIV ? 1 : 0; i < 2; i++) {
        int axis;
        if (!rewrite_floats(r, s->in[i]) || !tensor_same_shape(desc_of(r, s->in[1 - i]), y) ||
            !is_along(desc_of(r, s->in[i]), y, &axis) || (axis >= 0 && c->axis >= 0 && axis != c->axis))
            continue;
        c->axis = axis >= 0 ? axis : c->axis;
        c->constant[c->n] = i;
        c->step[c->n++] = s;
        return true;
    }
    return false;
}

static struct chain find_chain(const struct rewrite *r, struct step *s)
{
    struct chain c = {.axis = -1};
    while (s && join(r, &c, s))
        s = rewrite_only_source(r, s->in[1 - c.constant[c.n - 1]], OP_BINARY);
    return c;
}

static void apply(const struct rewrite *r, const struct step *s, int constant, int64_t n, float *scale, float *shift)
{
    const float *k = rewrite_floats(r, s->in[constant]);
    bool one = tensor_elems(desc_of(r, s->in[constant])) == 1;
    for (int64_t i = 0; i < n; i++) {
        float v = k[one ? 0 : i];
        switch (s->op.u.binary) {
        case BIN_ADD: shift[i] += v; break;
        case BIN_MUL: scale[i] *= v; shift[i] *= v; break;
        case BIN_DIV: scale[i] /= v; shift[i] /= v; break;
        default:
            scale[i] = constant ? scale[i] : -scale[i];
            shift[i] = constant ? shift[i] - v : v - shift[i];
        }
    }
}

/* A constant of n equal numbers; its values in *data. */
static int all(struct rewrite *r, int64_t n, float value, float **data)
{
    int t = rewrite_constant(r, &(struct tensor_desc){.type = DT_F32, .rank = 1, .dim = {n}}, data);
    for (int64_t i = 0; i < n && t >= 0; i++)
        (*data)[i] = value;
    return t;
}

static bool is_finite(const float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

/* The last step becomes the normalisation, and *done true; not where a constant would be infinite, which x alone decides
 * when the steps are taken one by one. */
static enum cq_err become_norm(struct rewrite *r, const struct chain *c, int64_t n, bool *done)
{
    struct step *last = c->step[0], *first = c->step[c->n - 1];
    float *data[4];
    int *in = pool_alloc(&r->net->pool, 5, sizeof *in);
    if (!in)
        return CQ_NOMEM;
    in[0] = first->in[1 - c->constant[c->n - 1]];
    for (int i = 0; i < 4; i++)
        if ((in[1 + i] = all(r, n, i == 0 || i == 3, &data[i])) < 0)     /* scale, shift, mean, variance */
            return CQ_NOMEM;
    for (int i = c->n - 1; i >= 0; i--)
        apply(r, c->step[i], c->constant[i], n, data[0], data[1]);
    *done = is_finite(data[0], n) && is_finite(data[1], n);
    if (!*done)
        return CQ_OK;
    for (int i = 1; i < c->n; i++)
        c->step[i]->dead = true;
    last->op.kind = OP_BATCH_NORM;
    last->op.u.norm.epsilon = 0;
    last->op.u.norm.axis = 0;
    last->in = in;
    last->n_in = 5;
    return CQ_OK;
}

/* Reads and writes through views [1,C,..] from dimension `axis` on. */
static enum cq_err look_from(struct rewrite *r, int n, int axis)
{
    struct net *net = r->net;
    struct step s = net->steps[n];
    struct tensor_desc d = *desc_of(r, s.out[0]);
    d.rank -= axis - 1;
    for (int i = 1; i < d.rank; i++)
        d.dim[i] = d.dim[i + axis - 1];
    int *links = pool_alloc(&net->pool, 4, sizeof *links);
    int x = links ? net_tensor(net, NULL, &d) : -1, y = x >= 0 ? net_tensor(net, NULL, &d) : -1;
    if (y < 0 || net->n_tensors > r->room)
        return CQ_NOMEM;
    links[0] = s.in[0];
    links[1] = x;
    links[2] = y;
    links[3] = s.out[0];
    net->steps[n].in[0] = x;
    net->steps[n].out[0] = y;
    struct step view = {.op.kind = OP_COPY, .n_in = 1, .n_out = 1, .name = s.name, .type = s.type};
    view.in = links + 2;
    view.out = links + 3;
    enum cq_err err = net_insert(net, n + 1, &view);
    view.in = links;
    view.out = links + 1;
    if (!err)
        err = net_insert(net, n, &view);
    net_count_uses(net, r->uses);
    net_find_makers(net, r->makers);
    return err;
}

/* The layer normalisation in front, when it has constants of its own for every channel; or NULL. */
static struct step *layer_norm(const struct rewrite *r, const struct step *norm)
{
    struct step *s = rewrite_only_source(r, norm->in[0], OP_LAYER_NORM);
    bool fits = s && !norm->op.act && s->op.u.norm.axis <= 1 && rewrite_floats(r, s->in[1]) &&
                (s->n_in < 3 || s->in[2] < 0 || rewrite_floats(r, s->in[2]));
    return fits && tensor_same_shape(desc_of(r, s->out[0]), desc_of(r, norm->out[0])) ? s : NULL;
}

static enum cq_err join_layer_norm(struct rewrite *r, struct step *norm)
{
    struct step *s = layer_norm(r, norm);
    if (!s)
        return CQ_OK;
    const struct tensor_desc d = *desc_of(r, s->in[1]), *y = desc_of(r, s->out[0]);
    const float *scale = rewrite_floats(r, s->in[1]), *bias = s->n_in > 2 ? rewrite_floats(r, s->in[2]) : NULL;
    const float *k = rewrite_floats(r, norm->in[1]), *c = rewrite_floats(r, norm->in[2]);
    int64_t channels = y->dim[1], area = 1;
    for (int i = 2; i < y->rank; i++)
        area *= y->dim[i];
    float *to_scale, *to_bias;
    int *in = pool_alloc(&r->net->pool, 3, sizeof *in);
    if (!in || (in[1] = rewrite_constant(r, &d, &to_scale)) < 0 || (in[2] = rewrite_constant(r, &d, &to_bias)) < 0)
        return CQ_NOMEM;
    for (int64_t i = 0; i < tensor_elems(&d); i++) {
        int64_t channel = i / area % channels;
        to_scale[i] = scale[i] * k[channel];
        to_bias[i] = (bias ? bias[i] : 0) * k[channel] + c[channel];
    }
    in[0] = s->in[0];
    s->in = in;
    s->n_in = 3;
    rewrite_take_output(r, s, norm);
    return CQ_OK;
}

static enum cq_err fuse(struct rewrite *r, int n)
{
    struct chain c = find_chain(r, &r->net->steps[n]);
    const struct tensor_desc *y = desc_of(r, r->net->steps[n].out[0]);
    int axis = c.axis < 0 ? 1 : c.axis;
    bool fits = c.n >= 2 && axis < y->rank && axis > 0 && y->dim[axis] <= MOST_CHANNELS && tensor_elems(y) > 0;
    for (int i = 0; i < axis && axis > 1 && fits; i++)
        fits = y->dim[i] == 1;
    enum cq_err err = fits ? become_norm(r, &c, y->dim[axis], &fits) : CQ_OK;
    if (fits && !err)
        err = axis > 1 ? look_from(r, n, axis) : join_layer_norm(r, &r->net->steps[n]);
    return err;
}

/* Backwards: the last step of a chain takes the others. */
static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    for (int n = r->net->n_steps - 1; n >= 0 && !err; n--)
        if (!r->net->steps[n].dead && r->net->steps[n].op.kind == OP_BINARY)
            err = fuse(r, n);
    return err;
}

const struct pass pass_scale = {.name = "scale", .run = run};
