/* Sums of several tensors, each perhaps times a factor per channel, in one step: what networks of parallel branches do
 * with their branches (squeeze-and-excitation in each, then the sum). Runs last, when convolutions have taken the sums
 * that they can do for nothing.
 */
#include "stages/infer/pass.h"

struct terms {
    int x[OP_GATED_SUM_MOST], gate[OP_GATED_SUM_MOST];   /* gate: -1 for none */
    struct step *from[2 * OP_GATED_SUM_MOST];            /* steps that the sum replaces */
    int n, n_from;
};

static const struct tensor_desc *desc_of(const struct rewrite *r, int t)
{
    return &r->net->tensors[t].desc;
}

static bool is_sum(const struct rewrite *r, const struct step *s)
{
    const struct tensor_desc *y = desc_of(r, s->out[0]);
    return s->op.kind == OP_BINARY && s->op.u.binary == BIN_ADD && y->type == DT_F32 && y->rank >= 3 &&
           tensor_same_shape(desc_of(r, s->in[0]), y) && tensor_same_shape(desc_of(r, s->in[1]), y);
}

/* Of shape [N or 1,C,1,...], and not all of y. */
static bool is_gate(const struct tensor_desc *g, const struct tensor_desc *y)
{
    if (g->rank != y->rank || g->dim[1] != y->dim[1] || (g->dim[0] != 1 && g->dim[0] != y->dim[0]))
        return false;
    for (int i = 2; i < g->rank; i++)
        if (g->dim[i] != 1)
            return false;
    return !tensor_same_shape(g, y);
}

/* Sums that only this sum reads become terms of it, as far as there is room. */
static void spread(const struct rewrite *r, struct terms *t)
{
    for (int i = 0; i < t->n; i++) {
        struct step *s = rewrite_only_source(r, t->x[i], OP_BINARY);
        if (t->n == OP_GATED_SUM_MOST || !s || s->op.act || !is_sum(r, s))
            continue;
        for (int k = t->n; k > i + 1; k--)
            t->x[k] = t->x[k - 1];
        t->x[i] = s->in[0];
        t->x[i + 1] = s->in[1];
        t->n++;
        t->from[t->n_from++] = s;
        i--;                             /* the first of the two may be a sum again */
    }
}

/* Terms that are products with a factor per channel. */
static void find_gates(const struct rewrite *r, struct terms *t, const struct tensor_desc *y)
{
    for (int i = 0; i < t->n; i++) {
        struct step *s = rewrite_only_source(r, t->x[i], OP_BINARY);
        t->gate[i] = -1;
        for (int k = 0; k < 2 && s && s->op.u.binary == BIN_MUL && !s->op.act && t->gate[i] < 0; k++)
            if (is_gate(desc_of(r, s->in[1 - k]), y) && tensor_same_shape(desc_of(r, s->in[k]), y)) {
                t->x[i] = s->in[k];
                t->gate[i] = s->in[1 - k];
                t->from[t->n_from++] = s;
            }
    }
}

static enum cq_err fuse(struct rewrite *r, struct step *s)
{
    struct terms t = {.x = {s->in[0], s->in[1]}, .n = 2};
    spread(r, &t);
    find_gates(r, &t, desc_of(r, s->out[0]));
    if (!t.n_from)
        return CQ_OK;
    int *in = pool_alloc(&r->net->pool, 2 * (size_t) t.n, sizeof *in);
    if (!in)
        return CQ_NOMEM;
    for (int i = 0; i < t.n; i++) {
        in[2 * i] = t.x[i];
        in[2 * i + 1] = t.gate[i];
    }
    for (int i = 0; i < t.n_from; i++)
        t.from[i]->dead = true;
    s->op.kind = OP_GATED_SUM;
    s->in = in;
    s->n_in = 2 * t.n;
    return CQ_OK;
}

/* Backwards: the last sum of a chain takes the others. */
static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    for (int n = r->net->n_steps - 1; n >= 0 && !err; n--) {
        struct step *s = &r->net->steps[n];
        if (!s->dead && s->op.kind == OP_BINARY && is_sum(r, s))
            err = fuse(r, s);
    }
    return err;
}

const struct pass pass_sum = {.name = "sum", .run = run};
