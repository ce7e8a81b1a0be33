/* The table of passes, and what they have in common. */
#include "stages/infer/pass.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/base/log.h"

static const struct pass *const passes[] = {
    &pass_view, &pass_layer_norm, &pass_transpose, &pass_view, &pass_focus, &pass_select,
    &pass_gelu, &pass_layer_norm, &pass_affine, &pass_silu, &pass_pad,
    &pass_residual, &pass_sibling, &pass_activation, &pass_residual, &pass_scale, &pass_sum,
    &pass_channels_last,
};

/* Room for constants that one pass may add. */
enum { SPARE_TENSORS = 64 };

static enum cq_err refresh(struct rewrite *r)
{
    int room = 3 * r->net->n_tensors + SPARE_TENSORS;
    int *uses = realloc(r->uses, (size_t) room * sizeof *uses);
    r->uses = uses ? uses : r->uses;
    int *makers = realloc(r->makers, (size_t) room * sizeof *makers);
    r->makers = makers ? makers : r->makers;
    if (!uses || !makers)
        return CQ_NOMEM;
    r->room = room;
    net_count_uses(r->net, uses);
    net_find_makers(r->net, makers);
    return CQ_OK;
}

enum cq_err pass_run_all(struct cq_log *log, struct net *net)
{
    struct rewrite r = {.log = log, .net = net};
    enum cq_err err = net_sweep(net);
    for (size_t i = 0; i < sizeof passes / sizeof *passes && !err; i++) {
        err = refresh(&r);
        if (!err)
            err = passes[i]->run(&r);
        if (!err)
            err = net_sweep(net);
        cq_log_debug(log, "pass %s leaves %d steps", passes[i]->name, net->n_steps);
    }
    free(r.uses);
    free(r.makers);
    return err;
}

struct step *rewrite_only_source(const struct rewrite *r, int t, enum op_kind kind)
{
    if (t < 0 || r->makers[t] < 0 || r->uses[t] != 1)
        return NULL;
    struct step *s = &r->net->steps[r->makers[t]];
    return s->op.kind == kind && !s->dead ? s : NULL;
}

const float *rewrite_floats(const struct rewrite *r, int t)
{
    return t >= 0 && r->net->tensors[t].desc.type == DT_F32 ? r->net->tensors[t].data : NULL;
}

bool rewrite_scalar(const struct rewrite *r, int t, float *out)
{
    const float *v = rewrite_floats(r, t);
    if (!v || tensor_elems(&r->net->tensors[t].desc) != 1)
        return false;
    *out = *v;
    return true;
}

bool rewrite_near(float a, float b)
{
    return fabsf(a - b) < 1e-4f;
}

struct step *rewrite_by_scalar(const struct rewrite *r, int t, enum binary fn, float value, int *other)
{
    struct step *s = rewrite_only_source(r, t, OP_BINARY);
    float v;
    if (!s || s->op.u.binary != fn || s->op.act)
        return NULL;
    for (int i = fn == BIN_DIV ? 1 : 0; i < 2; i++)
        if (rewrite_scalar(r, s->in[i], &v) && rewrite_near(v, value)) {
            *other = s->in[1 - i];
            return s;
        }
    return NULL;
}

int rewrite_constant(struct rewrite *r, const struct tensor_desc *desc, float **data)
{
    *data = pool_alloc(&r->net->pool, (size_t) tensor_elems(desc), sizeof(float));
    int t = *data && r->net->n_tensors < r->room ? net_tensor(r->net, NULL, desc) : -1;
    if (t < 0)
        return -1;
    r->net->tensors[t].data = *data;
    r->uses[t] = 1;
    r->makers[t] = -1;
    return t;
}

void rewrite_take_output(struct rewrite *r, struct step *into, struct step *last)
{
    into->out[0] = last->out[0];
    r->makers[last->out[0]] = (int) (into - r->net->steps);
    last->dead = true;
}
