/* Batch-norm, and additions and multiplications by one constant per channel, go into the weights of the
 * convolution in front of them: y = (w*x + b)*scale + shift is (w*scale)*x + (b*scale + shift). */
#include <math.h>
#include <stdlib.h>

#include "stages/infer/pass.h"

/* Per output channel. */
struct affine { float *scale, *shift; int64_t n; };

static bool batch_norm_affine(const struct rewrite *r, const struct step *s, struct affine *a)
{
    const float *p[4];
    for (int i = 0; i < 4; i++)
        if (!(p[i] = rewrite_floats(r, s->in[1 + i])))
            return false;
    for (int64_t c = 0; c < a->n; c++) {
        a->scale[c] = p[0][c] / sqrtf(p[3][c] + s->op.u.norm.epsilon);
        a->shift[c] = p[1][c] - p[2][c] * a->scale[c];
    }
    return true;
}

/* Is the constant one value, or one per channel of y? */
static bool is_per_channel(const struct tensor_desc *k, const struct tensor_desc *y)
{
    if (tensor_elems(k) == 1)
        return k->rank <= y->rank;
    int channel = k->rank - (y->rank - 1);       /* where y's dimension 1 is in k */
    return channel >= 0 && channel <= 1 && k->dim[channel] == y->dim[1] && tensor_elems(k) == y->dim[1];
}

static bool binary_affine(const struct rewrite *r, const struct step *s, int constant, struct affine *a)
{
    const float *k = rewrite_floats(r, s->in[constant]);
    enum binary fn = s->op.u.binary;
    if (!k || s->op.act || !is_per_channel(&r->net->tensors[s->in[constant]].desc, &r->net->tensors[s->out[0]].desc))
        return false;
    if ((fn != BIN_ADD && fn != BIN_MUL && fn != BIN_SUB && fn != BIN_DIV) || (fn == BIN_DIV && constant == 0))
        return false;
    bool scalar = tensor_elems(&r->net->tensors[s->in[constant]].desc) == 1;
    for (int64_t c = 0; c < a->n; c++) {
        float v = k[scalar ? 0 : c];
        a->scale[c] = fn == BIN_MUL ? v : fn == BIN_DIV ? 1 / v : fn == BIN_SUB && constant == 0 ? -1 : 1;
        a->shift[c] = fn == BIN_ADD || (fn == BIN_SUB && constant == 0) ? v : fn == BIN_SUB ? -v : 0;
    }
    return true;
}

/* The convolution in front, if its weights may be changed; *constant tells which operand is the other one. */
static struct step *convolution(const struct rewrite *r, const struct step *s, int *constant)
{
    for (int i = 0; i < (s->op.kind == OP_BINARY ? 2 : 1); i++) {
        struct step *conv = rewrite_only_source(r, s->in[i], OP_CONV);
        if (!conv)
            conv = rewrite_only_source(r, s->in[i], OP_CONV_TRANSPOSE);
        *constant = 1 - i;
        if (conv && !conv->op.act && conv->n_in <= 3 && rewrite_floats(r, conv->in[1]) &&
            (conv->n_in < 3 || conv->in[2] < 0 || rewrite_floats(r, conv->in[2])) &&
            tensor_same_shape(&r->net->tensors[s->in[i]].desc, &r->net->tensors[s->out[0]].desc))
            return conv;
    }
    return NULL;
}

/* Which output channel a weight belongs to: [M][C/group] and [C][M/group]. */
static int64_t channel_of(const struct step *conv, const struct tensor_desc *w, int64_t i, int64_t taps)
{
    int64_t row = i / taps / w->dim[1], column = i / taps % w->dim[1];
    if (conv->op.kind == OP_CONV)
        return row;
    return row / (w->dim[0] / conv->op.u.conv.group) * w->dim[1] + column;
}

static enum cq_err scale_weights(struct rewrite *r, struct step *conv, const struct affine *a)
{
    struct tensor_desc wd = r->net->tensors[conv->in[1]].desc, bd = {.type = DT_F32, .rank = 1, .dim = {a->n}};
    const float *w = rewrite_floats(r, conv->in[1]), *b = conv->n_in > 2 ? rewrite_floats(r, conv->in[2]) : NULL;
    int *in = pool_alloc(&r->net->pool, 3, sizeof *in);
    float *new_w, *new_b;
    int64_t n = tensor_elems(&wd), taps = n / (wd.dim[0] * wd.dim[1]);
    if (!in || (in[1] = rewrite_constant(r, &wd, &new_w)) < 0 || (in[2] = rewrite_constant(r, &bd, &new_b)) < 0)
        return CQ_NOMEM;
    for (int64_t i = 0; i < n; i++)
        new_w[i] = w[i] * a->scale[channel_of(conv, &wd, i, taps)];
    for (int64_t c = 0; c < a->n; c++)
        new_b[c] = (b ? b[c] : 0) * a->scale[c] + a->shift[c];
    in[0] = conv->in[0];
    conv->in = in;
    conv->n_in = 3;
    return CQ_OK;
}

static enum cq_err absorb(struct rewrite *r, struct step *s)
{
    int constant = 0;
    struct step *conv = convolution(r, s, &constant);
    if (!conv)
        return CQ_OK;
    struct affine a = {.n = r->net->tensors[s->out[0]].desc.dim[1]};
    a.scale = malloc(((size_t) a.n + 1) * 2 * sizeof *a.scale);
    if (!a.scale)
        return CQ_NOMEM;
    a.shift = a.scale + a.n;
    enum cq_err err = CQ_OK;
    bool fits = s->op.kind == OP_BATCH_NORM ? batch_norm_affine(r, s, &a) : binary_affine(r, s, constant, &a);
    if (fits)
        err = scale_weights(r, conv, &a);
    if (fits && !err) {
        conv->op.act = s->op.act;
        conv->op.act_a = s->op.act_a;
        conv->op.act_b = s->op.act_b;
        rewrite_take_output(r, conv, s);
    }
    free(a.scale);
    return err;
}

static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    for (int n = 0; n < r->net->n_steps && !err; n++) {
        struct step *s = &r->net->steps[n];
        if (s->op.kind == OP_BATCH_NORM || s->op.kind == OP_BINARY)
            err = absorb(r, s);
    }
    return err;
}

const struct pass pass_affine = {.name = "affine", .run = run};
