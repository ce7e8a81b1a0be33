/* Copies that copy nothing: equal shapes vanish, views of views look at the first, a transpose that moves
 * only dimensions of one is a view, and two transposes in a row are one. */
#include <stdlib.h>

#include "stages/infer/pass.h"

/* Do the dimensions larger than one keep their order? */
static bool keeps_order(const struct step *s, const struct tensor_desc *x)
{
    int last = -1;
    for (int i = 0; i < x->rank; i++) {
        int from = s->op.u.perm[i];
        if (x->dim[from] == 1)
            continue;
        if (from < last)
            return false;
        last = from;
    }
    return true;
}

static struct step *maker(const struct rewrite *r, int t)
{
    return r->makers[t] >= 0 ? &r->net->steps[r->makers[t]] : NULL;
}

static void merge_transposes(struct rewrite *r, struct step *s)
{
    struct step *before = maker(r, s->in[0]);
    const struct tensor_desc *y = &r->net->tensors[s->out[0]].desc;
    if (!before || before->op.kind != OP_TRANSPOSE)
        return;
    int perm[TENSOR_MAX_RANK];
    for (int i = 0; i < y->rank; i++)
        perm[i] = before->op.u.perm[s->op.u.perm[i]];
    for (int i = 0; i < y->rank; i++)
        s->op.u.perm[i] = perm[i];
    s->in[0] = before->in[0];
}

static void simplify(struct rewrite *r, struct step *s, int *stands_for)
{
    struct net *net = r->net;
    if (s->op.kind == OP_TRANSPOSE) {
        merge_transposes(r, s);
        if (keeps_order(s, &net->tensors[s->in[0]].desc))
            s->op = (struct op){.kind = OP_COPY};
    }
    if (s->op.kind != OP_COPY)
        return;
    struct step *before = maker(r, s->in[0]);
    if (before && before->op.kind == OP_COPY)
        s->in[0] = before->in[0];
    if (tensor_same_shape(&net->tensors[s->in[0]].desc, &net->tensors[s->out[0]].desc)) {
        stands_for[s->out[0]] = s->in[0];
        s->dead = true;
    }
}

static enum cq_err run(struct rewrite *r)
{
    struct net *net = r->net;
    int *stands_for = malloc(((size_t) net->n_tensors + 1) * sizeof *stands_for);
    if (!stands_for)
        return CQ_NOMEM;
    for (int t = 0; t < net->n_tensors; t++)
        stands_for[t] = t;
    for (int n = 0; n < net->n_steps; n++) {
        struct step *s = &net->steps[n];
        for (int i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                s->in[i] = stands_for[s->in[i]];
        simplify(r, s, stands_for);
    }
    for (int i = 0; i < net->n_outputs; i++)
        net->outputs[i] = stands_for[net->outputs[i]];
    free(stands_for);
    return CQ_OK;
}

const struct pass pass_view = {.name = "view", .run = run};
