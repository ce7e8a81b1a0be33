/* An ONNX model, loaded, checked and simplified: what it takes, what it gives, what it costs.
 *
 * model_load parses the file, folds constants, fuses batch-norm and activations, and refuses what the engine
 * cannot run, naming the node: a model that loads, runs. Immutable afterwards.
 *
 * Thread-safety: a loaded model may be read from any thread.
 */
#ifndef CLIPQ_STAGES_INFER_MODEL_H
#define CLIPQ_STAGES_INFER_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/tensor.h"

struct cq_log;
struct model;

struct model_io {
    const char *name;                     /* as in the file; owned by the model */
    enum dtype type;
    int rank;
    int64_t dim[TENSOR_MAX_RANK];         /* -1 where symbolic or unknown */
    const char *symbol[TENSOR_MAX_RANK];  /* name of a symbolic dimension, or NULL */
};

struct model_op_count {
    const char *op_type;                  /* "Conv" */
    int count;
};

/* Errors: CQ_NOT_FOUND, CQ_IO, CQ_CORRUPT (not ONNX, or damaged), CQ_UNSUPPORTED (an operator, type or
 * attribute, named with its node), CQ_NOMEM. */
enum cq_err model_load(struct cq_log *log, const char *path, struct model **out);
enum cq_err model_load_memory(struct cq_log *log, const char *name, const void *data, size_t size, struct model **out);
void model_destroy(struct model **m);

/* Inputs that a caller feeds (initialisers listed as inputs are not among them); model order. */
int model_input_count(const struct model *m);
const struct model_io *model_input(const struct model *m, int i);
/* Input `i` is not fed any more but a constant: `n` numbers, or one for all elements, in its declared type and shape,
 * free dimensions being 1. To be called before others have the model. CQ_UNSUPPORTED (another type, size), logged. */
enum cq_err model_fix_input(struct cq_log *log, struct model *m, int i, const double *values, int n);
int model_output_count(const struct model *m);
const struct model_io *model_output(const struct model *m, int i);

/* Custom metadata ("names", "stride", ...) of the file; NULL when absent. */
const char *model_metadata(const struct model *m, const char *key);
const char *model_producer(const struct model *m);
int model_opset(const struct model *m);

/* Operators as in the file, most frequent first; *count entries, owned by the model. */
const struct model_op_count *model_ops(const struct model *m, int *count);
int64_t model_parameters(const struct model *m);     /* elements in float initialisers */

/* XXH3-128 of the file's bytes as 32 hex digits. */
const char *model_hash(const struct model *m);

#endif
