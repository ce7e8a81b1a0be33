/* Functions of one float, over the storage of any layout: what they make of pad lanes nobody reads. */
#include <stdio.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "unary",
    .source = {cl_common, cl_act, cl_nest, cl_unary},
};

/* Those that a program of their own is built for (kernels/cl/unary.cl). */
static bool is_rare(enum unary fn)
{
    return fn == UN_LOG || (fn >= UN_ERF && fn <= UN_ATANH) || (fn >= UN_ELU && fn <= UN_THRESHOLDED_RELU) ||
           fn == UN_SHRINK;
}

static bool flat_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    struct loops loops = {.tensors = 2};
    loops_push(&loops, (int64_t) (tensor_bytes(&inst->in[0]) / sizeof(float)), (int64_t[]){1, 1});
    return nest_make(dev, &loops, nest);
}

static bool flat_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    enum unary fn = inst->op->u.unary;
    struct nest nest;
    return fn != UN_NOT && fn != UN_ISNAN && fn != UN_ISINF && serves_type(inst, DT_F32) && serves_int_index(inst) &&
           x->layout == y->layout && x->block == y->block && tensor_same_shape(x, y) && flat_nest(dev, inst, &nest);
}

static enum cq_err flat_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct op *op = inst->op;
    struct nest nest;
    char rare[32];
    if (!flat_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    snprintf(rare, sizeof rare, "-DRARE=%d", (int) op->u.unary);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest), ARG_INT(op->u.unary), ARG_FLOAT(op->act_a),
        ARG_FLOAT(op->act_b),
    };
    struct launch launch = {
        .program = &program, .kernel = "unary_flat", .options = is_rare(op->u.unary) ? rare : NULL,
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_unary_flat = {
    .name = "unary_flat", .kind = OP_UNARY, .serves = flat_serves, .in_place = 1, .enqueue = flat_enqueue,
};
