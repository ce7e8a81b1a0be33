/* Small ONNX models for tests, built as protobuf messages. Everything is on the heap and freed by
 * onnx_free. */
#ifndef CLIPQ_TESTS_ONNX_BUILD_H
#define CLIPQ_TESTS_ONNX_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <onnx.pb-c.h>

static inline void *onnx_more(void *array, size_t n)
{
    void *out = realloc(array, (n + 1) * sizeof(void *));
    if (!out)
        abort();
    return out;
}

#define ONNX_NEW(type, lower) \
    static inline Onnx__##type *onnx_new_##lower(void) \
    { \
        Onnx__##type *p = malloc(sizeof *p); \
        if (!p) \
            abort(); \
        onnx__##lower##__init(p); \
        return p; \
    }
ONNX_NEW(ModelProto, model_proto)
ONNX_NEW(GraphProto, graph_proto)
ONNX_NEW(NodeProto, node_proto)
ONNX_NEW(AttributeProto, attribute_proto)
ONNX_NEW(TensorProto, tensor_proto)
ONNX_NEW(ValueInfoProto, value_info_proto)
ONNX_NEW(TypeProto, type_proto)
ONNX_NEW(TensorShapeProto, tensor_shape_proto)
ONNX_NEW(OperatorSetIdProto, operator_set_id_proto)
ONNX_NEW(StringStringEntryProto, string_string_entry_proto)

static inline Onnx__ModelProto *onnx_model(int opset)
{
    Onnx__ModelProto *m = onnx_new_model_proto();
    m->graph = onnx_new_graph_proto();
    m->producer_name = strdup("clipq tests");
    m->opset_import = onnx_more(NULL, 0);
    m->n_opset_import = 1;
    m->opset_import[0] = onnx_new_operator_set_id_proto();
    m->opset_import[0]->has_version = 1;
    m->opset_import[0]->version = opset;
    return m;
}

static inline void onnx_free(Onnx__ModelProto *m)
{
    onnx__model_proto__free_unpacked(m, NULL);
}

static inline uint8_t *onnx_bytes(const Onnx__ModelProto *m, size_t *size)
{
    *size = onnx__model_proto__get_packed_size(m);
    uint8_t *data = malloc(*size + 1);
    if (!data)
        abort();
    onnx__model_proto__pack(m, data);
    return data;
}

/* A dimension of -1 is symbolic. */
static inline Onnx__ValueInfoProto *onnx_value(const char *name, int rank, const int64_t *dim)
{
    Onnx__ValueInfoProto *v = onnx_new_value_info_proto();
    v->name = strdup(name);
    v->type = onnx_new_type_proto();
    v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type->tensor_type = malloc(sizeof *v->type->tensor_type);
    onnx__type_proto__tensor__init(v->type->tensor_type);
    v->type->tensor_type->has_elem_type = 1;
    v->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    if (rank < 0)
        return v;
    Onnx__TensorShapeProto *s = v->type->tensor_type->shape = onnx_new_tensor_shape_proto();
    for (int i = 0; i < rank; i++) {
        s->dim = onnx_more(s->dim, s->n_dim);
        Onnx__TensorShapeProto__Dimension *d = s->dim[s->n_dim++] = malloc(sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        d->value_case = dim[i] < 0 ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                                   : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (dim[i] < 0)
            d->dim_param = strdup("N");
        else
            d->dim_value = dim[i];
    }
    return v;
}

static inline void onnx_input(Onnx__ModelProto *m, const char *name, int rank, const int64_t *dim)
{
    m->graph->input = onnx_more(m->graph->input, m->graph->n_input);
    m->graph->input[m->graph->n_input++] = onnx_value(name, rank, dim);
}

static inline void onnx_output(Onnx__ModelProto *m, const char *name)
{
    m->graph->output = onnx_more(m->graph->output, m->graph->n_output);
    m->graph->output[m->graph->n_output++] = onnx_value(name, -1, NULL);
}

static inline Onnx__TensorProto *onnx_tensor_of(Onnx__ModelProto *m, const char *name, int type, int rank,
                                                const int64_t *dim)
{
    Onnx__TensorProto *t = onnx_new_tensor_proto();
    t->name = strdup(name);
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = (size_t) rank;
    t->dims = malloc((size_t) (rank + 1) * sizeof *t->dims);
    memcpy(t->dims, dim, (size_t) rank * sizeof *dim);
    m->graph->initializer = onnx_more(m->graph->initializer, m->graph->n_initializer);
    m->graph->initializer[m->graph->n_initializer++] = t;
    return t;
}

static inline void onnx_raw(Onnx__TensorProto *t, const void *data, size_t bytes)
{
    t->has_raw_data = 1;
    t->raw_data.len = bytes;
    t->raw_data.data = malloc(bytes + 1);
    memcpy(t->raw_data.data, data, bytes);
}

static inline int64_t onnx_count(int rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    return n;
}

/* A float initialiser whose values are seed, seed + step, ... folded into -1..1. */
static inline void onnx_weights(Onnx__ModelProto *m, const char *name, int rank, const int64_t *dim)
{
    size_t n = (size_t) onnx_count(rank, dim);
    float *v = malloc(n * sizeof *v + 1);
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        v[i] = (float) (int32_t) state * 0x1p-31f;
    }
    onnx_raw(onnx_tensor_of(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dim), v, n * sizeof *v);
    free(v);
}

static inline void onnx_float(Onnx__ModelProto *m, const char *name, float v)
{
    onnx_raw(onnx_tensor_of(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 0, (int64_t[]){0}), &v, sizeof v);
}

static inline void onnx_ints(Onnx__ModelProto *m, const char *name, int n, const int64_t *v)
{
    onnx_raw(onnx_tensor_of(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, (int64_t[]){n}), v,
             (size_t) n * sizeof *v);
}

/* Names separated by commas; "" between two commas is an input that is left out. */
static inline size_t onnx_names(const char *list, char ***out)
{
    size_t n = 0;
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        *out = onnx_more(*out, n);
        (*out)[n++] = strndup(at, length);
        at += length;
        if (!*at)
            return n;
    }
}

/* The node is named after its first output. */
static inline Onnx__NodeProto *onnx_node(Onnx__ModelProto *m, const char *type, const char *in, const char *out)
{
    Onnx__NodeProto *n = onnx_new_node_proto();
    n->op_type = strdup(type);
    n->n_input = onnx_names(in, &n->input);
    n->n_output = onnx_names(out, &n->output);
    n->name = strdup(n->output[0]);
    m->graph->node = onnx_more(m->graph->node, m->graph->n_node);
    m->graph->node[m->graph->n_node++] = n;
    return n;
}

static inline Onnx__AttributeProto *onnx_attr(Onnx__NodeProto *n, const char *name, int type)
{
    Onnx__AttributeProto *a = onnx_new_attribute_proto();
    a->name = strdup(name);
    a->has_type = 1;
    a->type = (Onnx__AttributeProto__AttributeType) type;
    n->attribute = onnx_more(n->attribute, n->n_attribute);
    return n->attribute[n->n_attribute++] = a;
}

static inline void onnx_attr_int(Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = 1;
    a->i = v;
}

static inline void onnx_attr_float(Onnx__NodeProto *n, const char *name, float v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = 1;
    a->f = v;
}

static inline void onnx_attr_string(Onnx__NodeProto *n, const char *name, const char *v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = 1;
    a->s.len = strlen(v);
    a->s.data = (uint8_t *) strdup(v);
}

static inline void onnx_attr_ints(Onnx__NodeProto *n, const char *name, int count, const int64_t *v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = (size_t) count;
    a->ints = malloc((size_t) count * sizeof *v + 1);
    memcpy(a->ints, v, (size_t) count * sizeof *v);
}

/* What is added between onnx_branch and onnx_attr_branch goes into a graph of its own, which becomes an attribute of
 * `n`; `outer` is what onnx_branch returned. */
static inline Onnx__GraphProto *onnx_branch(Onnx__ModelProto *m)
{
    Onnx__GraphProto *outer = m->graph;
    m->graph = onnx_new_graph_proto();
    return outer;
}

static inline void onnx_attr_branch(Onnx__ModelProto *m, Onnx__NodeProto *n, const char *name, Onnx__GraphProto *outer)
{
    onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH)->g = m->graph;
    m->graph = outer;
}

#endif
