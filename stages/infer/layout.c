/* A walk in running order: each step takes the cheapest combination of layouts that some kernel serves.
 *
 * A step may take its inputs as they lie, all PLAIN or all BLOCKED, and give either layout. What it costs is
 * the elements that must be reordered for it and the lanes that it fills for nothing, plus a large penalty where
 * only the host would serve it; so
 * operators that do not care follow their inputs, and reorders stand only where the layouts meet. A
 * reordered copy is kept for later readers.
 */
#include "stages/infer/layout.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "stages/infer/net.h"

/* Costs in elements moved. */
static const double HOST_PENALTY = 300, PLAIN_CONV_PER_FLOP = 0.125;

enum want { WANT_AS_IT_LIES, WANT_PLAIN, WANT_BLOCKED };

struct candidate { enum want in; enum layout out; };

static const struct candidate candidates[] = {
    {WANT_AS_IT_LIES, LAYOUT_BLOCKED}, {WANT_AS_IT_LIES, LAYOUT_PLAIN}, {WANT_BLOCKED, LAYOUT_BLOCKED},
    {WANT_PLAIN, LAYOUT_PLAIN},        {WANT_PLAIN, LAYOUT_BLOCKED},    {WANT_BLOCKED, LAYOUT_PLAIN},
};

/* Neighbouring work-items read neighbouring pixels. */
static const struct candidate simt_candidates[] = {{WANT_PLAIN, LAYOUT_PLAIN}};

struct layouts {
    struct cq_log *log;
    const struct device *dev;
    struct net *net;
    int *copy;                  /* per tensor: the same data in the other layout, -1 for none */
    struct step *steps;         /* the new ones */
    int n_steps, max_steps;
    struct op_inst *inst;
    int block;
    const struct candidate *candidates;
    size_t n_candidates;
};

static bool may_be_blocked(const struct tensor *t)
{
    return t->desc.type == DT_F32 && t->desc.rank == 4 && !t->data && tensor_elems(&t->desc) > 0;
}

static void set_layout(struct tensor_desc *d, enum layout layout, int block)
{
    d->layout = layout;
    d->block = layout == LAYOUT_BLOCKED ? block : 0;
}

static enum layout layout_wanted(const struct tensor *t, enum want want)
{
    return !may_be_blocked(t) || want == WANT_PLAIN ? LAYOUT_PLAIN
           : want == WANT_BLOCKED                   ? LAYOUT_BLOCKED
                                                    : t->desc.layout;
}

/* One position per image: both layouts are the same bytes when channels fill their blocks. */
static bool is_free(const struct layouts *l, const struct tensor_desc *d)
{
    return d->dim[2] * d->dim[3] == 1 && d->dim[1] % l->block == 0;
}

static bool outputs_allow(const struct layouts *l, const struct step *s, enum layout layout)
{
    for (int i = 0; i < s->n_out && layout == LAYOUT_BLOCKED; i++)
        if (!may_be_blocked(&l->net->tensors[s->out[i]]))
            return false;
    /* Its result is read in other dimensions, where blocks make no sense. */
    return layout == LAYOUT_PLAIN || s->op.kind != OP_COPY;
}

/* Lanes that are written and read for nothing: seven of eight for a picture of one channel. */
static double padding(const struct tensor_desc *d)
{
    return (double) tensor_bytes(d) / (double) dtype_size(d->type) - (double) tensor_elems(d);
}

/* Elements that must be copied to cut x into parts: none where they lie in it in one piece (share.h). */
static double cutting(const struct step *s, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = s->op.u.axis.axis;
    bool whole = true;
    if (s->op.kind != OP_SPLIT)
        return 0;
    for (int i = 0; i < axis; i++)
        whole = whole && x->dim[i] == 1;
    for (int i = 0; i + 1 < inst->n_out && x->layout == LAYOUT_BLOCKED && axis == 1; i++)
        whole = whole && inst->out[i].dim[1] % x->block == 0;
    return whole ? 0 : (double) tensor_elems(x);
}

/* Fills l->inst for the candidate; the cost of the reorders it needs and of the room it wastes. */
static double arrange(struct layouts *l, const struct step *s, const struct candidate *c)
{
    double cost = 0;
    net_inst(l->net, s, l->inst);
    for (int i = 0; i < s->n_in; i++) {
        if (s->in[i] < 0)
            continue;
        const struct tensor *t = &l->net->tensors[s->in[i]];
        enum layout layout = layout_wanted(t, c->in);
        set_layout(&l->inst->in[i], layout, l->block);
        if (layout != t->desc.layout && l->copy[s->in[i]] < 0 && !is_free(l, &t->desc))
            cost += 2 * (double) tensor_elems(&t->desc);
    }
    for (int i = 0; i < s->n_out; i++) {
        set_layout(&l->inst->out[i], c->out, l->block);
        cost += padding(&l->inst->out[i]);
    }
    return cost + cutting(s, l->inst);
}

static bool is_view(const struct step *s)
{
    return s->op.kind == OP_COPY;
}

/* Negative: not served. */
static double cost_of(struct layouts *l, const struct step *s, const struct candidate *c)
{
    if (!outputs_allow(l, s, c->out))
        return -1;
    double cost = arrange(l, s, c);
    if (is_view(s))
        return c->in == WANT_PLAIN ? cost : -1;
    const struct kernel_class *k = kernel_find(l->dev, l->inst);
    if (!k)
        return -1;
    if (kernel_is_host(k))
        cost += HOST_PENALTY * (double) (tensor_elems(&l->inst->out[0]) + tensor_elems(&l->inst->in[0]));
    else if ((s->op.kind == OP_CONV || s->op.kind == OP_CONV_TRANSPOSE) && c->out == LAYOUT_PLAIN)
        cost += PLAIN_CONV_PER_FLOP * op_flops(l->inst);
    return cost;
}

static enum cq_err append(struct layouts *l, const struct step *s)
{
    if (l->n_steps == l->max_steps) {
        int more = l->max_steps ? 2 * l->max_steps : 2 * l->net->n_steps + 16;
        struct step *steps = realloc(l->steps, (size_t) more * sizeof *steps);
        if (!steps)
            return CQ_NOMEM;
        l->steps = steps;
        l->max_steps = more;
    }
    l->steps[l->n_steps++] = *s;
    return CQ_OK;
}

/* The tensor's data in the other layout, made by a new step. */
static enum cq_err add_copy(struct layouts *l, const struct step *reader, int t, enum layout layout)
{
    struct net *net = l->net;
    struct tensor_desc d = net->tensors[t].desc;
    set_layout(&d, layout, l->block);
    int *links = pool_alloc(&net->pool, 2, sizeof *links);
    int copy = links ? net_tensor(net, net->tensors[t].name, &d) : -1;
    if (copy < 0)
        return CQ_NOMEM;
    int *bigger = realloc(l->copy, (size_t) net->max_tensors * sizeof *bigger);
    if (!bigger)
        return CQ_NOMEM;
    l->copy = bigger;
    l->copy[copy] = -1;
    l->copy[t] = copy;
    links[0] = t;
    links[1] = copy;
    struct step s = {
        .op.kind = is_free(l, &d) ? OP_COPY : OP_REORDER, .n_in = 1, .n_out = 1, .in = links, .out = links + 1,
        .name = reader->name, .type = "Reorder",
    };
    return append(l, &s);
}

static enum cq_err read_as(struct layouts *l, struct step *s, int i, enum layout layout)
{
    int t = s->in[i];
    if (l->net->tensors[t].desc.layout == layout)
        return CQ_OK;
    enum cq_err err = l->copy[t] < 0 ? add_copy(l, s, t, layout) : CQ_OK;
    if (!err)
        s->in[i] = l->copy[t];
    return err;
}

static enum cq_err place_step(struct layouts *l, struct step *s)
{
    const struct candidate *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < l->n_candidates; i++) {
        double cost = cost_of(l, s, &l->candidates[i]);
        if (cost >= 0 && (!best || cost < best_cost)) {
            best = &l->candidates[i];
            best_cost = cost;
        }
    }
    if (!best) {
        char text[TENSOR_TEXT_SIZE];
        cq_log_error(l->log, "node '%s' (%s): no kernel serves %s on %s", s->name, s->type, op_kind_name(s->op.kind),
                     s->n_in && s->in[0] >= 0 ? tensor_text(&l->net->tensors[s->in[0]].desc, text) : "these inputs");
        return CQ_UNSUPPORTED;
    }
    enum cq_err err = CQ_OK;
    for (int i = 0; i < s->n_in && !err; i++)
        if (s->in[i] >= 0)
            err = read_as(l, s, i, layout_wanted(&l->net->tensors[s->in[i]], best->in));
    for (int i = 0; i < s->n_out; i++)
        set_layout(&l->net->tensors[s->out[i]].desc, best->out, l->block);
    return err ? err : append(l, s);
}

static enum cq_err plain_outputs(struct layouts *l)
{
    for (int i = 0; i < l->net->n_outputs; i++) {
        struct step reader = {.name = l->net->tensors[l->net->outputs[i]].name, .in = &l->net->outputs[i]};
        enum cq_err err = read_as(l, &reader, 0, LAYOUT_PLAIN);
        if (err)
            return err;
    }
    return CQ_OK;
}

enum cq_err layout_choose(struct cq_log *log, const struct device *dev, struct net *net)
{
    bool simt = device_get_info(dev)->simt;
    struct layouts l = {
        .log = log, .dev = dev, .net = net, .block = device_get_info(dev)->float_width,
        .candidates = simt ? simt_candidates : candidates,
        .n_candidates = simt ? 1 : sizeof candidates / sizeof *candidates,
        .copy = malloc(((size_t) net->max_tensors + 1) * sizeof *l.copy), .inst = malloc(sizeof *l.inst),
    };
    enum cq_err err = l.copy && l.inst ? CQ_OK : CQ_NOMEM;
    for (int t = 0; t < net->n_tensors && !err; t++)
        l.copy[t] = -1;
    for (int n = 0; n < net->n_steps && !err; n++)
        err = place_step(&l, &net->steps[n]);
    if (!err)
        err = plain_outputs(&l);
    if (!err) {
        free(net->steps);
        net->steps = l.steps;
        net->n_steps = l.n_steps;
        net->max_steps = l.max_steps;
        l.steps = NULL;
    }
    free(l.steps);
    free(l.copy);
    free(l.inst);
    return err;
}
