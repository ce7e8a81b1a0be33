/* 0.5 * x * (1 + erf(x / sqrt(2))) is GELU, in any order of the two multiplications, x being divided or multiplied by
 * the reciprocal: so exporters write it for opsets that have no Gelu. */
#include <math.h>

#include "stages/infer/pass.h"

/* 1 + erf(x / sqrt(2)): the three steps, or false. */
static bool is_gate(const struct rewrite *r, int t, int x, struct step *gate[3])
{
    int sum, scaled = -1;
    gate[0] = rewrite_by_scalar(r, t, BIN_ADD, 1, &sum);
    gate[1] = gate[0] ? rewrite_only_source(r, sum, OP_UNARY) : NULL;
    if (!gate[1] || gate[1]->op.u.unary != UN_ERF)
        return false;
    gate[2] = rewrite_by_scalar(r, gate[1]->in[0], BIN_DIV, sqrtf(2), &scaled);
    if (!gate[2])
        gate[2] = rewrite_by_scalar(r, gate[1]->in[0], BIN_MUL, sqrtf(0.5f), &scaled);
    return gate[2] && scaled == x;
}

/* s is the last of two products of x, the gate and a half; `inner` is the first. */
static bool fuse(struct rewrite *r, struct step *s, struct step *inner, int a, int b)
{
    for (int i = 0; i < 2; i++) {
        int x = i ? a : b, gated = i ? b : a;
        struct step *gate[3];
        if (!is_gate(r, gated, x, gate))
            continue;
        r->uses[x]--;
        inner->dead = gate[0]->dead = gate[1]->dead = gate[2]->dead = true;
        s->op = (struct op){.kind = OP_UNARY, .u.unary = UN_GELU};
        s->in[0] = x;
        s->n_in = 1;
        return true;
    }
    return false;
}

static void try_fuse(struct rewrite *r, struct step *s)
{
    float half;
    for (int i = 0; i < 2; i++) {
        int u;
        struct step *inner = rewrite_by_scalar(r, s->in[i], BIN_MUL, 0.5f, &u);
        if (inner && fuse(r, s, inner, u, s->in[1 - i]))
            return;
        inner = rewrite_only_source(r, s->in[i], OP_BINARY);
        if (inner && inner->op.u.binary == BIN_MUL && !inner->op.act && rewrite_scalar(r, s->in[1 - i], &half) &&
            rewrite_near(half, 0.5f) && fuse(r, s, inner, inner->in[0], inner->in[1]))
            return;
    }
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *s = &r->net->steps[n];
        if (!s->dead && s->op.kind == OP_BINARY && s->op.u.binary == BIN_MUL && !s->op.act)
            try_fuse(r, s);
    }
    return CQ_OK;
}

const struct pass pass_gelu = {.name = "gelu", .run = run};
