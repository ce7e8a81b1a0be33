/* Writes small ONNX files: a graph is built by naming things, then saved.
 *
 * A build tool, not part of the program. Everything is owned by the writer; the first failure sticks and is
 * returned by onnx_save. float32 only, opset 13.
 */
#ifndef CLIPQ_STAGES_ANSWER_ONNX_WRITER_H
#define CLIPQ_STAGES_ANSWER_ONNX_WRITER_H

#include <stdint.h>

#include "kernels/base/err.h"

struct onnx_writer;

struct onnx_attr {            /* a list of these ends with {0} */
    const char *name;
    const int64_t *ints;      /* n of them; when NULL, `value` is a single integer */
    int n;
    int64_t value;
};

enum cq_err onnx_begin(const char *graph_name, struct onnx_writer **out);
void onnx_end(struct onnx_writer **w);

/* dim 0 is the symbolic batch "N" whatever dims[0] says. */
void onnx_input(struct onnx_writer *w, const char *name, const int64_t *dims, int rank);
void onnx_output(struct onnx_writer *w, const char *name, const int64_t *dims, int rank);

/* Initialisers; the data are copied. */
void onnx_floats(struct onnx_writer *w, const char *name, const int64_t *dims, int rank, const float *data);
void onnx_ints(struct onnx_writer *w, const char *name, const int64_t *data, int n);
void onnx_scalar(struct onnx_writer *w, const char *name, float value);

/* A node with one output. `inputs` ends with NULL, `attrs` may be NULL. */
void onnx_node(struct onnx_writer *w, const char *op, const char *output, const char *const *inputs,
               const struct onnx_attr *attrs);

void onnx_metadata(struct onnx_writer *w, const char *key, const char *value);

enum cq_err onnx_save(struct onnx_writer *w, const char *path);

#endif
