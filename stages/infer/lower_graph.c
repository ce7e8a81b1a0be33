/* The walk over a graph: each node through its operator's function, what must wait for later set aside, and the
 * values between the two parts found. */
#include <stdlib.h>

#include "kernels/base/log.h"
#include "stages/infer/batch.h"
#include "stages/infer/lower.h"

static enum cq_err add_inputs(struct lower *c, const struct tensor_desc *inputs)
{
    const struct graph *g = c->graph;
    struct net *p = c->net;
    p->inputs = pool_alloc(&p->pool, (size_t) g->n_inputs, sizeof(int));
    if (!p->inputs)
        return CQ_NOMEM;
    for (int i = 0; i < g->n_inputs; i++) {
        struct tensor_desc d = inputs[i];
        if (d.type == DT_F16)
            d.type = DT_F32;       /* converted on the way in */
        if (!desc_valid(&d)) {
            cq_log_error(c->log, "input '%s' would be impossibly large", g->inputs[i].name);
            return CQ_UNSUPPORTED;
        }
        int t = net_tensor(p, g->inputs[i].name, &d);
        if (t < 0)
            return CQ_NOMEM;
        c->tensor_of[g->input_value[i]] = p->inputs[p->n_inputs++] = t;
    }
    return CQ_OK;
}

/* Constants of the file become tensors when somebody first reads them. */
static enum cq_err make_constant(struct lower *c, int v)
{
    const struct value *value = &c->graph->values[v];
    if (c->tensor_of[v] != LOWER_NO_TENSOR || !value->constant.data)
        return CQ_OK;
    int t = net_tensor(c->net, value->name, &value->constant.desc);
    if (t < 0)
        return CQ_NOMEM;
    c->net->tensors[t].data = value->constant.data;
    c->tensor_of[v] = t;
    return CQ_OK;
}

static enum cq_err make_inputs(struct lower *c, const struct node *n)
{
    for (int i = 0; i < n->n_in + n->n_captured; i++) {
        int v = n->in[i];
        enum cq_err err = v >= 0 ? make_constant(c, v) : CQ_OK;
        if (err)
            return err;
        if (v >= 0 && c->tensor_of[v] == LOWER_NOT_YET)
            return CQ_AGAIN;
        if (v >= 0 && c->tensor_of[v] < 0)
            return lower_fail(c, "needs '%s', an optional result that clipq does not make", c->graph->values[v].name);
    }
    return CQ_OK;
}

enum cq_err lower_node(struct lower *c, const struct node *n)
{
    const struct lower_op *op = lower_find_op(n);
    c->node = n;
    enum cq_err err = make_inputs(c, n);
    if (!err && !op)
        err = lower_fail(c, "this operator is not supported");
    if (err)
        return err;
    c->variant = op->variant;
    err = op->lower(c);
    if (!err)
        batch_inherit(c);
    return err;
}

enum cq_err lower_subgraph(struct lower *c, const struct subgraph *s)
{
    const struct node *outer = c->node;
    int variant = c->variant;
    enum cq_err err = CQ_OK;
    for (int n = 0; n < s->n_nodes && !err; n++)
        err = lower_node(c, &s->nodes[n]);
    for (int i = 0; i < s->n_out && !err; i++)
        err = make_constant(c, s->out[i]);
    c->node = outer;
    c->variant = variant;
    return err;
}

/* A branch that is chosen only when the model runs must not turn out to be impossible then. */
static enum cq_err check_subgraphs(struct lower *c, const struct node *node)
{
    for (int i = 0; i < node->n_attr; i++)
        for (int n = 0; node->attr[i].kind == ATTR_GRAPH && n < node->attr[i].graph->n_nodes; n++) {
            const struct node *inner = &node->attr[i].graph->nodes[n];
            enum cq_err err = lower_check_op(c->log, inner);
            if (!err)
                err = check_subgraphs(c, inner);
            if (err)
                return err;
        }
    return CQ_OK;
}

static enum cq_err lower_nodes(struct lower *c, struct lowered *l)
{
    for (int n = 0; n < c->graph->n_nodes; n++) {
        const struct node *node = &c->graph->nodes[n];
        enum cq_err err = c->base && c->base->when[n] != LOWER_NOW ? CQ_AGAIN : lower_node(c, node);
        if (err && err != CQ_AGAIN)
            return err;
        if (!err)
            continue;
        if (c->base && c->base->when[n] == LOWER_NOW)
            return lower_fail(c, "what it needs is no longer known at this batch size");
        err = check_subgraphs(c, node);
        if (err)
            return err;
        l->when[n] = LOWER_LATER;
        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] >= 0)
                c->tensor_of[node->out[i]] = LOWER_NOT_YET;
    }
    return CQ_OK;
}

/* Backwards from the model's outputs: which of the later nodes matter, and what they read of the net. */
static enum cq_err find_cut(const struct lower *c, struct lowered *l)
{
    const struct graph *g = c->graph;
    bool *wanted = calloc((size_t) g->n_values + 1, sizeof *wanted);
    if (!wanted)
        return CQ_NOMEM;
    for (int i = 0; i < g->n_outputs; i++)
        wanted[g->output_value[i]] = c->tensor_of[g->output_value[i]] == LOWER_NOT_YET;
    for (int n = g->n_nodes - 1; n >= 0; n--) {
        const struct node *node = &g->nodes[n];
        bool matters = false;
        for (int i = 0; i < node->n_out; i++)
            matters |= node->out[i] >= 0 && wanted[node->out[i]];
        if (l->when[n] == LOWER_LATER && !matters)
            l->when[n] = LOWER_NEVER;
        if (l->when[n] != LOWER_LATER)
            continue;
        l->n_later++;
        for (int i = 0; i < node->n_in + node->n_captured; i++)
            if (node->in[i] >= 0)
                wanted[node->in[i]] = true;
    }
    for (int v = 0; v < g->n_values; v++) {
        bool computed = c->tensor_of[v] >= 0 && !c->net->tensors[c->tensor_of[v]].data;
        l->cut[v] = c->base ? c->base->cut[v] : wanted[v] && computed;
        l->n_cut += l->cut[v];
    }
    free(wanted);
    return CQ_OK;
}

static enum cq_err add_outputs(struct lower *c, const struct lowered *l)
{
    const struct graph *g = c->graph;
    struct net *p = c->net;
    p->outputs = pool_alloc(&p->pool, (size_t) g->n_outputs + (size_t) l->n_cut, sizeof(int));
    if (!p->outputs)
        return CQ_NOMEM;
    for (int i = 0; i < g->n_outputs; i++) {
        int t = c->tensor_of[g->output_value[i]];
        if (t == LOWER_NO_TENSOR) {
            cq_log_error(c->log, "output '%s' is an optional result that clipq does not make", g->outputs[i].name);
            return CQ_UNSUPPORTED;
        }
        if (t >= 0)
            p->outputs[p->n_outputs++] = t;
    }
    for (int v = 0; v < g->n_values; v++)
        if (l->cut[v])
            p->outputs[p->n_outputs++] = c->tensor_of[v];
    return CQ_OK;
}

static void record_values(const struct lower *c, struct lowered *l)
{
    for (int v = 0; v < c->graph->n_values; v++)
        if (c->tensor_of[v] >= 0)
            l->value[v] = (struct constant){c->net->tensors[c->tensor_of[v]].desc,
                                            c->net->tensors[c->tensor_of[v]].data};
}

static enum cq_err lowered_init(struct lowered *l, const struct graph *g)
{
    l->value = calloc((size_t) g->n_values + 1, sizeof *l->value);
    l->when = calloc((size_t) g->n_nodes + 1, sizeof *l->when);
    l->cut = calloc((size_t) g->n_values + 1, sizeof *l->cut);
    return l->value && l->when && l->cut ? CQ_OK : CQ_NOMEM;
}

void lowered_finish(struct lowered *l)
{
    free(l->value);
    free(l->when);
    free(l->cut);
    *l = (struct lowered){0};
}

static enum cq_err lower_all(struct lower *c, const struct tensor_desc *inputs, struct lowered *l)
{
    enum cq_err err = lowered_init(l, c->graph);
    if (!err)
        err = add_inputs(c, inputs);
    for (int i = 0; i < c->graph->n_outputs && !err; i++)
        err = make_constant(c, c->graph->output_value[i]);
    if (!err)
        err = lower_nodes(c, l);
    if (!err)
        err = find_cut(c, l);
    if (!err)
        err = add_outputs(c, l);
    if (!err)
        record_values(c, l);
    return err;
}

enum cq_err lower_graph(struct cq_log *log, const struct graph *g, const struct tensor_desc *inputs,
                        const struct lowered *base, struct net *net, struct lowered *out)
{
    struct lowered own = {0};
    struct lower c = {
        .log = log, .graph = g, .net = net, .base = base, .opset = g->opset,
        .tensor_of = malloc(((size_t) g->n_values + 1) * sizeof(int)),
    };
    if (!c.tensor_of)
        return CQ_NOMEM;
    for (int v = 0; v < g->n_values; v++)
        c.tensor_of[v] = LOWER_NO_TENSOR;
    enum cq_err err = lower_all(&c, inputs, out ? out : &own);
    lowered_finish(&own);
    free(c.tensor_of);
    return err;
}
