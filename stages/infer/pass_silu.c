/* x*sigmoid(x) is SiLU, x*hardsigmoid(x) with slope 1/6 is HardSwish, and so is x*clip(x + 3, 0, 6)/6 in any
 * order of the last two. */
#include "stages/infer/pass.h"

/* s computes x*g with g made by a unary step from the same x: then it is the unary step `whole` of x. */
static void become_unary(struct step *s, struct step *gate, int x, enum unary whole)
{
    gate->dead = true;
    s->op = (struct op){.kind = OP_UNARY, .u.unary = whole};
    s->in[0] = x;
    s->n_in = 1;
}

static bool fuse_gate(struct rewrite *r, struct step *s)
{
    for (int i = 0; i < 2; i++) {
        struct step *gate = rewrite_only_source(r, s->in[i], OP_UNARY);
        int x = s->in[1 - i];
        if (!gate || gate->in[0] != x)
            continue;
        bool sixth = rewrite_near(gate->op.act_a, 1.0f / 6) && rewrite_near(gate->op.act_b, 0.5f);
        if (gate->op.u.unary != UN_SIGMOID && !(gate->op.u.unary == UN_HARD_SIGMOID && sixth))
            continue;
        r->uses[x]--;
        become_unary(s, gate, x, gate->op.u.unary == UN_SIGMOID ? UN_SILU : UN_HARD_SWISH);
        return true;
    }
    return false;
}

/* `t` divided by six, as division or multiplication; returns the step and what it divides. */
static struct step *sixth_of(const struct rewrite *r, int t, int *from)
{
    struct step *s = rewrite_by_scalar(r, t, BIN_DIV, 6, from);
    return s ? s : rewrite_by_scalar(r, t, BIN_MUL, 1.0f / 6, from);
}

/* clip(x + 3, 0, 6) */
static struct step *clip_of(const struct rewrite *r, int t, int x, struct step **add)
{
    struct step *clip = rewrite_only_source(r, t, OP_UNARY);
    if (!clip || clip->op.u.unary != UN_CLIP || !rewrite_near(clip->op.act_a, 0) || !rewrite_near(clip->op.act_b, 6))
        return NULL;
    int from;
    *add = rewrite_by_scalar(r, clip->in[0], BIN_ADD, 3, &from);
    return *add && from == x ? clip : NULL;
}

/* x * (clip/6) */
static bool fuse_scaled_gate(struct rewrite *r, struct step *s)
{
    for (int i = 0; i < 2; i++) {
        int x = s->in[1 - i], clipped;
        struct step *add, *div = sixth_of(r, s->in[i], &clipped), *clip = div ? clip_of(r, clipped, x, &add) : NULL;
        if (!clip)
            continue;
        r->uses[x]--;
        add->dead = div->dead = true;
        become_unary(s, clip, x, UN_HARD_SWISH);
        return true;
    }
    return false;
}

/* (x * clip) / 6 */
static bool fuse_scaled_product(struct rewrite *r, struct step *s)
{
    int product;
    float v;
    if (s->op.u.binary == BIN_DIV && rewrite_scalar(r, s->in[1], &v) && rewrite_near(v, 6))
        product = s->in[0];
    else if (s->op.u.binary == BIN_MUL && rewrite_scalar(r, s->in[1], &v) && rewrite_near(v, 1.0f / 6))
        product = s->in[0];
    else
        return false;
    struct step *mul = rewrite_only_source(r, product, OP_BINARY);
    if (!mul || mul->op.u.binary != BIN_MUL)
        return false;
    for (int i = 0; i < 2; i++) {
        int x = mul->in[1 - i];
        struct step *add, *clip = clip_of(r, mul->in[i], x, &add);
        if (!clip)
            continue;
        r->uses[x]--;
        add->dead = mul->dead = true;
        become_unary(s, clip, x, UN_HARD_SWISH);
        return true;
    }
    return false;
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *s = &r->net->steps[n];
        if (s->dead || s->op.kind != OP_BINARY || s->op.act)
            continue;
        if (s->op.u.binary == BIN_MUL && (fuse_gate(r, s) || fuse_scaled_gate(r, s)))
            continue;
        fuse_scaled_product(r, s);
    }
    return CQ_OK;
}

const struct pass pass_silu = {.name = "silu", .run = run};
