/* From ONNX operators to the engine's, on concrete shapes, for one batch size.
 *
 * Every ONNX operator has an entry in one of the ops_*.c tables: a function that reads the node's attributes
 * (whatever the opset), works out the shape and type of its results, and emits one or more steps. Defaults
 * are resolved here, so that kernels see one meaning.
 *
 * Batch: a model exported at batch 1 bakes 1 into constants. `base` holds every value's shape, and what is
 * constant, at the size the model was exported for; where a value's dimension differs from that, this dimension
 * holds the batch (batch.h), and constant shapes are read with that in mind.
 *
 * Later: an operator whose result's shape depends on data (NonMaxSuppression, a Reshape by a computed shape)
 * cannot be lowered before the model runs. Its function returns lower_later(), the node and all that depend on it
 * are left to the tail (tail.h), and what they read of the rest becomes further outputs of the net. The tail
 * lowers them with the same functions once their inputs are known.
 *
 * Thread-safety: one thread at a time.
 */
#ifndef CLIPQ_STAGES_INFER_LOWER_H
#define CLIPQ_STAGES_INFER_LOWER_H

#include "stages/infer/graph.h"
#include "stages/infer/net.h"

/* When the work of a node of the graph is done. */
enum lower_when { LOWER_NOW, LOWER_LATER, LOWER_NEVER /* nobody reads what it would make later */ };

/* What became of a graph's values and nodes. */
struct lowered {
    struct constant *value;      /* per value: shape (DT_NONE: unknown) and, where known, data in the net or graph */
    enum lower_when *when;       /* per node */
    bool *cut;                   /* per value: made by the net, read by later nodes */
    int n_later, n_cut;
    bool as_written;             /* for the caller to set: as `base`, nothing grows with the batch (batch.h) */
};

void lowered_finish(struct lowered *l);

struct lower {
    struct cq_log *log;
    const struct graph *graph;
    struct net *net;
    const struct node *node;
    const struct lowered *base;      /* as exported; NULL while that is being found */
    int *tensor_of;                  /* per graph value; LOWER_NO_TENSOR, LOWER_NOT_YET */
    bool in_tail;                    /* everything is known: nothing can be left for later */
    int opset;
    int variant;                     /* of the node's operator, see below */
};

enum { LOWER_NO_TENSOR = -1, LOWER_NOT_YET = -2 };

struct lower_op {
    const char *type;
    enum cq_err (*lower)(struct lower *c);
    int variant;                     /* tells apart the types that one function serves */
    const char *domain;              /* NULL: ONNX's own */
};

/* Lowers the whole graph; inputs[i] are the concrete shapes of model inputs. `net` must be zeroed and is for
 * the caller to finish, on failure too. Its outputs are the model's, without those left to the tail, then the cut
 * values by number. `out`, if not NULL, must be zeroed and is the caller's to finish. With `base`, exactly the
 * same nodes are left for later. */
enum cq_err lower_graph(struct cq_log *log, const struct graph *g, const struct tensor_desc *inputs,
                        const struct lowered *base, struct net *net, struct lowered *out);

/* Lowers the nodes of a graph inside the current node; tensor_of then knows its results. CQ_AGAIN as lower_node. */
enum cq_err lower_subgraph(struct lower *c, const struct subgraph *s);

/* Lowers one node; CQ_AGAIN (not logged) where it must be left for later. */
enum cq_err lower_node(struct lower *c, const struct node *n);

/* Every operator must be known: CQ_UNSUPPORTED names the first that is not, with its node. */
enum cq_err lower_check_ops(struct cq_log *log, const struct graph *g);

/* The entry of the node's operator, NULL where there is none; then lower_check_op is CQ_UNSUPPORTED (logged, with what
 * to do about it). */
const struct lower_op *lower_find_op(const struct node *n);
enum cq_err lower_check_op(struct cq_log *log, const struct node *n);

/* ---- for the ops_*.c files ---- */

/* Logs "node 'x' (Conv): ..." and returns CQ_UNSUPPORTED. */
enum cq_err lower_fail(const struct lower *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For an input that should be known and is not: CQ_AGAIN where it will be when the model runs, else
 * lower_fail, in the words "<what> must be known before the model runs". */
enum cq_err lower_later(const struct lower *c, int i, const char *what);

/* Tensor of the node's i-th input, -1 when it is left out. */
int lower_in(const struct lower *c, int i);
/* Its description; DT_NONE when left out. */
struct tensor_desc lower_desc(const struct lower *c, int i);
/* Its host data, NULL when it is computed on the device or left out. */
const void *lower_data(const struct lower *c, int i);
bool lower_has_output(const struct lower *c, int i);

/* A known integer input of any integer type as int64; false when it is not known or longer than max. */
bool lower_const_ints(const struct lower *c, int i, int64_t *out, int max, int *count);
/* Axes or sizes that moved from attribute to input: attribute `name` if there is one, else input i.
 * *count is -1 when both are absent. As lower_later when the input is only known at run time. */
enum cq_err lower_ints(const struct lower *c, const char *name, int i, int64_t *out, int *count);
/* The same for one float: false when neither is there or known. */
bool lower_const_float(const struct lower *c, int i, float *out);

/* Negative counts from the end; CQ_UNSUPPORTED (logged) when outside [0, rank). */
enum cq_err lower_axis(const struct lower *c, int64_t axis, int rank, int *out);

/* Emits a step over given tensors; the new tensors' numbers come in out[], which may be `in`. */
enum cq_err lower_emit(struct lower *c, const struct op *op, const int *in, int n_in,
                       const struct tensor_desc *desc, int n_out, int *out);
/* The usual case: one result, which is the node's first output. */
enum cq_err lower_emit1(struct lower *c, const struct op *op, const int *in, int n_in, const struct tensor_desc *desc);
/* Says that the node's i-th output is this tensor. */
void lower_bind(struct lower *c, int i, int tensor);

/* A new constant; `data` is copied. -1 when memory is short. */
int lower_constant(struct lower *c, const struct tensor_desc *desc, const void *data);
int lower_constant_float(struct lower *c, float v);
/* The node's i-th output as a new constant, for the caller to fill; NULL when memory is short. */
void *lower_known_output(struct lower *c, int i, const struct tensor_desc *desc);

/* The tensor with another shape of as many elements: a view. */
enum cq_err lower_view(struct lower *c, int tensor, const struct tensor_desc *desc, int *out);

/* One step that several operators are made of; `out` is its result's tensor. Of two operands, the shapes
 * broadcast. */
enum cq_err lower_make_binary(struct lower *c, enum binary fn, int a, int b, int *out);
enum cq_err lower_make_unary(struct lower *c, enum unary fn, float a, float b, int x, int *out);
enum cq_err lower_make_cast(struct lower *c, int x, enum dtype type, int *out);

/* The operators themselves, for those that add to them. */
enum cq_err lower_conv(struct lower *c);
enum cq_err lower_gemm(struct lower *c);

/* Reads the attributes of a convolution of x with weights w [M,C/group,...]; y has x's type. */
enum cq_err lower_conv_window(const struct lower *c, const struct tensor_desc *x, const struct tensor_desc *w,
                              struct conv_attrs *attrs, struct tensor_desc *y);
/* A product of in[0] and in[1] as MatMul defines it: vectors, batches that broadcast; y has the type `type`. */
enum cq_err lower_make_matmul(struct lower *c, const struct op *op, const int *in, int n_in, enum dtype type,
                              int *out);

/* NumPy broadcasting; false when the shapes do not fit. `y` gets a's type. */
bool broadcast(const struct tensor_desc *a, const struct tensor_desc *b, struct tensor_desc *y);

extern const struct lower_op lower_ops_elementwise[], lower_ops_conv[], lower_ops_view[], lower_ops_move[],
    lower_ops_math[], lower_ops_norm[], lower_ops_resize[], lower_ops_recurrent[],
    lower_ops_sample[], lower_ops_pool[], lower_ops_pad[], lower_ops_deform[];
extern const struct lower_op lower_ops_index[], lower_ops_loss[], lower_ops_einsum[], lower_ops_signal[],
    lower_ops_patch[];
extern const struct lower_op lower_ops_quant[];
extern const struct lower_op lower_ops_fused[], lower_ops_attention[], lower_ops_qlinear[];
extern const struct lower_op lower_ops_select[], lower_ops_nms[], lower_ops_flow[];

#endif
