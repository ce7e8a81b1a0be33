/* Putting an ONNX operator together from several steps.
 *
 * A build remembers the first error: from then on every call does nothing and gives -1, so that a lowering reads as
 * the formula that it is and asks once, at its end, whether all went well:
 *
 *     struct build b = {c};
 *     int x = build_in(&b, 0);
 *     int mean = build_reduce(&b, RED_MEAN, x, axes, true);
 *     return build_bind(&b, 0, build_binary(&b, BIN_SUB, x, mean));
 *
 * Results that are known at once are constants, as everywhere (net_emit).
 *
 * Thread-safety: as the lowering.
 */
#ifndef CLIPQ_STAGES_INFER_BUILD_H
#define CLIPQ_STAGES_INFER_BUILD_H

#include "stages/infer/lower.h"

struct build {
    struct lower *c;
    enum cq_err err;
};

/* The node's i-th input; an error when it is left out. */
int build_in(struct build *b, int i);
/* Type DT_NONE after an error. */
struct tensor_desc build_desc(const struct build *b, int tensor);
/* Makes the tensor the node's i-th result; gives the build's error. */
enum cq_err build_bind(struct build *b, int i, int tensor);

/* ---- constants ---- */

int build_constant(struct build *b, const struct tensor_desc *d, const void *data);
/* The same for the caller to fill, through *data; NULL after an error. */
int build_room(struct build *b, const struct tensor_desc *d, void **data);
/* A scalar of the given type; integers must be exact in a double. */
int build_scalar(struct build *b, enum dtype type, double v);
/* int64 0, 1, ... n-1 along `axis` of `rank` dimensions, the others being 1. */
int build_counting(struct build *b, int64_t n, int rank, int axis);

/* ---- one step each; the result's shape follows from the operands ---- */

int build_step(struct build *b, const struct op *op, const int *in, int n_in, const struct tensor_desc *y);
int build_unary(struct build *b, enum unary fn, int x);
/* NumPy broadcasting; the result has x's type, comparisons give bool. */
int build_binary(struct build *b, enum binary fn, int x, int y);
int build_where(struct build *b, int cond, int x, int y);
int build_cast(struct build *b, int x, enum dtype type);
/* `axes`: one bit per dimension. */
int build_reduce(struct build *b, enum reduce fn, int x, uint32_t axes, bool keep);
int build_arg_max(struct build *b, int x, int axis);             /* keeps the axis, with one element */
int build_softmax(struct build *b, int x, int axis, bool log);
int build_transpose(struct build *b, int x, const int *perm);
/* Every step-th of `count` elements of one axis, from `start` on. */
int build_slice(struct build *b, int x, int axis, int64_t start, int64_t step, int64_t count);
int build_matmul(struct build *b, int x, int y);                 /* as MatMul */
/* The same elements in another shape. */
int build_view(struct build *b, int x, int rank, const int64_t *dim);
int build_expand(struct build *b, int x, int rank, const int64_t *dim);

#endif
