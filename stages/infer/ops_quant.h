/* What the files of quantised operators share: building the steps between floats and integers, and sums.
 *
 * Shapes and types are checked here: CQ_UNSUPPORTED (logged) in the build where they do not fit.
 *
 * Thread-safety: as lower.h.
 */
#ifndef CLIPQ_STAGES_INFER_OPS_QUANT_H
#define CLIPQ_STAGES_INFER_OPS_QUANT_H

#include "stages/infer/build.h"

/* A tensor with its scale and zero point (-1: none), each one value, one per element along `axis`, or one per
 * `block` elements along it. */
struct quantised {
    int t, scale, zero;
    int64_t axis, block;
};

/* q->t, of floats, as integers of that type; q->t, of integers, as floats. */
int build_quantize(struct build *b, const struct quantised *q, enum dtype type);
int build_dequantize(struct build *b, const struct quantised *q);

/* DynamicQuantizeLinear: x, the node's first input, as uint8 over its whole range. */
struct quantised build_dynamic(struct build *b, int x);

/* x_scale*w_scale/y_scale in float32, in this order; y_scale -1: none. */
int build_multiplier(struct build *b, int x_scale, int w_scale, int y_scale);

/* OP_MATMUL_INT over the inputs of "Sums of integers" (kernels/op.h). */
int build_matmul_int(struct build *b, const int in[SUM_INPUTS], enum dtype type);

#endif
