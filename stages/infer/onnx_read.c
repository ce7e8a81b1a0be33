/* ModelProto to struct graph: names become numbers, attributes plain C, wrong references errors. */
#include <stdlib.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/names.h"
#include "stages/infer/onnx.h"

/* What the reader keeps while it reads; `names` maps a value's name to its number. */
struct build {
    struct onnx_reader r;
    struct names names;
    size_t max_values;
};

static const char *text(const char *s)
{
    return s ? s : "";
}

static enum cq_err corrupt(struct build *b, const char *kind, const char *what)
{
    cq_log_error(b->r.log, "%s: %s '%s'", b->r.name, kind, what);
    return CQ_CORRUPT;
}

static void free_source(void *source)
{
    protobuf_c_message_free_unpacked(source, NULL);
}

/* The value of that name, made if new; -1 when memory is short. */
static int value_of(struct build *b, const char *name)
{
    struct graph *g = b->r.graph;
    int known = names_find(&b->names, name);
    if (known >= 0)
        return known;
    if ((size_t) g->n_values >= b->max_values || !names_put(&b->names, name, g->n_values))
        return -1;
    g->values[g->n_values] = (struct value){.name = name, .producer = -1};
    return g->n_values++;
}

static enum cq_err alloc_values(struct build *b, const Onnx__GraphProto *p)
{
    b->max_values = p->n_initializer + p->n_input + p->n_output + 1;
    for (size_t i = 0; i < p->n_node; i++)
        b->max_values += p->node[i]->n_input + p->node[i]->n_output;
    if (b->max_values > INT32_MAX / 4)
        return corrupt(b, "too many values in graph", text(p->name));
    b->r.graph->values = pool_alloc(&b->r.graph->pool, b->max_values, sizeof(struct value));
    return b->r.graph->values && names_init(&b->names, b->max_values) ? CQ_OK : CQ_NOMEM;
}

static enum cq_err read_initialisers(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r.graph;
    if (p->n_sparse_initializer) {
        cq_log_error(b->r.log, "%s: sparse initialisers are not supported", b->r.name);
        return CQ_UNSUPPORTED;
    }
    for (size_t i = 0; i < p->n_initializer; i++) {
        int v = value_of(b, text(p->initializer[i]->name));
        if (v < 0)
            return CQ_NOMEM;
        if (g->values[v].constant.data)
            return corrupt(b, "two initialisers named", g->values[v].name);
        enum cq_err err = onnx_tensor(&b->r, p->initializer[i], &g->values[v].constant);
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
        cq_log_error(b->r.log, "%s: '%s' is a sequence, map or other type; only tensors are supported", b->r.name,
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
static enum cq_err read_inputs(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r.graph;
    g->inputs = pool_alloc(&g->pool, p->n_input, sizeof *g->inputs);
    g->input_value = pool_alloc(&g->pool, p->n_input, sizeof *g->input_value);
    if (!g->inputs || !g->input_value)
        return CQ_NOMEM;
    for (size_t i = 0; i < p->n_input; i++) {
        int known = g->n_values, v = value_of(b, text(p->input[i]->name));
        if (v < 0)
            return CQ_NOMEM;
        if (v < known && g->values[v].constant.data)
            continue;
        if (v < known)
            return corrupt(b, "two inputs named", g->values[v].name);
        enum cq_err err = read_io(b, p->input[i], &g->inputs[g->n_inputs]);
        if (err)
            return err;
        if (g->inputs[g->n_inputs].type == DT_NONE) {
            cq_log_error(b->r.log, "%s: input '%s' holds strings, complex numbers or no known type", b->r.name,
                         g->values[v].name);
            return CQ_UNSUPPORTED;
        }
        g->input_value[g->n_inputs++] = v;
    }
    return CQ_OK;
}

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
        default: return ATTR_OTHER;
        }
    /* The first ONNX files had no type field: what is there tells. */
    return a->has_i ? ATTR_INT : a->has_f ? ATTR_FLOAT : a->has_s ? ATTR_STRING : a->n_ints ? ATTR_INTS
           : a->n_floats ? ATTR_FLOATS : a->t ? ATTR_TENSOR : ATTR_OTHER;
}

static enum cq_err read_strings(struct build *b, const Onnx__AttributeProto *p, struct attr *a)
{
    struct pool *pool = &b->r.graph->pool;
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
        a->s = pool_text(&b->r.graph->pool, p->s.data, p->s.len);
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
        return onnx_tensor(&b->r, p->t, &a->tensor);
    default:
        return CQ_OK;
    }
}

static enum cq_err read_links(struct build *b, const Onnx__NodeProto *p, struct node *n, int index)
{
    struct graph *g = b->r.graph;
    for (size_t i = 0; i < p->n_input; i++) {
        n->in[i] = *text(p->input[i]) ? value_of(b, p->input[i]) : -1;
        if (*text(p->input[i]) && n->in[i] < 0)
            return CQ_NOMEM;
    }
    for (size_t i = 0; i < p->n_output; i++) {
        n->out[i] = *text(p->output[i]) ? value_of(b, p->output[i]) : -1;
        if (!*text(p->output[i]))
            continue;
        if (n->out[i] < 0)
            return CQ_NOMEM;
        if (g->values[n->out[i]].producer >= 0 || g->values[n->out[i]].constant.data)
            return corrupt(b, "two nodes make", g->values[n->out[i]].name);
        g->values[n->out[i]].producer = index;
    }
    return CQ_OK;
}

static enum cq_err read_node(struct build *b, const Onnx__NodeProto *p, int index)
{
    struct pool *pool = &b->r.graph->pool;
    const char *domain = text(p->domain);
    struct node *n = &b->r.graph->nodes[index];
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
    enum cq_err err = read_links(b, p, n, index);
    for (size_t i = 0; !err && i < p->n_attribute; i++)
        err = read_attr(b, p->attribute[i], &n->attr[n->n_attr++]);
    return err;
}

static enum cq_err read_nodes(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r.graph;
    g->nodes = pool_alloc(&g->pool, p->n_node, sizeof *g->nodes);
    if (!g->nodes)
        return CQ_NOMEM;
    g->n_nodes = (int) p->n_node;
    for (int i = 0; i < g->n_nodes; i++) {
        enum cq_err err = read_node(b, p->node[i], i);
        if (err)
            return err;
    }
    return CQ_OK;
}

/* Every value that a node or the caller reads must come from somewhere. */
static enum cq_err check_sources(struct build *b, const bool *is_input)
{
    const struct graph *g = b->r.graph;
    for (int n = 0; n < g->n_nodes; n++)
        for (int i = 0; i < g->nodes[n].n_in; i++) {
            int v = g->nodes[n].in[i];
            if (v < 0 || g->values[v].producer >= 0 || g->values[v].constant.data || is_input[v])
                continue;
            cq_log_error(b->r.log, "%s: node '%s' (%s) needs '%s', which nothing makes", b->r.name, g->nodes[n].name,
                         g->nodes[n].type, g->values[v].name);
            return CQ_CORRUPT;
        }
    for (int i = 0; i < g->n_outputs; i++) {
        int v = g->output_value[i];
        if (g->values[v].producer < 0 && !g->values[v].constant.data && !is_input[v])
            return corrupt(b, "nothing makes the output", g->values[v].name);
    }
    return CQ_OK;
}

static enum cq_err check_links(struct build *b)
{
    const struct graph *g = b->r.graph;
    bool *is_input = calloc((size_t) g->n_values + 1, sizeof *is_input);
    if (!is_input)
        return CQ_NOMEM;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < g->n_inputs; i++) {
        is_input[g->input_value[i]] = true;
        if (g->values[g->input_value[i]].producer >= 0)
            err = corrupt(b, "a node makes the input", g->values[g->input_value[i]].name);
    }
    if (!err)
        err = check_sources(b, is_input);
    free(is_input);
    return err;
}

static enum cq_err read_outputs(struct build *b, const Onnx__GraphProto *p)
{
    struct graph *g = b->r.graph;
    g->outputs = pool_alloc(&g->pool, p->n_output, sizeof *g->outputs);
    g->output_value = pool_alloc(&g->pool, p->n_output, sizeof *g->output_value);
    if (!g->outputs || !g->output_value)
        return CQ_NOMEM;
    if (!p->n_output) {
        cq_log_error(b->r.log, "%s: the graph has no outputs", b->r.name);
        return CQ_CORRUPT;
    }
    for (size_t i = 0; i < p->n_output; i++) {
        enum cq_err err = read_io(b, p->output[i], &g->outputs[i]);
        if (err)
            return err;
        g->output_value[i] = value_of(b, g->outputs[i].name);
        if (g->output_value[i] < 0)
            return CQ_NOMEM;
        g->n_outputs++;
    }
    return CQ_OK;
}

static enum cq_err read_meta(struct build *b, const Onnx__ModelProto *m)
{
    struct graph *g = b->r.graph;
    g->producer = text(m->producer_name);
    g->opset = 1;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = text(m->opset_import[i]->domain);
        int64_t version = m->opset_import[i]->version;
        if (!*domain || !strcmp(domain, "ai.onnx"))
            g->opset = version > 0 && version < 1000 ? (int) version : 1;
    }
    g->meta_key = pool_alloc(&g->pool, m->n_metadata_props, sizeof *g->meta_key);
    g->meta_value = pool_alloc(&g->pool, m->n_metadata_props, sizeof *g->meta_value);
    if (!g->meta_key || !g->meta_value)
        return CQ_NOMEM;
    for (size_t i = 0; i < m->n_metadata_props; i++, g->n_meta++) {
        g->meta_key[i] = text(m->metadata_props[i]->key);
        g->meta_value[i] = text(m->metadata_props[i]->value);
    }
    return CQ_OK;
}

/* Models that are kept elsewhere leave a few lines of text, or a web page, where the file should be. */
static bool is_text(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < 512; i++)
        if (data[i] < ' ' && data[i] != '\n' && data[i] != '\r' && data[i] != '\t')
            return false;
    return size > 0;
}

enum cq_err onnx_read(struct cq_log *log, const char *name, const char *folder, const void *data, size_t size,
                      struct graph *g)
{
    struct build b = {.r = {log, name, folder, g}};
    Onnx__ModelProto *m = onnx_wire_ok(data, size) ? onnx__model_proto__unpack(NULL, size, data) : NULL;
    if (!m || !m->graph) {
        cq_log_error(log, "%s: %s", name,
                     is_text(data, size) ? "a text file, no ONNX model (a saved web page, or a Git LFS pointer?): "
                                           "download the model itself"
                                         : "not an ONNX model, or one cut short or damaged: export or copy it again");
        if (m)
            onnx__model_proto__free_unpacked(m, NULL);
        return CQ_CORRUPT;
    }
    g->source = m;
    g->source_free = free_source;

    enum cq_err err = read_meta(&b, m);
    if (!err)
        err = alloc_values(&b, m->graph);
    if (!err)
        err = read_initialisers(&b, m->graph);
    if (!err)
        err = read_inputs(&b, m->graph);
    if (!err)
        err = read_nodes(&b, m->graph);
    if (!err)
        err = read_outputs(&b, m->graph);
    if (!err)
        err = check_links(&b);
    if (!err)
        err = graph_sort(log, g);
    names_finish(&b.names);
    return err;
}
