/* Convolution in PLAIN layout with few output channels a group, which the general kernel would mostly idle on;
 * kernel in cl/conv_rows.cl. Nothing is packed, so weights may be computed. */
#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/serves.h"

enum { FEW = 3 };   /* output channels a group; from four on the general kernel keeps its sums busy */

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return serves_type(inst, DT_F32) && serves_plain(inst) && conv_geom_of(inst, &g) && g.sw == 1 &&
           g.m / inst->op->u.conv.group <= FEW;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int group = inst->op->u.conv.group;
    g.per_item = conv_per_item(dev, g.oh, (int64_t) g.m * g.n, 2.0 * g.ow * g.kh * g.kw * (g.c / group));
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]),  ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->in[3]),
        ARG_REF(bufs->out[0]), ARG_STRUCT(g),        ARG_INT(group),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program,
        .kernel = "conv_rows",
        .dims = 3,
        .global = {(size_t) ((g.oh + g.per_item - 1) / g.per_item), (size_t) g.m, (size_t) g.n},
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_rows = {
    .name = "conv_rows",
    .kind = OP_CONV,
    .serves = serves,
    .in_place = CONV_IN_PLACE,
    .enqueue = enqueue,
};
