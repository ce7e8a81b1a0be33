/* Transposes that cancel, with steps between them that do not care for the order of dimensions: exporters that work in
 * NHWC wrap every convolution in a pair, and what stands between two convolutions then runs on turned data.
 *
 * A tensor is "turned" when it is a transpose of something, its twin, that could be had instead: the result of a
 * Transpose, or of an element-wise step, a reduction and the like whose operands are all turned alike, constant, or so
 * small that turning them is a view. Turned tensors that steps connect make a group. A group is rewritten to its twins
 * where that moves fewer elements: Transposes at its beginning and, inverse, at its end go, and what others still read
 * turned is transposed once. An image input in NHWC begins a group too, for frames can as well be delivered in NCHW.
 */
#include <stdlib.h>
#include <string.h>

#include "stages/infer/pass.h"

enum {
    LARGEST_CONSTANT = 1 << 20,                  /* elements; a larger one is not turned */
    MOST_COLOURS = 4,                            /* last dimension of an input that may be in NHWC */
};
static const double INPUT_COST = 0.5;            /* of turning an input, which costs nothing where frames come in */

struct turned {
    const int *perm;                             /* NULL: not turned; this.dim[i] == twin.dim[perm[i]] */
    int group;                                   /* parent in the forest of groups; itself: the root */
    int twin;
    bool needed;                                 /* by steps outside of the group */
    double gain;                                 /* of a root: elements that need not be moved */
};

struct turning {
    struct rewrite *r;
    struct turned *of;                           /* per tensor */
    int n_tensors;
    bool *pushed;                                /* per step: works on twins */
};

static const int to_nhwc[TENSOR_MAX_RANK] = {0, 2, 3, 1};

static const struct tensor_desc *desc_of(const struct turning *t, int tensor)
{
    return &t->r->net->tensors[tensor].desc;
}

/* Nothing is known of tensors that were added on the way. */
static const int *perm_of(const struct turning *t, int tensor)
{
    return tensor < t->n_tensors ? t->of[tensor].perm : NULL;
}

static int root_of(struct turning *t, int tensor)
{
    while (t->of[tensor].group != tensor)
        tensor = t->of[tensor].group = t->of[t->of[tensor].group].group;
    return tensor;
}

static bool same_perm(const int *a, const int *b, int rank)
{
    return a && b && !memcmp(a, b, (size_t) rank * sizeof *a);
}

static bool is_inverse(const int *a, const int *b, int rank)
{
    for (int i = 0; i < rank; i++)
        if (a[b[i]] != i)
            return false;
    return true;
}

/* `d` as an operand of `rank` dimensions, turned back. */
static struct tensor_desc turn_back(const struct tensor_desc *d, const int *perm, int rank)
{
    struct tensor_desc out = {.type = d->type, .rank = rank};
    int missing = rank - d->rank;
    for (int i = 0; i < rank; i++)
        out.dim[perm[i]] = i < missing ? 1 : d->dim[i - missing];
    return out;
}

/* Do the dimensions larger than one keep their order? */
static bool is_view(const struct tensor_desc *d, const int *perm, int rank)
{
    int last = -1, missing = rank - d->rank;
    if (missing < 0)
        return false;
    for (int i = missing; i < rank; i++) {
        if (d->dim[i - missing] == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

static double cost(const struct turning *t, int tensor)
{
    const struct tensor_desc *d = desc_of(t, tensor);
    return is_view(d, t->of[tensor].perm, d->rank) ? 0 : (double) tensor_elems(d);
}

/* ---- finding groups ---- */

static bool cares_not(const struct step *s)
{
    switch (s->op.kind) {
    case OP_UNARY: case OP_CAST: case OP_BINARY: case OP_PRELU: case OP_WHERE: case OP_SOFTMAX: case OP_CONCAT:
    case OP_SPLIT: case OP_SLICE: case OP_PAD: case OP_LAYER_NORM:
        return true;
    case OP_REDUCE:
        return s->op.u.reduce.keepdims;
    default:
        return false;
    }
}

/* Are the dimensions from `axis` on only turned among themselves? */
static bool stays_behind(const int *perm, int axis)
{
    for (int i = 0; i < axis; i++)
        if (perm[i] != i)
            return false;
    return true;
}

static bool may_be_operand(const struct turning *t, int tensor, const int *perm, int rank)
{
    const struct tensor_desc *d = desc_of(t, tensor);
    if (d->rank == rank && same_perm(perm_of(t, tensor), perm, rank))
        return true;
    if (t->r->net->tensors[tensor].data)
        return d->rank <= rank && tensor_elems(d) <= LARGEST_CONSTANT;
    return is_view(d, perm, rank);
}

/* The permutation that all operands share; NULL where the step must stay. */
static const int *perm_of_operands(const struct turning *t, const struct step *s)
{
    const int *perm = NULL;
    int rank = desc_of(t, s->out[0])->rank;
    for (int i = 0; i < s->n_in && cares_not(s) && !perm; i++)
        if (s->in[i] >= 0 && desc_of(t, s->in[i])->rank == rank)
            perm = perm_of(t, s->in[i]);
    if (perm && s->op.kind == OP_LAYER_NORM && !stays_behind(perm, s->op.u.norm.axis))
        perm = NULL;
    for (int i = 0; i < s->n_in && perm; i++)
        if (s->in[i] >= 0 && !may_be_operand(t, s->in[i], perm, rank))
            perm = NULL;
    return perm;
}

static void begin_group(struct turning *t, int tensor, const int *perm)
{
    t->of[tensor] = (struct turned){.perm = perm, .group = tensor, .twin = -1};
}

static void join_groups(struct turning *t, const struct step *s, const int *perm)
{
    int rank = desc_of(t, s->out[0])->rank;
    for (int i = 0; i < s->n_out; i++)
        begin_group(t, s->out[i], perm);
    for (int i = 0; i < s->n_out; i++)
        t->of[s->out[i]].group = s->out[0];
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0 && desc_of(t, s->in[i])->rank == rank && same_perm(perm_of(t, s->in[i]), perm, rank))
            t->of[root_of(t, s->in[i])].group = root_of(t, s->out[0]);
}

static bool ends_group(const struct turning *t, const struct step *s)
{
    const int *perm = s->op.kind == OP_TRANSPOSE ? perm_of(t, s->in[0]) : NULL;
    return perm && is_inverse(perm, s->op.u.perm, desc_of(t, s->in[0])->rank);
}

/* Steps move in memory while they are rewritten. */
static const int *keep_perm(struct turning *t, const struct step *s)
{
    int *perm = pool_alloc(&t->r->net->pool, TENSOR_MAX_RANK, sizeof *perm);
    if (perm)
        memcpy(perm, s->op.u.perm, TENSOR_MAX_RANK * sizeof *perm);
    return perm;
}

static enum cq_err find_groups(struct turning *t)
{
    struct net *net = t->r->net;
    for (int i = 0; i < net->n_inputs; i++) {
        const struct tensor_desc *d = desc_of(t, net->inputs[i]);
        if (d->rank == 4 && d->type == DT_F32 && d->dim[3] <= MOST_COLOURS)
            begin_group(t, net->inputs[i], to_nhwc);
    }
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        const int *perm = perm_of_operands(t, s);
        t->pushed[n] = perm;
        if (perm)
            join_groups(t, s, perm);
        else if (s->op.kind == OP_TRANSPOSE && !ends_group(t, s))
            begin_group(t, s->out[0], keep_perm(t, s));
        if (s->op.kind == OP_TRANSPOSE && !ends_group(t, s) && !perm_of(t, s->out[0]))
            return CQ_NOMEM;
    }
    return CQ_OK;
}

/* ---- what it would bring ---- */

static void find_needed(struct turning *t)
{
    struct net *net = t->r->net;
    for (int n = 0; n < net->n_steps; n++)
        for (int i = 0; i < net->steps[n].n_in && !t->pushed[n] && !ends_group(t, &net->steps[n]); i++)
            if (net->steps[n].in[i] >= 0)
                t->of[net->steps[n].in[i]].needed = true;
    for (int i = 0; i < net->n_outputs; i++)
        t->of[net->outputs[i]].needed = true;
}

static void add_gain(struct turning *t, int tensor, double elements)
{
    t->of[root_of(t, tensor)].gain += elements;
}

static void find_gains(struct turning *t)
{
    struct net *net = t->r->net;
    for (int i = 0; i < net->n_inputs; i++)
        if (t->of[net->inputs[i]].perm)
            add_gain(t, net->inputs[i], -INPUT_COST * cost(t, net->inputs[i]));
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        if (ends_group(t, s))
            add_gain(t, s->in[0], cost(t, s->in[0]));
        for (int i = 0; i < s->n_out; i++) {
            struct turned *y = &t->of[s->out[i]];
            if (y->perm && t->pushed[n] == y->needed)
                add_gain(t, s->out[i], y->needed ? -cost(t, s->out[i]) : cost(t, s->out[i]));
        }
    }
}

static bool is_worth_it(struct turning *t, int tensor)
{
    return perm_of(t, tensor) && t->of[root_of(t, tensor)].gain > 0;
}

/* ---- rewriting ---- */

static int new_tensor(struct turning *t, const struct tensor_desc *d)
{
    return net_tensor(t->r->net, NULL, d);
}

static int turned_constant(struct turning *t, int tensor, const int *perm, int rank)
{
    struct net *net = t->r->net;
    struct tensor_desc d = *desc_of(t, tensor), y = turn_back(&d, perm, rank);
    size_t size = dtype_size(d.type);
    int64_t stride[TENSOR_MAX_RANK] = {0}, step = 1, n = tensor_elems(&d);
    for (int i = rank - 1, missing = rank - d.rank; i >= missing; step *= d.dim[i-- - missing])
        stride[perm[i]] = step;
    char *to = net_constant_room(net, tensor_bytes(&y));
    int out = to ? new_tensor(t, &y) : -1;
    if (out < 0)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, from = 0;
        for (int k = rank - 1; k >= 0; rest /= y.dim[k--])
            from += rest % y.dim[k] * stride[k];
        memcpy(to + (size_t) i * size, (const char *) net->tensors[tensor].data + (size_t) from * size, size);
    }
    net->tensors[out].data = to;
    return out;
}

/* What a step that works on twins reads in the place of `tensor`; -1 when memory is short. Views are put before the
 * step at *at. */
static int operand(struct turning *t, int tensor, const int *perm, int rank, int *at)
{
    struct net *net = t->r->net;
    const struct tensor_desc *d = desc_of(t, tensor);
    if (d->rank == rank && same_perm(perm_of(t, tensor), perm, rank))
        return t->of[tensor].twin;
    if (tensor_elems(d) == 1 && d->rank <= rank)
        return tensor;
    if (net->tensors[tensor].data)
        return turned_constant(t, tensor, perm, rank);
    struct tensor_desc y = turn_back(d, perm, rank);
    int out = new_tensor(t, &y);
    struct step view = {.op.kind = OP_COPY, .n_in = 1, .n_out = 1, .in = &tensor, .out = &out,
                        .name = net->steps[*at].name, .type = net->steps[*at].type};
    if (out < 0 || net_insert(net, *at, &view))
        return -1;
    ++*at;
    return out;
}

/* The scale and bias of a layer normalisation have its last dimensions only. */
static void drop_leading(struct tensor_desc *d, int n)
{
    d->rank -= n;
    memmove(d->dim, d->dim + n, (size_t) d->rank * sizeof *d->dim);
}

static void turn_attributes(struct op *op, const int *perm, int rank)
{
    struct op old = *op;
    switch (op->kind) {
    case OP_SOFTMAX: case OP_CONCAT: case OP_SPLIT:
        op->u.axis.axis = perm[old.u.axis.axis];
        break;
    case OP_REDUCE:
        op->u.reduce.axes = 0;
        for (int i = 0; i < rank; i++)
            op->u.reduce.axes |= (old.u.reduce.axes >> i & 1) << perm[i];
        break;
    case OP_SLICE:
        for (int i = 0; i < rank; i++) {
            op->u.slice.start[perm[i]] = old.u.slice.start[i];
            op->u.slice.step[perm[i]] = old.u.slice.step[i];
        }
        break;
    case OP_PAD:
        for (int i = 0; i < rank; i++) {
            op->u.pad.begin[perm[i]] = old.u.pad.begin[i];
            op->u.pad.end[perm[i]] = old.u.pad.end[i];
        }
        break;
    default:
        break;
    }
}

static enum cq_err insert_transpose(struct turning *t, int at, const char *name, int from, int to, const int *perm)
{
    int rank = desc_of(t, to)->rank;
    struct step s = {.op.kind = OP_TRANSPOSE, .n_in = 1, .n_out = 1, .in = &from, .out = &to, .name = name,
                     .type = "Transpose"};
    memcpy(s.op.u.perm, perm, (size_t) rank * sizeof *perm);
    return net_insert(t->r->net, at, &s);
}

/* The step at *at from now on makes twins; *at moves on with what is put before and behind it. */
static enum cq_err push(struct turning *t, int *at)
{
    struct net *net = t->r->net;
    const int *perm = t->of[net->steps[*at].out[0]].perm;
    int rank = desc_of(t, net->steps[*at].out[0])->rank, n_in = net->steps[*at].n_in;
    for (int i = 0; i < n_in; i++) {
        int old = net->steps[*at].in[i], in = old < 0 ? old : operand(t, old, perm, rank, at);
        if (old >= 0 && in < 0)
            return CQ_NOMEM;
        net->steps[*at].in[i] = in;
        if (net->steps[*at].op.kind == OP_LAYER_NORM && i > 0 && in != old)
            drop_leading(&net->tensors[in].desc, net->steps[*at].op.u.norm.axis);
    }
    struct step s = net->steps[*at];
    turn_attributes(&net->steps[*at].op, perm, rank);
    for (int i = 0; i < s.n_out; i++) {
        struct tensor_desc d = turn_back(desc_of(t, s.out[i]), perm, rank);
        int y = s.out[i], twin = new_tensor(t, &d);
        if (twin < 0)
            return CQ_NOMEM;
        s.out[i] = t->of[y].twin = twin;
        enum cq_err err = t->of[y].needed ? insert_transpose(t, *at + 1, s.name, twin, y, perm) : CQ_OK;
        if (err)
            return err;
    }
    return CQ_OK;
}

/* Image inputs that are read as their twins. */
static enum cq_err turn_inputs(struct turning *t, int *inserted)
{
    static const int to_nchw[TENSOR_MAX_RANK] = {0, 3, 1, 2};
    struct net *net = t->r->net;
    for (int i = 0; i < net->n_inputs; i++) {
        int x = net->inputs[i];
        if (!is_worth_it(t, x))
            continue;
        struct tensor_desc d = turn_back(desc_of(t, x), to_nhwc, 4);
        t->of[x].twin = new_tensor(t, &d);
        enum cq_err err = t->of[x].twin < 0 ? CQ_NOMEM
                          : insert_transpose(t, 0, net->tensors[x].name, x, t->of[x].twin, to_nchw);
        if (err)
            return err;
        ++*inserted;
    }
    return CQ_OK;
}

static enum cq_err rewrite_all(struct turning *t)
{
    struct net *net = t->r->net;
    int at = 0, n_steps = net->n_steps;
    enum cq_err err = turn_inputs(t, &at);
    for (int n = 0; n < n_steps && !err; n++, at++) {
        struct step *s = &net->steps[at];
        int before = net->n_steps, y = s->out[0];
        bool ours = is_worth_it(t, t->pushed[n] ? y : s->op.kind == OP_TRANSPOSE ? s->in[0] : y);
        if (t->pushed[n] && ours) {
            int first = at;
            err = push(t, &at);
            at += net->n_steps - before - (at - first);
        } else if (s->op.kind == OP_TRANSPOSE && ours && ends_group(t, s)) {
            net_replace(net, y, t->of[s->in[0]].twin);
            s->dead = true;
        } else if (s->op.kind == OP_TRANSPOSE && is_worth_it(t, y)) {
            t->of[y].twin = s->in[0];
        }
    }
    return err;
}

static enum cq_err run(struct rewrite *r)
{
    int n = r->net->n_tensors;
    struct turning t = {.r = r, .n_tensors = n};
    t.of = calloc((size_t) n + 1, sizeof *t.of);
    t.pushed = calloc((size_t) r->net->n_steps + 1, sizeof *t.pushed);
    enum cq_err err = t.of && t.pushed ? CQ_OK : CQ_NOMEM;
    if (!err)
        err = find_groups(&t);
    if (!err) {
        find_needed(&t);
        find_gains(&t);
        err = rewrite_all(&t);
    }
    free(t.of);
    free(t.pushed);
    return err;
}

const struct pass pass_transpose = {.name = "transpose", .run = run};
