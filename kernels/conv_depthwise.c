/* Depthwise convolution (group == C == M), BLOCKED; kernel in cl/conv_depthwise.cl.
 * Packed: bias [C/V][V], weights [C/V][kh][kw][V]. */
#include <string.h>

#include "kernels/classes.h"
#include "kernels/conv.h"

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return conv_geom_of(inst, &g) && inst->op->u.conv.group == g.c && g.m == g.c &&
           conv_layouts(inst, LAYOUT_BLOCKED, LAYOUT_BLOCKED);
}

static int64_t padded_channels(const struct conv_geom *g, int width)
{
    return (g->c + width - 1) / width * width;
}

static size_t packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int width = conv_width(dev);
    return (size_t) (padded_channels(&g, width) * (1 + g.kh * g.kw)) * sizeof(float);
}

static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int64_t width = conv_width(dev), taps = (int64_t) g.kh * g.kw;
    float *to = dst;
    memset(dst, 0, packed_bytes(dev, inst));
    if (bias)
        memcpy(to, bias, (size_t) g.c * sizeof *to);
    to += padded_channels(&g, (int) width);
    for (int64_t c = 0; c < g.c; c++)
        for (int64_t tap = 0; tap < taps; tap++)
            to[(c / width * taps + tap) * width + c % width] = w[c * taps + tap];
    return CQ_OK;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int width = conv_width(dev);
    int64_t blocks = padded_channels(&g, width) / width;
    g.per_item = conv_per_item(dev, g.oh, blocks * g.n, 2.0 * width * g.ow * (g.kh * g.kw + 1));
    g.per_item = (g.per_item + 1) / 2 * 2;      /* the kernel goes by pairs of rows */
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_STRUCT(g),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program,
        .kernel = "conv_depthwise",
        .dims = 3,
        .global = {(size_t) ((g.oh + g.per_item - 1) / g.per_item), (size_t) blocks, (size_t) g.n},
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_depthwise = {
    .name = "conv_depthwise",
    .kind = OP_CONV,
    .serves = serves,
    .packed_bytes = packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = enqueue,
};
