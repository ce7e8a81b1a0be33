/* conv(x) + y in one step, which saves a pass over memory. The convolution moves to where the sum stood: by
 * then both operands are there. An activation comes behind the sum, or between the two: this pass runs before
 * activations are part of convolutions and again afterwards. */
#include "stages/infer/pass.h"

static bool fuse(struct rewrite *r, struct step *add, int side)
{
    struct net *net = r->net;
    struct step *conv = rewrite_only_source(r, add->in[side], OP_CONV);
    int other = add->in[1 - side];
    const struct tensor_desc *y = &net->tensors[add->out[0]].desc;
    if (!conv || (conv->op.act && add->op.act) || conv->n_in > 3 || y->type != DT_F32 || net->tensors[other].data ||
        !tensor_same_shape(&net->tensors[other].desc, y) || !tensor_same_shape(&net->tensors[add->in[side]].desc, y))
        return false;
    int *in = pool_alloc(&net->pool, 4, sizeof *in);
    if (!in)
        return false;
    in[0] = conv->in[0];
    in[1] = conv->in[1];
    in[2] = conv->n_in > 2 ? conv->in[2] : -1;
    in[3] = other;
    struct op op = conv->op;
    op.u.conv.act_first = conv->op.act != ACT_NONE;
    if (!op.u.conv.act_first) {
        op.act = add->op.act;
        op.act_a = add->op.act_a;
        op.act_b = add->op.act_b;
    }
    conv->dead = true;
    add->op = op;
    add->in = in;
    add->n_in = 4;
    add->name = conv->name;
    add->type = conv->type;
    return true;
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *s = &r->net->steps[n];
        if (s->op.kind == OP_BINARY && s->op.u.binary == BIN_ADD && !fuse(r, s, 1))
            fuse(r, s, 0);
    }
    return CQ_OK;
}

const struct pass pass_residual = {.name = "residual", .run = run};
