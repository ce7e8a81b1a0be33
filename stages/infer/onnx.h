/* Reading ONNX files: the only place that sees protobuf.
 *
 * onnx_read checks the nesting of the message before protobuf-c sees it (protobuf-c recurses without a
 * limit), unpacks it, and fills a graph that borrows names and arrays from the unpacked message.
 *
 * Thread-safety: as the graph.
 */
#ifndef CLIPQ_STAGES_INFER_ONNX_H
#define CLIPQ_STAGES_INFER_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/tensor.h"

struct cq_log;
struct constant;
struct graph;

/* `name` is for messages; `folder` is where external data lies, NULL for none. `g` must be zeroed and is for
 * the caller to finish, on failure too. CQ_CORRUPT, CQ_UNSUPPORTED, CQ_IO, CQ_NOMEM. */
enum cq_err onnx_read(struct cq_log *log, const char *name, const char *folder, const void *data, size_t size,
                      struct graph *g);

/* ---- between the reader's files ---- */

struct Onnx__GraphProto;
struct Onnx__TensorProto;

struct onnx_reader {
    struct cq_log *log;
    const char *name;
    const char *folder;
    struct graph *graph;
};

/* Is `data` a ModelProto whose messages are nested no deeper than any real model's? */
bool onnx_wire_ok(const void *data, size_t size);

/* Fills the reader's graph, subgraphs included; nodes come out in an order in which they can run. */
enum cq_err onnx_graph(struct onnx_reader *r, const struct Onnx__GraphProto *p);

/* ONNX's number of an element type; DT_NONE for what no tensor here can hold. bfloat16 is computed as float32. */
enum dtype onnx_dtype(int onnx_type);
/* What to say of a tensor whose type has no dtype: "holds ...". */
const char *onnx_dtype_refusal(int onnx_type);

/* Fills `out` with data borrowed from the message, from a mapped file, or made in the graph's pool. float16 and
 * bfloat16 become float32. */
enum cq_err onnx_tensor(struct onnx_reader *r, const struct Onnx__TensorProto *t, struct constant *out);

#endif
