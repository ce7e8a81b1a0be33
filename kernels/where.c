/* Where, for every type: it only moves elements. PLAIN only. */
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static bool where_serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    return inst->n_in == 3 && dtype_size(inst->in[0].type) == 1 && inst->in[1].type == inst->out[0].type &&
           inst->in[2].type == inst->out[0].type && serves_plain(inst) && serves_int_index(inst) &&
           nest_of_broadcast(dev, inst, &nest);
}

static enum cq_err where_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!nest_of_broadcast(dev, inst, &nest))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest),
    };
    struct launch launch = {
        .program = &move_program, .kernel = "where_rows", .options = move_options(inst->out[0].type),
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_where_rows = {
    .name = "where", .kind = OP_WHERE, .serves = where_serves, .in_place = 6, .enqueue = where_enqueue,
};
