/* The protobuf side of the model generator.
 *
 * All memory comes from one list of blocks that onnx_end frees, so the message tree needs no destructor.
 */
#include "stages/answer/onnx_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

enum { OPSET = 13, IR_VERSION = 7 };

struct block {
    struct block *next;
    max_align_t data[];
};

struct onnx_writer {
    enum cq_err err;              /* sticks */
    struct block *blocks;         /* owned */
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
};

/* Zeroed memory that lives as long as the writer; NULL sets err. */
static void *take(struct onnx_writer *w, size_t size)
{
    struct block *b = calloc(1, sizeof *b + size);
    if (!b) {
        w->err = CQ_NOMEM;
        return NULL;
    }
    b->next = w->blocks;
    w->blocks = b;
    return b->data;
}

static char *take_text(struct onnx_writer *w, const char *s)
{
    char *copy = take(w, strlen(s) + 1);
    return copy ? strcpy(copy, s) : NULL;
}

/* Appends `item` to a protobuf-c repeated field, a new array each time: the graphs are small. */
static void append(struct onnx_writer *w, void *array, size_t *n, void *item)
{
    void ***at = array;
    void **grown = take(w, (*n + 1) * sizeof *grown);
    if (!grown || !item)
        return;
    if (*n)
        memcpy(grown, *at, *n * sizeof *grown);
    grown[(*n)++] = item;
    *at = grown;
}

#define TAKE(w, type, init) ((type *) take_init(w, sizeof(type), &(type) init))

static void *take_init(struct onnx_writer *w, size_t size, const void *init)
{
    void *p = take(w, size);
    return p ? memcpy(p, init, size) : NULL;
}

enum cq_err onnx_begin(const char *graph_name, struct onnx_writer **out)
{
    struct onnx_writer *w = calloc(1, sizeof *w);
    if (!w)
        return CQ_NOMEM;
    w->model = (Onnx__ModelProto) ONNX__MODEL_PROTO__INIT;
    w->graph = (Onnx__GraphProto) ONNX__GRAPH_PROTO__INIT;
    w->model.graph = &w->graph;
    w->model.has_ir_version = 1;
    w->model.ir_version = IR_VERSION;
    w->model.producer_name = take_text(w, "clipq");
    w->graph.name = take_text(w, graph_name);

    Onnx__OperatorSetIdProto *opset = TAKE(w, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
    if (opset) {
        opset->domain = take_text(w, "");
        opset->has_version = 1;
        opset->version = OPSET;
    }
    append(w, &w->model.opset_import, &w->model.n_opset_import, opset);
    *out = w;
    return CQ_OK;
}

void onnx_end(struct onnx_writer **w)
{
    if (!*w)
        return;
    for (struct block *b = (*w)->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(*w);
    *w = NULL;
}

static Onnx__TensorShapeProto *shape_of(struct onnx_writer *w, const int64_t *dims, int rank)
{
    Onnx__TensorShapeProto *shape = TAKE(w, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    for (int i = 0; shape && i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *d =
            TAKE(w, Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
        if (d && i == 0) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = take_text(w, "N");
        } else if (d) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = dims[i];
        }
        append(w, &shape->dim, &shape->n_dim, d);
    }
    return shape;
}

static Onnx__ValueInfoProto *value_info(struct onnx_writer *w, const char *name, const int64_t *dims, int rank)
{
    Onnx__TypeProto__Tensor *tensor = TAKE(w, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    Onnx__TypeProto *type = TAKE(w, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    Onnx__ValueInfoProto *v = TAKE(w, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    if (!tensor || !type || !v)
        return NULL;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape_of(w, dims, rank);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    v->name = take_text(w, name);
    v->type = type;
    return v;
}

void onnx_input(struct onnx_writer *w, const char *name, const int64_t *dims, int rank)
{
    append(w, &w->graph.input, &w->graph.n_input, value_info(w, name, dims, rank));
}

void onnx_output(struct onnx_writer *w, const char *name, const int64_t *dims, int rank)
{
    append(w, &w->graph.output, &w->graph.n_output, value_info(w, name, dims, rank));
}

static void initializer(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
                        const void *data, size_t item)
{
    Onnx__TensorProto *t = TAKE(w, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    int64_t *copy = take(w, (size_t) (rank ? rank : 1) * sizeof *copy);
    if (!t || !copy)
        return;
    size_t bytes = item;
    for (int i = 0; i < rank; i++) {
        copy[i] = dims[i];
        bytes *= (size_t) dims[i];
    }
    t->name = take_text(w, name);
    t->has_data_type = 1;
    t->data_type = type;
    t->dims = copy;
    t->n_dims = (size_t) rank;
    t->has_raw_data = 1;
    t->raw_data.len = bytes;
    t->raw_data.data = take(w, bytes);
    if (t->raw_data.data)
        memcpy(t->raw_data.data, data, bytes);
    append(w, &w->graph.initializer, &w->graph.n_initializer, t);
}

void onnx_floats(struct onnx_writer *w, const char *name, const int64_t *dims, int rank, const float *data)
{
    initializer(w, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, rank, data, sizeof *data);
}

void onnx_ints(struct onnx_writer *w, const char *name, const int64_t *data, int n)
{
    int64_t dims = n;
    initializer(w, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, &dims, 1, data, sizeof *data);
}

void onnx_scalar(struct onnx_writer *w, const char *name, float value)
{
    onnx_floats(w, name, NULL, 0, &value);
}

static void attribute(struct onnx_writer *w, Onnx__NodeProto *node, const struct onnx_attr *a)
{
    Onnx__AttributeProto *p = TAKE(w, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    if (!p)
        return;
    p->name = take_text(w, a->name);
    p->has_type = 1;
    if (a->ints) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = (size_t) a->n;
        p->ints = take(w, (size_t) a->n * sizeof *p->ints);
        if (p->ints)
            memcpy(p->ints, a->ints, (size_t) a->n * sizeof *p->ints);
    } else {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = 1;
        p->i = a->value;
    }
    append(w, &node->attribute, &node->n_attribute, p);
}

void onnx_node(struct onnx_writer *w, const char *op, const char *output, const char *const *inputs,
               const struct onnx_attr *attrs)
{
    Onnx__NodeProto *node = TAKE(w, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    if (!node)
        return;
    node->op_type = take_text(w, op);
    node->name = take_text(w, output);
    for (; *inputs; inputs++)
        append(w, &node->input, &node->n_input, take_text(w, *inputs));
    append(w, &node->output, &node->n_output, take_text(w, output));
    for (; attrs && attrs->name; attrs++)
        attribute(w, node, attrs);
    append(w, &w->graph.node, &w->graph.n_node, node);
}

void onnx_metadata(struct onnx_writer *w, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *e =
        TAKE(w, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    if (!e)
        return;
    e->key = take_text(w, key);
    e->value = take_text(w, value);
    append(w, &w->model.metadata_props, &w->model.n_metadata_props, e);
}

enum cq_err onnx_save(struct onnx_writer *w, const char *path)
{
    if (w->err)
        return w->err;
    size_t size = onnx__model_proto__get_packed_size(&w->model);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return CQ_NOMEM;
    onnx__model_proto__pack(&w->model, bytes);

    enum cq_err err = CQ_IO;
    FILE *f = fopen(path, "wb");
    if (f && fwrite(bytes, 1, size, f) == size)
        err = CQ_OK;
    if (f && fclose(f))
        err = CQ_IO;
    free(bytes);
    return err;
}
