/* Convolution and transposed convolution in PLAIN layout over one to three dimensions: the variants that take
 * what the special ones leave. Nothing is packed, so weights may be computed. Kernels in cl/conv_generic.cl. */
#include <limits.h>

#include "kernels/classes.h"
#include "kernels/conv.h"

enum { GEN_M = 4 };   /* as in the .cl */

/* As conv3_geom in the .cl. */
struct conv3_geom {
    int32_t n, c, m, group;
    int32_t in[OP_SPATIAL], out[OP_SPATIAL], k[OP_SPATIAL], s[OP_SPATIAL], d[OP_SPATIAL], p[OP_SPATIAL];
    int32_t act;
    float act_a, act_b;
};

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

/* Missing leading dimensions become 1. */
static struct conv3_geom geom_of(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct conv3_geom g = {
        .n = (int32_t) x->dim[0], .c = (int32_t) x->dim[1], .m = (int32_t) y->dim[1], .group = a->group,
        .in = {1, 1, 1}, .out = {1, 1, 1}, .k = {1, 1, 1}, .s = {1, 1, 1}, .d = {1, 1, 1},
        .act = (int32_t) inst->op->act, .act_a = inst->op->act_a, .act_b = inst->op->act_b,
    };
    for (int i = 0; i < a->spatial; i++) {
        int to = OP_SPATIAL - a->spatial + i;
        g.in[to] = (int32_t) x->dim[2 + i];
        g.out[to] = (int32_t) y->dim[2 + i];
        g.k[to] = a->kernel[i];
        g.s[to] = a->stride[i];
        g.d[to] = a->dilation[i];
        g.p[to] = a->pad_begin[i];
    }
    return g;
}

static size_t channel_tiles(const struct conv3_geom *g)
{
    return (size_t) ((g->m / g->group + GEN_M - 1) / GEN_M) * (size_t) g->group;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv3_geom g = geom_of(inst);
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
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err transpose_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv3_geom g = geom_of(inst);
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
        .local = {1, 1, 1},
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
