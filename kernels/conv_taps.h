/* Convolution in PLAIN layout as a matrix product, for SIMT devices: what its variants share (kernels/cl/conv_taps.cl).
 *
 * Packed constants are the taps, the bias (up to a multiple of four) and the weights, floats or halves, in the order
 * that a variant's kernel wants them.
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_CONV_TAPS_H
#define CLIPQ_KERNELS_CONV_TAPS_H

#include "kernels/conv.h"

struct conv_taps {
    struct conv_geom geom;
    int64_t groups, taps, rows;        /* of a group: terms of a sum, output channels */
    int64_t taps_up, rows_up;          /* up to whole slices and tiles */
};

/* Fills in all of it. False for what is no float32 convolution over one or two dimensions in PLAIN layout with known
 * weights, or too large for the kernels. `slice` is their TILE_K. */
bool conv_taps_of(const struct op_inst *inst, int slice, struct conv_taps *out);

/* Would tiles be mostly empty? Few output channels in a group. */
bool conv_taps_pay(const struct op_inst *inst);

/* Bytes before the weights, and the number of these. */
size_t conv_taps_head(const struct conv_taps *t);
size_t conv_taps_weights(const struct conv_taps *t);

/* Writes taps and bias to `dst`; returns where the weights go, `weight_bytes` of them, all zero. */
void *conv_taps_pack_head(const struct conv_taps *t, const struct op_inst *inst, void *dst, size_t weight_bytes);

/* Queues the convolution: a launch that has its program and options, over tiles that simt_tiles has set. */
enum cq_err conv_taps_run(struct device *dev, const struct conv_taps *t, struct launch *launch,
                          const struct kernel_bufs *bufs);

#endif
