/* An ONNX graph as the file gives it, freed of protobuf: nodes in an order in which they can run, values
 * numbered, constants as host arrays.
 *
 * Read-only once loaded. Operators are still ONNX operators here; stages/infer/lower.h turns them into the
 * engine's own on concrete shapes.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_STAGES_INFER_GRAPH_H
#define CLIPQ_STAGES_INFER_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/tensor.h"
#include "stages/infer/model.h"
#include "stages/infer/pool.h"

struct cq_log;

/* A constant: PLAIN, in host memory. */
struct constant {
    struct tensor_desc desc;
    const void *data;           /* NULL: none */
    bool four_bits;             /* int8 or uint8 here, int4 or uint4 in the file */
};

enum attr_kind { ATTR_INT, ATTR_FLOAT, ATTR_STRING, ATTR_INTS, ATTR_FLOATS, ATTR_STRINGS, ATTR_TENSOR, ATTR_GRAPH,
                 ATTR_OTHER };

struct attr {
    const char *name;
    enum attr_kind kind;
    int64_t i;
    float f;
    const char *s;
    int n;                      /* of ints, floats or strings */
    const int64_t *ints;
    const float *floats;
    const char **strings;
    struct constant tensor;
    struct subgraph *graph;
};

struct node {
    const char *name;           /* may be "" */
    const char *type;           /* "Conv" */
    const char *domain;         /* "" for ONNX's own */
    int n_in, n_out, n_attr;
    int n_captured;             /* outer values that the node's subgraphs read, in[] behind the n_in inputs */
    int *in;                    /* values, -1 where left out */
    int *out;
    struct attr *attr;
};

/* A graph in an attribute: a branch of If. Its values are numbered with the others. */
struct subgraph {
    int scope;
    struct node *nodes;         /* topologically sorted */
    int n_nodes;
    int n_in, n_out;
    int *in, *out;              /* values */
};

struct value {
    const char *name;
    int producer;               /* node of its graph, -1 for inputs and constants */
    int scope;                  /* which graph it belongs to: 0 the model's, others are subgraphs */
    struct constant constant;   /* data is NULL for what is computed */
};

struct graph {
    struct pool pool;
    struct value *values;
    int n_values;
    int n_scopes;
    struct node *nodes;         /* topologically sorted */
    int n_nodes;
    int n_inputs, n_outputs;
    struct model_io *inputs, *outputs;
    int *input_value, *output_value;
    int opset;                  /* of the domain "" */
    const char *producer;
    int n_meta;
    const char **meta_key, **meta_value;
    int64_t parameters;         /* elements in floating-point initialisers */

    void *source;               /* what constants and names are borrowed from */
    void (*source_free)(void *source);
    struct graph_map { void *addr; size_t size; } *maps;  /* files of external data */
    int n_maps;
};

/* Frees what the graph points to and empties it. */
void graph_finish(struct graph *g);

/* Puts the nodes of one scope into an order in which every input is made before it is used; *nodes may become another
 * array in the graph's pool. CQ_CORRUPT: a cycle; CQ_NOMEM. */
enum cq_err graph_sort(struct cq_log *log, struct graph *g, int scope, struct node **nodes, int n_nodes);

const struct attr *node_attr(const struct node *n, const char *name);
int64_t node_int(const struct node *n, const char *name, int64_t otherwise);
float node_float(const struct node *n, const char *name, float otherwise);
const char *node_string(const struct node *n, const char *name, const char *otherwise);
/* Which of `names` (ends with NULL) the string attribute is, `otherwise` standing for an absent one; -1: none. */
int node_choice(const struct node *n, const char *name, const char *otherwise, const char *const *names);
/* NULL and *count 0 when absent. */
const int64_t *node_ints(const struct node *n, const char *name, int *count);

#endif
