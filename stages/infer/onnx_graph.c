/* GraphProto to struct graph: names become numbers, attributes plain C, wrong references errors.
 *
 * A graph inside a node (a branch of If) is a scope of its own: its nodes see the values of the graphs around it, of
 * which it can name any, before or behind its node. So a graph's own values are all declared before the first of
 * its nodes is read, and the outer values that a subgraph reads are listed with its node, for the order of nodes.
 * How deep graphs lie in each other onnx_wire_ok has limited.
 */
#include <stdlib.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/names.h"
#include "stages/infer/onnx.h"

/* One graph while it is read; `names` maps the names of its own values to their numbers. */
struct build {
    struct onnx_reader *r;
    const struct build *outer;       /* NULL: the model's graph */
    struct names names;
    int scope;
};

static const char *text(const char *s)
{
    return s ? s : "";
}

static enum cq_err corrupt(struct build *b, const char *kind, const char *what)
{
    cq_log_error(b->r->log, "%s: %s '%s'", b->r->name, kind, what);
    return CQ_CORRUPT;
}

/* ---- values ---- */

/* The value that the name means here, -1 when there is none. */
static int find(const struct build *b, const char *name)
{
    int v = -1;
    for (; b && v < 0; b = b->outer)
        v = names_find(&b->names, name);
    return v;
}

/* A new value of this graph; the name must not be known in it. */
static enum cq_err declare(struct build *b, const char *name, int producer, int *out)
{
    struct graph *g = b->r->graph;
    if (!names_put(&b->names, name, g->n_values))
        return CQ_NOMEM;
    g->values[g->n_values] = (struct value){.name = name, .producer = producer, .scope = b->scope};
    *out = g->n_values++;
    return CQ_OK;
}

/* Of this graph alone. */
static size_t count_own(const Onnx__GraphProto *p)
{
    size_t n = p->n_initializer + p->n_input;
    for (size_t i = 0; i < p->n_node; i++)
        n += p->node[i]->n_output;
    return n;
}

/* With the graphs inside. */
static size_t count_values(const Onnx__GraphProto *p)
{
    size_t n = count_own(p);
    for (size_t i = 0; i < p->n_node; i++)
        for (size_t k = 0; k < p->node[i]->n_attribute; k++)
            if (p->node[i]->attribute[k]->g)
                n += count_values(p->node[i]->attribute[k]->g);
    return n;
}

static enum cq_err read_initialisers(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r->graph;
    if (p->n_sparse_initializer) {
        cq_log_error(b->r->log, "%s: sparse initialisers are not supported", b->r->name);
        return CQ_UNSUPPORTED;
    }
    for (size_t i = 0; i < p->n_initializer; i++) {
        const char *name = text(p->initializer[i]->name);
        int v;
        if (names_find(&b->names, name) >= 0)
            return corrupt(b, "two initialisers named", name);
        enum cq_err err = declare(b, name, -1, &v);
        if (!err)
            err = onnx_tensor(b->r, p->initializer[i], &g->values[v].constant);
        if (err)
            return err;
        enum dtype type = g->values[v].constant.desc.type;
        if (type == DT_F32 || type == DT_F64)
            g->parameters += tensor_elems(&g->values[v].constant.desc);
    }
    return CQ_OK;
}

static enum cq_err read_io(struct build *b, const Onnx__ValueInfoProto *info, struct model_io *io)
{
    *io = (struct model_io){.name = text(info->name)};
    const Onnx__TypeProto *type = info->type;
    if (!type)
        return CQ_OK;
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type) {
        cq_log_error(b->r->log, "%s: '%s' is a sequence, map or other type; only tensors are supported", b->r->name,
                     io->name);
        return CQ_UNSUPPORTED;
    }
    io->type = onnx_dtype(type->tensor_type->elem_type);
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (shape && shape->n_dim > TENSOR_MAX_RANK)
        return corrupt(b, "more than 8 dimensions at", io->name);
    io->rank = shape ? (int) shape->n_dim : 0;
    for (int i = 0; i < io->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        io->dim[i] = -1;
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0)
            io->dim[i] = d->dim_value;
        else if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && d->dim_param)
            io->symbol[i] = d->dim_param;
    }
    return CQ_OK;
}

/* Graph inputs that are not initialisers; old exporters list both. */
static enum cq_err declare_input(struct build *b, const char *name, int *value)
{
    int v = names_find(&b->names, name);
    *value = -1;
    if (v < 0)
        return declare(b, name, -1, value);
    return b->r->graph->values[v].constant.data ? CQ_OK : corrupt(b, "two inputs named", name);
}

static enum cq_err read_inputs(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r->graph;
    g->inputs = pool_alloc(&g->pool, p->n_input, sizeof *g->inputs);
    g->input_value = pool_alloc(&g->pool, p->n_input, sizeof *g->input_value);
    if (!g->inputs || !g->input_value)
        return CQ_NOMEM;
    for (size_t i = 0; i < p->n_input; i++) {
        struct model_io *io = &g->inputs[g->n_inputs];
        int v;
        enum cq_err err = declare_input(b, text(p->input[i]->name), &v);
        if (!err && v >= 0)
            err = read_io(b, p->input[i], io);
        if (err)
            return err;
        if (v < 0)
            continue;
        if (io->type == DT_NONE) {
            const Onnx__TypeProto *type = p->input[i]->type;
            cq_log_error(b->r->log, "%s: input '%s' %s", b->r->name, io->name,
                         onnx_dtype_refusal(type ? type->tensor_type->elem_type : 0));
            return CQ_UNSUPPORTED;
        }
        g->input_value[g->n_inputs++] = v;
    }
    return CQ_OK;
}

/* What a node makes; the numbers go into its out[]. */
static enum cq_err declare_results(struct build *b, const Onnx__NodeProto *p, struct node *n, int index)
{
    for (size_t i = 0; i < p->n_output; i++) {
        const char *name = text(p->output[i]);
        n->out[i] = -1;
        if (!*name)
            continue;
        int known = names_find(&b->names, name);
        if (known >= 0) {
            const struct value *v = &b->r->graph->values[known];
            return corrupt(b, v->producer < 0 && !v->constant.data ? "a node makes the input" : "two nodes make", name);
        }
        enum cq_err err = declare(b, name, index, &n->out[i]);
        if (err)
            return err;
    }
    return CQ_OK;
}

/* ---- attributes ---- */

static enum cq_err read_subgraph(struct build *outer, const Onnx__GraphProto *p, struct subgraph **out);

static enum attr_kind attr_kind_of(const Onnx__AttributeProto *a)
{
    if (a->has_type)
        switch (a->type) {
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:  return ATTR_FLOAT;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:    return ATTR_INT;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return ATTR_STRING;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR: return ATTR_TENSOR;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: return ATTR_FLOATS;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:   return ATTR_INTS;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: return ATTR_STRINGS;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:  return ATTR_GRAPH;
        default: return ATTR_OTHER;
        }
    /* The first ONNX files had no type field: what is there tells. */
    return a->has_i ? ATTR_INT : a->has_f ? ATTR_FLOAT : a->has_s ? ATTR_STRING : a->n_ints ? ATTR_INTS
           : a->n_floats ? ATTR_FLOATS : a->t ? ATTR_TENSOR : a->g ? ATTR_GRAPH : ATTR_OTHER;
}

static enum cq_err read_strings(struct build *b, const Onnx__AttributeProto *p, struct attr *a)
{
    struct pool *pool = &b->r->graph->pool;
    a->strings = pool_alloc(pool, p->n_strings, sizeof *a->strings);
    for (; a->strings && (size_t) a->n < p->n_strings; a->n++) {
        a->strings[a->n] = pool_text(pool, p->strings[a->n].data, p->strings[a->n].len);
        if (!a->strings[a->n])
            return CQ_NOMEM;
    }
    return a->strings ? CQ_OK : CQ_NOMEM;
}

static enum cq_err read_attr(struct build *b, const Onnx__AttributeProto *p, struct attr *a)
{
    *a = (struct attr){.name = text(p->name), .kind = attr_kind_of(p), .i = p->i, .f = p->f};
    switch (a->kind) {
    case ATTR_STRING:
        a->s = pool_text(&b->r->graph->pool, p->s.data, p->s.len);
        return a->s ? CQ_OK : CQ_NOMEM;
    case ATTR_INTS:
        a->ints = p->ints;
        a->n = (int) p->n_ints;
        return CQ_OK;
    case ATTR_FLOATS:
        a->floats = p->floats;
        a->n = (int) p->n_floats;
        return CQ_OK;
    case ATTR_STRINGS:
        return read_strings(b, p, a);
    case ATTR_TENSOR:
        if (!p->t)
            return corrupt(b, "empty tensor in attribute", a->name);
        return onnx_tensor(b->r, p->t, &a->tensor);
    case ATTR_GRAPH:
        if (!p->g)
            return corrupt(b, "empty graph in attribute", a->name);
        return read_subgraph(b, p->g, &a->graph);
    default:
        return CQ_OK;
    }
}

/* ---- nodes ---- */

static enum cq_err read_links(struct build *b, const Onnx__NodeProto *p, struct node *n)
{
    for (size_t i = 0; i < p->n_input; i++) {
        const char *name = text(p->input[i]);
        n->in[i] = *name ? find(b, name) : -1;
        if (*name && n->in[i] < 0) {
            cq_log_error(b->r->log, "%s: node '%s' (%s) needs '%s', which nothing makes", b->r->name, n->name, n->type,
                         name);
            return CQ_CORRUPT;
        }
    }
    return CQ_OK;
}

/* Values of graphs further out that the subgraph reads; `to` may be NULL to count them. */
static int list_captured(const struct graph *g, const struct subgraph *s, int *to)
{
    int n = 0;
    for (int k = 0; k < s->n_nodes; k++)
        for (int i = 0; i < s->nodes[k].n_in + s->nodes[k].n_captured; i++) {
            int v = s->nodes[k].in[i];
            if (v < 0 || g->values[v].scope == s->scope)
                continue;
            if (to)
                to[n] = v;
            n++;
        }
    for (int i = 0; i < s->n_out; i++)
        if (g->values[s->out[i]].scope != s->scope) {
            if (to)
                to[n] = s->out[i];
            n++;
        }
    return n;
}

static enum cq_err add_captured(struct build *b, struct node *n)
{
    const struct graph *g = b->r->graph;
    int64_t count = n->n_in;
    for (int i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH)
            count += list_captured(g, n->attr[i].graph, NULL);
    if (count == n->n_in)
        return CQ_OK;
    int *in = count < INT32_MAX / 4 ? pool_alloc(&b->r->graph->pool, (size_t) count, sizeof *in) : NULL;
    if (!in)
        return CQ_NOMEM;
    memcpy(in, n->in, (size_t) n->n_in * sizeof *in);
    n->in = in;
    for (int i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH)
            n->n_captured += list_captured(g, n->attr[i].graph, in + n->n_in + n->n_captured);
    return CQ_OK;
}

static enum cq_err begin_node(struct build *b, const Onnx__NodeProto *p, struct node *n, int index)
{
    struct pool *pool = &b->r->graph->pool;
    const char *domain = text(p->domain);
    *n = (struct node){
        .name = text(p->name),
        .type = text(p->op_type),
        .domain = strcmp(domain, "ai.onnx") ? domain : "",
        .n_in = (int) p->n_input,
        .n_out = (int) p->n_output,
        .in = pool_alloc(pool, p->n_input, sizeof(int)),
        .out = pool_alloc(pool, p->n_output, sizeof(int)),
        .attr = pool_alloc(pool, p->n_attribute, sizeof(struct attr)),
    };
    if (!n->in || !n->out || !n->attr)
        return CQ_NOMEM;
    if (!*n->name && p->n_output)
        n->name = text(p->output[0]);    /* exporters that leave nodes unnamed still name their results */
    return declare_results(b, p, n, index);
}

static enum cq_err finish_node(struct build *b, const Onnx__NodeProto *p, struct node *n)
{
    enum cq_err err = read_links(b, p, n);
    for (size_t i = 0; !err && i < p->n_attribute; i++)
        err = read_attr(b, p->attribute[i], &n->attr[n->n_attr++]);
    return err ? err : add_captured(b, n);
}

static enum cq_err read_nodes(struct build *b, const Onnx__GraphProto *p, struct node **out, int *count)
{
    struct graph *g = b->r->graph;
    struct node *nodes = pool_alloc(&g->pool, p->n_node, sizeof *nodes);
    if (!nodes || p->n_node > INT32_MAX / 4)
        return CQ_NOMEM;
    int n = (int) p->n_node;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++)
        err = begin_node(b, p->node[i], &nodes[i], i);
    for (int i = 0; i < n && !err; i++)
        err = finish_node(b, p->node[i], &nodes[i]);
    if (!err)
        err = graph_sort(b->r->log, g, b->scope, &nodes, n);
    *out = nodes;
    *count = n;
    return err;
}

/* ---- graphs ---- */

static enum cq_err begin_scope(struct build *b, const Onnx__GraphProto *p)
{
    b->scope = b->r->graph->n_scopes++;
    return names_init(&b->names, count_own(p) + 1) ? read_initialisers(b, p) : CQ_NOMEM;
}

static enum cq_err read_subgraph_io(struct build *b, const Onnx__GraphProto *p, struct subgraph *s)
{
    for (size_t i = 0; i < p->n_input; i++) {
        int v;
        enum cq_err err = declare_input(b, text(p->input[i]->name), &v);
        if (err)
            return err;
        if (v >= 0)
            s->in[s->n_in++] = v;
    }
    enum cq_err err = read_nodes(b, p, &s->nodes, &s->n_nodes);
    for (size_t i = 0; i < p->n_output && !err; i++) {
        const char *name = text(p->output[i]->name);
        s->out[i] = find(b, name);
        if (s->out[i] < 0)
            return corrupt(b, "nothing makes the output", name);
        s->n_out++;
    }
    return err;
}

static enum cq_err read_subgraph(struct build *outer, const Onnx__GraphProto *p, struct subgraph **out)
{
    struct pool *pool = &outer->r->graph->pool;
    struct build b = {.r = outer->r, .outer = outer};
    struct subgraph *s = pool_alloc(pool, 1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->in = pool_alloc(pool, p->n_input, sizeof *s->in);
    s->out = pool_alloc(pool, p->n_output, sizeof *s->out);
    enum cq_err err = s->in && s->out ? begin_scope(&b, p) : CQ_NOMEM;
    s->scope = b.scope;
    if (!err)
        err = read_subgraph_io(&b, p, s);
    names_finish(&b.names);
    *out = s;
    return err;
}

static enum cq_err read_outputs(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r->graph;
    g->outputs = pool_alloc(&g->pool, p->n_output, sizeof *g->outputs);
    g->output_value = pool_alloc(&g->pool, p->n_output, sizeof *g->output_value);
    if (!g->outputs || !g->output_value)
        return CQ_NOMEM;
    if (!p->n_output) {
        cq_log_error(b->r->log, "%s: the graph has no outputs", b->r->name);
        return CQ_CORRUPT;
    }
    for (size_t i = 0; i < p->n_output; i++) {
        enum cq_err err = read_io(b, p->output[i], &g->outputs[i]);
        if (err)
            return err;
        g->output_value[i] = find(b, g->outputs[i].name);
        if (g->output_value[i] < 0)
            return corrupt(b, "nothing makes the output", g->outputs[i].name);
        g->n_outputs++;
    }
    return CQ_OK;
}

enum cq_err onnx_graph(struct onnx_reader *r, const Onnx__GraphProto *p)
{
    struct build b = {.r = r};
    struct graph *g = r->graph;
    size_t values = count_values(p) + 1;
    if (values > INT32_MAX / 4)
        return corrupt(&b, "too many values in graph", text(p->name));
    g->values = pool_alloc(&g->pool, values, sizeof *g->values);
    enum cq_err err = g->values ? begin_scope(&b, p) : CQ_NOMEM;
    if (!err)
        err = read_inputs(&b, p);
    if (!err)
        err = read_nodes(&b, p, &g->nodes, &g->n_nodes);
    if (!err)
        err = read_outputs(&b, p);
    names_finish(&b.names);
    return err;
}
