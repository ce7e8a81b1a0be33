/* Transposes that put channels last, as the heads of detectors and image transformers have them, move towards the
 * convolution that makes the channels, for from its layout that is one step (kernels/cl/reorder.cl), and nothing
 * remains to be copied when the results are joined one behind the other.
 *
 * A Transpose of a join becomes a join of Transposes, where that makes the joined dimension the outermost. A Transpose
 * of [N,C,H*W] to [N,H*W,C] becomes one of the image.
 */
#include <string.h>

#include "stages/infer/pass.h"

static struct tensor_desc *desc_of(const struct rewrite *r, int t)
{
    return &r->net->tensors[t].desc;
}

static bool is_outermost(const struct tensor_desc *d, int axis)
{
    for (int i = 0; i < axis; i++)
        if (d->dim[i] != 1)
            return false;
    return true;
}

static int position_of(const int *perm, int axis)
{
    int i = 0;
    while (perm[i] != axis)
        i++;
    return i;
}

/* Puts a Transpose of t before the step at `at`; its result, -1 when memory is short. */
static int put_transpose(struct rewrite *r, int at, int t, const struct step *like)
{
    struct tensor_desc x = *desc_of(r, t), y = x;
    for (int i = 0; i < x.rank; i++)
        y.dim[i] = x.dim[like->op.u.perm[i]];
    int out = net_tensor(r->net, NULL, &y);
    struct step s = {.op = like->op, .n_in = 1, .n_out = 1, .in = &t, .out = &out, .name = like->name,
                     .type = like->type};
    return out < 0 || net_insert(r->net, at, &s) ? -1 : out;
}

/* *at stays on the Transpose, which is dead afterwards. */
static enum cq_err turn_operands(struct rewrite *r, int *at)
{
    struct net *net = r->net;
    struct step turn = net->steps[*at], *join = rewrite_only_source(r, turn.in[0], OP_CONCAT);
    if (!join || net->n_tensors + join->n_in >= r->room)
        return CQ_OK;
    int first = (int) (join - net->steps), n = join->n_in, axis = position_of(turn.op.u.perm, join->op.u.axis.axis);
    if (!is_outermost(desc_of(r, turn.out[0]), axis) || is_outermost(desc_of(r, turn.in[0]), join->op.u.axis.axis))
        return CQ_OK;
    int *in = pool_alloc(&net->pool, (size_t) n, sizeof *in);
    if (!in)
        return CQ_NOMEM;
    for (int i = 0; i < n; i++) {
        in[i] = put_transpose(r, first + i, net->steps[first + i].in[i], &turn);
        if (in[i] < 0)
            return CQ_NOMEM;
    }
    *at += n;
    join = &net->steps[first + n];
    join->in = in;
    join->op.u.axis.axis = axis;
    join->out[0] = turn.out[0];
    net->steps[*at].dead = true;
    return CQ_OK;
}

/* [N,C,H,W] seen as [N,C,H*W]. */
static bool flattens(const struct tensor_desc *x, const struct tensor_desc *y)
{
    return x->rank == 4 && y->rank == 3 && x->dim[0] == y->dim[0] && x->dim[1] == y->dim[1];
}

static enum cq_err turn_image(struct rewrite *r, struct step *turn)
{
    static const int last[] = {0, 2, 1}, image_last[] = {0, 2, 3, 1};
    struct step *view = rewrite_only_source(r, turn->in[0], OP_COPY);
    if (!view || desc_of(r, turn->in[0])->rank != 3 || memcmp(turn->op.u.perm, last, sizeof last) ||
        !flattens(desc_of(r, view->in[0]), desc_of(r, turn->in[0])))
        return CQ_OK;
    struct tensor_desc x = *desc_of(r, view->in[0]), y = x;
    for (int i = 0; i < 4; i++)
        y.dim[i] = x.dim[image_last[i]];
    int image = net_tensor(r->net, NULL, &y);
    if (image < 0)
        return CQ_NOMEM;
    view->op = (struct op){.kind = OP_TRANSPOSE};
    memcpy(view->op.u.perm, image_last, sizeof image_last);
    view->out[0] = image;
    turn->op = (struct op){.kind = OP_COPY};
    turn->in[0] = image;
    return CQ_OK;
}

static enum cq_err run(struct rewrite *r)
{
    struct net *net = r->net;
    enum cq_err err = CQ_OK;
    for (int n = 0; n < net->n_steps && !err; n++)
        if (net->steps[n].op.kind == OP_TRANSPOSE) {
            err = turn_operands(r, &n);
            net_find_makers(net, r->makers);
        }
    net_count_uses(net, r->uses);
    for (int n = 0; n < net->n_steps && !err; n++)
        if (!net->steps[n].dead && net->steps[n].op.kind == OP_TRANSPOSE)
            err = turn_image(r, &net->steps[n]);
    return err;
}

const struct pass pass_channels_last = {.name = "channels_last", .run = run};
