/* Concat, Split and Slice of BLOCKED channels where a part does not start at a block's border: each channel moves from
 * its lane to another. */
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

/* Channels x_first.. of input `in` become channels y_first.. of output `out`. */
struct span {
    int in, out;
    int64_t x_first, y_first, count;
};

static int spans_of(const struct op_inst *inst)
{
    return inst->op->kind == OP_CONCAT ? inst->n_in : inst->op->kind == OP_SPLIT ? inst->n_out : 1;
}

static struct span span_of(const struct op_inst *inst, int n)
{
    int64_t first = 0;
    switch (inst->op->kind) {
    case OP_CONCAT:
        for (int i = 0; i < n; i++)
            first += inst->in[i].dim[1];
        return (struct span){.in = n, .y_first = first, .count = inst->in[n].dim[1]};
    case OP_SPLIT:
        for (int i = 0; i < n; i++)
            first += inst->out[i].dim[1];
        return (struct span){.out = n, .x_first = first, .count = inst->out[n].dim[1]};
    default:
        return (struct span){.x_first = inst->op->u.slice.start[1], .count = inst->out[0].dim[1]};
    }
}

static bool slices_channels_only(const struct op_inst *inst)
{
    for (int i = 0; i < inst->in[0].rank; i++) {
        bool whole = inst->op->u.slice.start[i] == 0 && inst->out[0].dim[i] == inst->in[0].dim[i];
        if (inst->op->u.slice.step[i] != 1 || (i != 1 && !whole))
            return false;
    }
    return true;
}

static bool lanes_serves(const struct device *dev, const struct op_inst *inst)
{
    if (!serves_blocked(inst, device_get_info(dev)->float_width) || !serves_type(inst, DT_F32) ||
        !serves_int_index(inst))
        return false;
    return inst->op->kind == OP_SLICE ? slices_channels_only(inst) : inst->op->u.axis.axis == 1;
}

static int blocks_of(const struct tensor_desc *d)
{
    return (int) ((d->dim[1] + d->block - 1) / d->block);
}

static enum cq_err run_span(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, int n)
{
    struct span s = span_of(inst, n);
    const struct tensor_desc *x = &inst->in[s.in], *y = &inst->out[s.out];
    int64_t area = 1;
    for (int i = 2; i < y->rank; i++)
        area *= y->dim[i];
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[s.in]), ARG_REF(bufs->out[s.out]), ARG_INT(s.count), ARG_INT(y->dim[0]), ARG_INT(area),
        ARG_INT(blocks_of(x)), ARG_INT(s.x_first), ARG_INT(blocks_of(y)), ARG_INT(s.y_first),
    };
    struct launch launch = {
        .program = &move_program, .kernel = "move_lanes", .options = move_options(y->type), .dims = 2,
        .global = {(size_t) s.count, (size_t) y->dim[0]}, .local = {(size_t) nest_local_size(dev), 1},
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

static enum cq_err lanes_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    for (int i = 0; i < spans_of(inst); i++) {
        enum cq_err err = run_span(dev, inst, bufs, i);
        if (err)
            return err;
    }
    return CQ_OK;
}

const struct kernel_class kernel_lanes_concat = {
    .name = "lanes_concat", .kind = OP_CONCAT, .serves = lanes_serves, .enqueue = lanes_enqueue,
};

const struct kernel_class kernel_lanes_split = {
    .name = "lanes_split", .kind = OP_SPLIT, .serves = lanes_serves, .enqueue = lanes_enqueue,
};

const struct kernel_class kernel_lanes_slice = {
    .name = "lanes_slice", .kind = OP_SLICE, .serves = lanes_serves, .enqueue = lanes_enqueue,
};
