/* An activation behind an operator that can apply one to its result becomes part of it; reshapes and transposes may stand
 * between the two, as they do in detectors' heads. */
#include "stages/infer/pass.h"

static enum act act_of(enum unary fn)
{
    switch (fn) {
    case UN_RELU:         return ACT_RELU;
    case UN_LEAKY:        return ACT_LEAKY;
    case UN_SIGMOID:      return ACT_SIGMOID;
    case UN_SILU:         return ACT_SILU;
    case UN_HARD_SIGMOID: return ACT_HARD_SIGMOID;
    case UN_HARD_SWISH:   return ACT_HARD_SWISH;
    case UN_CLIP:         return ACT_CLIP;
    case UN_TANH:         return ACT_TANH;
    default:              return ACT_NONE;
    }
}

static bool arithmetic(enum binary fn)
{
    return fn <= BIN_MAX;
}

/* The step that only moves what it reads to t, which nobody else reads; or NULL. */
static struct step *mover(const struct rewrite *r, int t)
{
    struct step *s = rewrite_only_source(r, t, OP_COPY);
    return s ? s : rewrite_only_source(r, t, OP_TRANSPOSE);
}

static struct step *host_of(const struct rewrite *r, int t)
{
    static const enum op_kind kinds[] = {OP_CONV, OP_CONV_TRANSPOSE, OP_MATMUL, OP_GEMM, OP_BINARY, OP_BATCH_NORM};
    for (struct step *s = mover(r, t); s; s = mover(r, t))
        t = s->in[0];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct step *s = rewrite_only_source(r, t, kinds[i]);
        if (s && !s->op.act && (s->op.kind != OP_BINARY || arithmetic(s->op.u.binary)))
            return s;
    }
    return NULL;
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *s = &r->net->steps[n];
        enum act act = s->op.kind == OP_UNARY ? act_of(s->op.u.unary) : ACT_NONE;
        struct step *host = act && r->net->tensors[s->in[0]].desc.type == DT_F32 ? host_of(r, s->in[0]) : NULL;
        if (!host)
            continue;
        host->op.act = act;
        host->op.act_a = s->op.act_a;
        host->op.act_b = s->op.act_b;
        struct step *between = mover(r, s->in[0]);
        rewrite_take_output(r, between ? between : host, s);
    }
    return CQ_OK;
}

const struct pass pass_activation = {.name = "activation", .run = run};
