/* From a graph and shapes to a plan: lower, simplify, lay out, choose kernels, place, list constants. */
#include "stages/infer/plan.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/candidates.h"
#include "stages/infer/choice.h"
#include "stages/infer/frames.h"
#include "stages/infer/graph.h"
#include "stages/infer/layout.h"
#include "stages/infer/lower.h"
#include "stages/infer/pass.h"

void plan_destroy(struct plan **plan)
{
    struct plan *p = *plan;
    if (!p)
        return;
    tail_destroy(&p->tail);
    placement_finish(&p->places);
    net_finish(&p->net);
    free(p->needs);
    free(p);
    *plan = NULL;
}

static bool same_shapes(const struct tensor_desc *a, const struct tensor_desc *b, int n)
{
    for (int i = 0; i < n; i++)
        if (!tensor_same_shape(&a[i], &b[i]))
            return false;
    return true;
}

/* Lowers at the exported shapes first, when they differ, to learn where the batch sits. The tail is always for one
 * image, so it comes from there. */
static enum cq_err lower_at(struct cq_log *log, const struct graph *g, const struct plan_params *params,
                            const struct tensor_desc *exported, struct net *net, struct tail **tail)
{
    bool same = same_shapes(params->inputs, exported, g->n_inputs);
    struct lowered base = {0};
    struct net trial = {0};
    enum cq_err err = lower_graph(log, g, exported, NULL, same ? net : &trial, &base);
    if (!err)
        err = tail_create(g, &base, tail);
    base.as_written = params->as_written;
    if (!err && !same)
        err = lower_graph(log, g, params->inputs, &base, net, NULL);
    net_finish(&trial);
    lowered_finish(&base);
    return err;
}

/* Passes and layouts put other tensors in the place of outputs, but the batch stays where it is. */
static enum cq_err note_inner(struct plan *p)
{
    p->inner = pool_alloc(&p->net.pool, (size_t) p->net.n_outputs, sizeof *p->inner);
    for (int i = 0; p->inner && i < p->net.n_outputs; i++)
        p->inner[i] = p->net.tensors[p->net.outputs[i]].batch_inner;
    return p->inner ? CQ_OK : CQ_NOMEM;
}

/* ---- constants ---- */

static enum cq_err add_need(struct plan *p, const struct weight_need *need, int *index)
{
    for (int i = 0; i < p->n_needs; i++)
        if (!memcmp(&p->needs[i].key, &need->key, sizeof need->key)) {
            *index = i;
            return CQ_OK;
        }
    if (p->n_needs == p->max_needs) {
        int more = p->max_needs ? 2 * p->max_needs : 64;
        struct weight_need *needs = realloc(p->needs, (size_t) more * sizeof *needs);
        if (!needs)
            return CQ_NOMEM;
        p->needs = needs;
        p->max_needs = more;
    }
    p->weight_bytes += (need->bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
    *index = p->n_needs;
    p->needs[p->n_needs++] = *need;
    return CQ_OK;
}

static enum cq_err need_constant(struct plan *p, int t)
{
    const struct tensor *tensor = &p->net.tensors[t];
    size_t bytes = tensor_bytes(&tensor->desc);
    if (p->need_of[t] >= 0)
        return CQ_OK;
    struct weight_need need = {.key = weights_key_of(tensor->data, bytes), .bytes = bytes, .data = tensor->data};
    return add_need(p, &need, &p->need_of[t]);
}

/* What the kernel packs, and every constant that it still reads itself. */
static enum cq_err need_constants(struct plan *p, const struct device *dev, struct plan_step *ps)
{
    const struct kernel_class *k = ps->kernel;
    size_t packed = k->packed_bytes ? k->packed_bytes(dev, ps->inst) : 0;
    enum cq_err err = CQ_OK;
    if (packed) {
        struct weight_need need = {.key = weights_key(k, ps->inst), .bytes = packed, .kernel = k, .inst = ps->inst};
        err = add_need(p, &need, &ps->packed);
    }
    for (int i = 0; i < ps->step->n_in && !err; i++) {
        bool replaced = packed && k->packs >> i & 1;
        int t = ps->step->in[i];
        if (t >= 0 && !replaced && p->places.of[t].kind == PLACE_CONSTANT)
            err = need_constant(p, p->places.of[t].root);
    }
    return err;
}

/* ---- kernels ---- */

static enum cq_err choose_kernel(struct cq_log *log, struct plan *p, const struct device *dev,
                                 const struct choices *choices, const struct step *s)
{
    struct plan_step *ps = &p->steps[p->n_steps];
    ps->step = s;
    ps->inst = pool_alloc(&p->net.pool, 1, sizeof *ps->inst);
    if (!ps->inst)
        return CQ_NOMEM;
    net_inst(&p->net, s, ps->inst);
    ps->kernel = choices_find(choices, dev, ps->inst);
    ps->kernel = ps->kernel ? ps->kernel : kernel_find(dev, ps->inst);
    if (!ps->kernel) {
        cq_log_error(log, "node '%s' (%s): no kernel serves %s", s->name, s->type, op_kind_name(s->op.kind));
        return CQ_UNSUPPORTED;
    }
    ps->packed = -1;
    ps->scratch = ps->kernel->scratch_bytes ? ps->kernel->scratch_bytes(dev, ps->inst) : 0;
    p->n_steps++;
    return CQ_OK;
}

/* A step on a tensor without elements has nothing to do, and no buffer can be empty. */
static bool makes_something(const struct net *net, const struct step *s)
{
    for (int i = 0; i < s->n_out; i++)
        if (tensor_elems(&net->tensors[s->out[i]].desc) > 0)
            return true;
    return false;
}

static enum cq_err choose_kernels(struct cq_log *log, struct plan *p, const struct device *dev,
                                  const struct choices *choices)
{
    const struct net *net = &p->net;
    p->steps = pool_alloc(&p->net.pool, (size_t) net->n_steps, sizeof *p->steps);
    p->need_of = pool_alloc(&p->net.pool, (size_t) net->n_tensors, sizeof *p->need_of);
    if (!p->steps || !p->need_of)
        return CQ_NOMEM;
    memset(p->need_of, 0xff, (size_t) net->n_tensors * sizeof *p->need_of);
    for (int n = 0; n < net->n_steps; n++) {
        if (place_is_view(&net->steps[n]) || !makes_something(net, &net->steps[n]))
            continue;
        enum cq_err err = choose_kernel(log, p, dev, choices, &net->steps[n]);
        if (err)
            return err;
    }
    return CQ_OK;
}

static int net_step(const struct plan *p, int i)
{
    return (int) (p->steps[i].step - p->net.steps);
}

/* Addresses, with what the chosen kernels allow and want. */
static enum cq_err place(struct plan *p, const struct device *dev)
{
    struct place_wish *wishes = calloc((size_t) p->net.n_steps + 1, sizeof *wishes);
    if (!wishes)
        return CQ_NOMEM;
    for (int i = 0; i < p->n_steps; i++) {
        const struct plan_step *ps = &p->steps[i];
        wishes[net_step(p, i)] = (struct place_wish){
            .in_place = ps->kernel->in_place, .takes_parts = ps->kernel->takes_parts, .scratch = ps->scratch,
        };
    }
    enum cq_err err = place_tensors(&p->net, wishes, device_get_info(dev)->max_alloc_bytes, &p->places);
    free(wishes);
    return err;
}

/* Leaves out the steps that placing has made needless; what the others need and cost. */
static enum cq_err settle_steps(struct plan *p, const struct device *dev)
{
    enum cq_err err = CQ_OK;
    int n = 0;
    for (int i = 0; i < p->n_steps && !err; i++) {
        struct plan_step *ps = &p->steps[i];
        if (p->places.skip[net_step(p, i)])
            continue;
        ps->scratch_at = p->places.scratch[net_step(p, i)];
        p->scratch_bytes = ps->scratch > p->scratch_bytes ? ps->scratch : p->scratch_bytes;
        p->host_steps += kernel_is_host(ps->kernel);
        p->flops += op_flops(ps->inst);
        err = need_constants(p, dev, ps);
        p->steps[n++] = *ps;
    }
    p->n_steps = n;
    return err;
}

enum cq_err plan_create(struct cq_log *log, struct device *dev, const struct graph *g, const struct plan_params *params,
                        const struct tensor_desc *exported, struct plan **out)
{
    *out = NULL;
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        return CQ_NOMEM;
    enum cq_err err = lower_at(log, g, params, exported, &p->net, &p->tail);
    if (!err && params->candidates && !p->tail)
        err = candidates_pick(log, dev, &p->net, params->candidates, params->inputs[0].dim[0], &p->cells);
    if (!err)
        err = note_inner(p);
    if (!err)
        err = pass_run_all(log, &p->net);
    p->net.half = params->half;
    if (!err && params->image)
        err = frames_feed(&p->net, dev, params->image);
    if (!err)
        err = layout_choose(log, dev, &p->net);
    if (!err)
        err = choose_kernels(log, p, dev, params->choices);
    if (!err)
        err = place(p, dev);
    if (!err)
        err = settle_steps(p, dev);
    if (err)
        plan_destroy(&p);
    else
        *out = p;
    return err;
}

struct session_memory plan_memory(const struct plan *p)
{
    return (struct session_memory){
        .weights = p->weight_bytes,
        .activations = p->places.arena_bytes,
        .activation_bound = p->places.bound_bytes,
        .scratch = p->scratch_bytes,
        .staging = p->places.staging_bytes,
        .total = p->weight_bytes + p->places.arena_bytes + p->places.staging_bytes,
    };
}
