/* Convolution and transposed convolution in PLAIN layout over one to three dimensions: the variants that take
 * what the special ones leave. Nothing is packed, so weights may be computed. Kernels in cl/conv_generic.cl. */
#include <limits.h>

#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/nest.h"

enum { GEN_M = 4 };   /* as in the .cl */

static bool plain_f32(const struct tensor_desc *d, int rank)
{
    if (d->type != DT_F32 || d->layout != LAYOUT_PLAIN || d->rank != rank)
        return false;
    int64_t image = 1;
    for (int i = 1; i < rank; i++)
        if (d->dim[i] < 1 || __builtin_mul_overflow(image, d->dim[i], &image))
            return false;
    return image < INT_MAX;
}

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    int rank = inst->op->u.conv.spatial + 2;
    if (!conv_shapes_agree(inst))
        return false;
    for (int i = 0; i < inst->n_in; i++) {
        bool optional = i >= 2;
        if (optional && inst->in[i].type == DT_NONE)
            continue;
        if (!plain_f32(&inst->in[i], i == 2 ? 1 : rank))
            return false;
    }
    return plain_f32(&inst->out[0], rank);
}

static size_t channel_tiles(const struct conv3_geom *g)
{
    return (size_t) ((g->m / g->group + GEN_M - 1) / GEN_M) * (size_t) g->group;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv3_geom g = conv3_geom_of(inst);
    size_t width = (size_t) conv_width(dev);
    size_t pixels = (size_t) g.out[0] * (size_t) g.out[1] * (size_t) g.out[2];
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]),  ARG_REF(bufs->in[2]),
        ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_STRUCT(g),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program,
        .kernel = "conv_generic",
        .dims = 3,
        .global = {(pixels + width - 1) / width, channel_tiles(&g), (size_t) g.n},
        .local = {(size_t) nest_local_size(dev), 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err transpose_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv3_geom g = conv3_geom_of(inst);
    size_t width = (size_t) conv_width(dev), phases = (size_t) g.s[2];
    size_t columns = ((size_t) g.out[2] + phases - 1) / phases;
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(g),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program,
        .kernel = "conv_transpose",
        .dims = 3,
        .global = {(columns + width - 1) / width * phases, (size_t) g.out[0] * (size_t) g.out[1],
                   channel_tiles(&g) * (size_t) g.n},
        .local = {(size_t) nest_local_size(dev), 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_generic = {
    .name = "conv_generic",
    .kind = OP_CONV,
    .serves = serves,
    .in_place = CONV_IN_PLACE,
    .enqueue = enqueue,
};

const struct kernel_class kernel_conv_transpose = {
    .name = "conv_transpose",
    .kind = OP_CONV_TRANSPOSE,
    .serves = serves,
    .enqueue = transpose_enqueue,
};
