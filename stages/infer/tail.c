/* See tail.h. */
#include "stages/infer/tail.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"

void tail_destroy(struct tail **t)
{
    if (!*t)
        return;
    pool_finish(&(*t)->pool);
    free(*t);
    *t = NULL;
}

static void find_read(const struct tail *t, bool *read)
{
    for (int n = 0; n < t->n_nodes; n++) {
        const struct node *node = &t->graph->nodes[t->nodes[n]];
        for (int i = 0; i < node->n_in + node->n_captured; i++)
            if (node->in[i] >= 0)
                read[node->in[i]] = true;
    }
}

static enum cq_err add_known(struct tail *t, int value, const struct constant *c)
{
    size_t bytes = tensor_bytes(&c->desc);
    void *copy = pool_alloc(&t->pool, bytes, 1);
    if (!copy)
        return CQ_NOMEM;
    memcpy(copy, c->data, bytes);
    t->known[t->n_known++] = (struct tail_value){value, {c->desc, copy}};
    return CQ_OK;
}

/* Constants of the file are found in the graph; only those that lowering computed must be kept. */
static enum cq_err add_values(struct tail *t, const struct lowered *l)
{
    const struct graph *g = t->graph;
    bool *read = calloc((size_t) g->n_values + 1, sizeof *read);
    if (!read)
        return CQ_NOMEM;
    find_read(t, read);
    enum cq_err err = CQ_OK;
    for (int v = 0; v < g->n_values && !err; v++) {
        const struct constant *c = &l->value[v];
        if (l->cut[v])
            t->cut[t->n_cut++] = (struct tail_value){v, {c->desc, NULL}};
        else if (read[v] && c->data && !g->values[v].constant.data)
            err = add_known(t, v, c);
    }
    free(read);
    return err;
}

static void number_outputs(struct tail *t, const struct lowered *l)
{
    int made = 0;
    for (int i = 0; i < t->graph->n_outputs; i++) {
        bool by_net = l->value[t->graph->output_value[i]].desc.type != DT_NONE;
        t->output[i] = by_net ? made++ : -1;
    }
}

enum cq_err tail_create(const struct graph *g, const struct lowered *l, struct tail **out)
{
    *out = NULL;
    if (!l->n_later)
        return CQ_OK;
    struct tail *t = calloc(1, sizeof *t);
    if (!t)
        return CQ_NOMEM;
    t->graph = g;
    t->nodes = pool_alloc(&t->pool, (size_t) l->n_later, sizeof *t->nodes);
    t->cut = pool_alloc(&t->pool, (size_t) l->n_cut, sizeof *t->cut);
    t->known = pool_alloc(&t->pool, (size_t) g->n_values, sizeof *t->known);
    t->output = pool_alloc(&t->pool, (size_t) g->n_outputs, sizeof *t->output);
    enum cq_err err = t->nodes && t->cut && t->known && t->output ? CQ_OK : CQ_NOMEM;
    for (int n = 0; n < g->n_nodes && !err; n++)
        if (l->when[n] == LOWER_LATER)
            t->nodes[t->n_nodes++] = n;
    if (!err)
        err = add_values(t, l);
    if (!err)
        number_outputs(t, l);
    if (err)
        tail_destroy(&t);
    else
        *out = t;
    return err;
}

static enum cq_err bind_values(struct lower *c, const struct tail_value *values, int n, const void *const *data)
{
    for (int i = 0; i < n; i++) {
        int t = net_tensor(c->net, c->graph->values[values[i].value].name, &values[i].constant.desc);
        if (t < 0)
            return CQ_NOMEM;
        c->net->tensors[t].data = data ? data[i] : values[i].constant.data;
        c->tensor_of[values[i].value] = t;
    }
    return CQ_OK;
}

/* Folding leaves a step for the device where its result is too large. */
static enum cq_err check_folded(struct lower *c, const struct node *n)
{
    c->node = n;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0 && c->tensor_of[n->out[i]] >= 0 && !c->net->tensors[c->tensor_of[n->out[i]]].data)
            return lower_fail(c, "its result for this image is too large");
    return CQ_OK;
}

static enum cq_err run_nodes(struct lower *c, const struct tail *t, const void *const *cut)
{
    enum cq_err err = bind_values(c, t->known, t->n_known, NULL);
    if (!err)
        err = bind_values(c, t->cut, t->n_cut, cut);
    for (int n = 0; n < t->n_nodes && !err; n++) {
        const struct node *node = &t->graph->nodes[t->nodes[n]];
        err = lower_node(c, node);
        if (!err)
            err = check_folded(c, node);
    }
    return err;
}

enum cq_err tail_run(struct cq_log *log, struct device *dev, const struct tail *t, const void *const *cut,
                     struct net *net, struct constant *outputs)
{
    net->heavy = dev ? tail_compute : NULL;
    net->heavy_ctx = dev;
    const struct graph *g = t->graph;
    struct lower c = {
        .log = log, .graph = g, .net = net, .opset = g->opset, .in_tail = true,
        .tensor_of = malloc(((size_t) g->n_values + 1) * sizeof(int)),
    };
    if (!c.tensor_of)
        return CQ_NOMEM;
    for (int v = 0; v < g->n_values; v++)
        c.tensor_of[v] = LOWER_NO_TENSOR;
    enum cq_err err = run_nodes(&c, t, cut);
    for (int i = 0; i < g->n_outputs && !err; i++) {
        int made = c.tensor_of[g->output_value[i]];
        if (t->output[i] >= 0)
            continue;
        if (made < 0) {
            cq_log_error(log, "output '%s' is an optional result that clipq does not make", g->outputs[i].name);
            err = CQ_UNSUPPORTED;
            break;
        }
        outputs[i] = (struct constant){net->tensors[made].desc, net->tensors[made].data};
    }
    free(c.tensor_of);
    return err;
}
