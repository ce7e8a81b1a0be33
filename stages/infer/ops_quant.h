/* What the files of quantised operators share: emitting the steps between floats and integers, and sums.
 *
 * Thread-safety: as lower.h.
 */
#ifndef CLIPQ_STAGES_INFER_OPS_QUANT_H
#define CLIPQ_STAGES_INFER_OPS_QUANT_H

#include "stages/infer/lower.h"

/* A tensor with its scale and zero point (-1: none), each one value, one per element along `axis`, or one per
 * `block` elements along it. */
struct quantised {
    int t, scale, zero;
    int64_t axis, block;
};

/* Shapes and types are checked here, CQ_UNSUPPORTED (logged) where they do not fit. */
enum cq_err lower_make_quantize(struct lower *c, const struct quantised *q, enum dtype type, int *out);
enum cq_err lower_make_dequantize(struct lower *c, const struct quantised *q, int *out);

/* DynamicQuantizeLinear: x as uint8 over its whole range. */
enum cq_err lower_make_dynamic(struct lower *c, int x, struct quantised *out);

/* x_scale*w_scale/y_scale in float32, in this order; y_scale -1: none. */
enum cq_err lower_make_multiplier(struct lower *c, int x_scale, int w_scale, int y_scale, int *out);

/* OP_MATMUL_INT over the inputs of "Sums of integers" (kernels/op.h). */
enum cq_err lower_make_matmul_int(struct lower *c, const int in[SUM_INPUTS], enum dtype type, int *out);

#endif
