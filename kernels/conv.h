/* What the convolution variants share: the geometry, seen as two-dimensional, and the packing of weights.
 *
 * The fast variants compute a register tile: TILE_PX output pixels times two blocks of V output channels, all
 * sums in registers, nothing stored before the end. Packed constants are
 *
 *     zeros [2V]                     what a tap outside the image reads
 *     bias  [tiles][2V]              zero where there is none
 *     weights [tiles][C/V][kh][kw][c of the block][2V]    (first layers: see conv_lines.c)
 *
 * in the order in which a tile reads them, so that they stream. A residual is read where the output is
 * written, element by element: the two may be the same memory (CONV_IN_PLACE).
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_CONV_H
#define CLIPQ_KERNELS_CONV_H

#include "kernels/op.h"
#include "kernels/program.h"

/* As struct conv_geom in kernels/cl/conv.cl: 4-byte members only, passed by value. */
struct conv_geom {
    int32_t n, c, h, w;          /* input */
    int32_t m, oh, ow;           /* output */
    int32_t kh, kw, sh, sw, dh, dw, pt, pl;
    int32_t act, act_first;      /* the latter: before the residual */
    float act_a, act_b;
    int32_t per_item;            /* tiles (or rows) that one work-item does */
    int32_t pairs_first;         /* conv_pointwise: neighbouring work-items are pairs of output blocks, not pixels */
};

enum { CONV_IN_PLACE = 1 << 3 };  /* kernel_class.in_place */

extern const struct program_class conv_program;

/* Do weights, bias and residual have the shapes that x, y and the attributes ask for? What a model file says
 * need not be true. */
bool conv_shapes_agree(const struct op_inst *inst);
/* The same for x, y and the weights alone, of any kind of convolution. */
bool conv_window_agrees(const struct op_inst *inst);

/* The geometry over three dimensions, leading ones 1 where there are fewer. The same members as conv3_geom in
 * kernels/cl/conv_generic.cl and kernels/cl/integer.cl. */
struct conv3_geom {
    int32_t n, c, m, group;
    int32_t in[OP_SPATIAL], out[OP_SPATIAL], k[OP_SPATIAL], s[OP_SPATIAL], d[OP_SPATIAL], p[OP_SPATIAL];
    int32_t act, act_first;
    float act_a, act_b;
};
struct conv3_geom conv3_geom_of(const struct op_inst *inst);

/* False unless it is a float32 CONV, or a CONV_FRAMES, over one or two dimensions; one dimension is seen as H = 1. */
bool conv_geom_of(const struct op_inst *inst, struct conv_geom *g);

/* Are x, y and the residual, if any, laid out so, and weights and bias known at load? */
bool conv_layouts(const struct op_inst *inst, enum layout x, enum layout y);

/* Device's vector width as a block: every BLOCKED tensor of the instance has it. */
int conv_width(const struct device *dev);

/* Output pixels of a tile; as TILE_PX in the .cl. */
int conv_tile_px(int width);

/* Tiles per work-item so that each takes some microseconds but all compute units stay busy.
 * `flops` is the work of one tile. */
int conv_per_item(const struct device *dev, int64_t tiles, int64_t others, double flops);

#endif
