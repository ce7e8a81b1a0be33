/* Convolutions with one group, BLOCKED, by register tiles: conv_pointwise (1x1 as a matrix product) and conv_tile (any
 * window). The kernels are in cl/conv_tile.cl and cl/conv_pointwise.cl; conv.h has the packing. The *_half variants are
 * the same kernels with weights kept as float16, which widen as they are read. */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/half.h"
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/device.h"

static int64_t tiles_of(const struct conv_geom *g, int width)
{
    return (g->m + 2 * width - 1) / (2 * width);
}

static bool serves(const struct op_inst *inst, struct conv_geom *g)
{
    return conv_geom_of(inst, g) && inst->op->u.conv.group == 1 &&
           conv_layouts(inst, LAYOUT_BLOCKED, LAYOUT_BLOCKED);
}

static bool tile_serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return serves(inst, &g);
}

static bool pointwise_serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return serves(inst, &g) && g.kh * g.kw == 1 && g.sh == 1 && g.sw == 1 && g.oh == g.h &&
           g.ow == g.w && g.pt == 0 && g.pl == 0;
}

static bool half_tile_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->half && tile_serves(dev, inst);
}

static bool half_pointwise_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->half && pointwise_serves(dev, inst);
}

/* ---- weights ---- */

/* Numbers before the weights, and weights. */
static void count_packed(const struct device *dev, const struct op_inst *inst, size_t *head, size_t *weights)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    size_t pair = 2 * (size_t) conv_width(dev), tiles = (size_t) tiles_of(&g, conv_width(dev));
    *head = pair + tiles * pair;
    *weights = tiles * pair * (size_t) g.c * (size_t) (g.kh * g.kw);
}

static size_t tile_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    size_t head, weights;
    count_packed(dev, inst, &head, &weights);
    return (head + weights) * sizeof(float);
}

static size_t half_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    size_t head, weights;
    count_packed(dev, inst, &head, &weights);
    return head * sizeof(float) + weights * sizeof(uint16_t);
}

/* Weights [M][C][taps] into [tiles][C/V][taps][V][2V]. */
static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *packed)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int block = conv_width(dev);
    float *dst = packed;
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int64_t pair = 2 * block, tiles = tiles_of(&g, block), taps = (int64_t) g.kh * g.kw;
    memset(dst, 0, tile_packed_bytes(dev, inst));
    dst += pair;
    if (bias)
        memcpy(dst, bias, (size_t) g.m * sizeof *dst);
    dst += tiles * pair;
    for (int64_t t = 0; t < tiles; t++) {
        for (int64_t first = 0; first < g.c; first += block) {
            int64_t channels = g.c - first < block ? g.c - first : block;
            for (int64_t tap = 0; tap < taps; tap++) {
                for (int64_t c = first; c < first + channels; c++, dst += pair)
                    for (int64_t i = 0; i < pair && t * pair + i < g.m; i++)
                        dst[i] = w[((t * pair + i) * g.c + c) * taps + tap];
            }
        }
    }
    return CQ_OK;
}

static enum cq_err pack_half(const struct device *dev, const struct op_inst *inst, void *dst)
{
    size_t head, weights;
    count_packed(dev, inst, &head, &weights);
    float *wide = malloc(tile_packed_bytes(dev, inst)), *to = dst;
    if (!wide)
        return CQ_NOMEM;
    enum cq_err err = pack(dev, inst, wide);
    memcpy(to, wide, head * sizeof *to);
    cq_halves_from_floats(wide + head, weights, (uint16_t *) (to + head));
    free(wide);
    return err;
}

/* ---- running ---- */

static const struct program_class half_program = {
    .name = "conv, half weights",
    .source = {cl_common, cl_act, cl_conv, cl_conv_tile, cl_conv_pointwise},
};

static size_t input_bytes(const struct conv_geom *g, int width)
{
    int64_t blocks = (g->c + width - 1) / width;
    return (size_t) (blocks * width * g->h * g->w) * sizeof(float);
}

/* Pointwise, an input that would not stay in the cache is read once for all output channels rather than once for each
 * pair of blocks. */
static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs,
                           bool pointwise, bool half)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int width = conv_width(dev), px = conv_tile_px(width);
    int64_t pixel_tiles = ((int64_t) g.oh * g.ow + px - 1) / px, channel_tiles = tiles_of(&g, width);
    double flops = 4.0 * width * px * g.c * g.kh * g.kw;
    g.per_item = conv_per_item(dev, pixel_tiles, channel_tiles * g.n, flops);
    size_t groups[] = {(size_t) ((pixel_tiles + g.per_item - 1) / g.per_item), (size_t) channel_tiles};
    g.pairs_first = pointwise && input_bytes(&g, width) > device_get_info(dev)->local_bytes / 2;
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_STRUCT(g),
    };
    return program_run(dev, &(struct launch) {
        .program = half ? &half_program : &conv_program,
        .kernel = pointwise ? "conv_pointwise" : "conv_tile",
        .options = half ? "-DHALF_WEIGHTS" : NULL,
        .dims = 3,
        .global = {groups[g.pairs_first], groups[1 - g.pairs_first], (size_t) g.n},
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err tile_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, false, false);
}

static enum cq_err pointwise_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, true, false);
}

static enum cq_err half_tile_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, false, true);
}

static enum cq_err half_pointwise_enqueue(struct device *dev, const struct op_inst *inst,
                                          const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, true, true);
}

const struct kernel_class kernel_conv_pointwise = {
    .name = "conv_pointwise",
    .kind = OP_CONV,
    .serves = pointwise_serves,
    .packed_bytes = tile_packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = pointwise_enqueue,
};

const struct kernel_class kernel_conv_tile = {
    .name = "conv_tile",
    .kind = OP_CONV,
    .serves = tile_serves,
    .packed_bytes = tile_packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = tile_enqueue,
};

const struct kernel_class kernel_conv_pointwise_half = {
    .name = "conv_pointwise_half",
    .kind = OP_CONV,
    .serves = half_pointwise_serves,
    .packed_bytes = half_packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack_half,
    .enqueue = half_pointwise_enqueue,
};

const struct kernel_class kernel_conv_tile_half = {
    .name = "conv_tile_half",
    .kind = OP_CONV,
    .serves = half_tile_serves,
    .packed_bytes = half_packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack_half,
    .enqueue = half_tile_enqueue,
};
