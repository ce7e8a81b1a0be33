/* Select: channels from several tensors into one, in any order, which is what joining, shuffling and cutting of
 * channels come to (stages/infer/pass_select.c); and Concat of BLOCKED channels that change their lane, which is a
 * Select of all in their order. The table of where each channel comes from is packed; every source is an argument of
 * the kernel, so there can be only so many.
 */
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

enum { MAX_SOURCES = 16, FIXED_ARGS = 3, GRAIN = 1024 };   /* GRAIN: pixels per work-item on a CPU */

/* As in move.cl. */
struct origin { int32_t source, channel; };
struct select { int32_t area, per_item, channels, x_channels[MAX_SOURCES]; };

/* The first input that is a source: in front of those of a Select stands the list of channels. */
static int first_source(const struct op_inst *inst)
{
    return inst->op->kind == OP_SELECT;
}

static bool find_origin(const struct op_inst *inst, int64_t at, struct origin *out)
{
    int first = first_source(inst);
    int64_t c = first ? ((const int32_t *) inst->constant[0])[at] : at;
    for (int i = first; i < inst->n_in && c >= 0; c -= inst->in[i++].dim[1])
        if (c < inst->in[i].dim[1]) {
            *out = (struct origin){i - first, (int32_t) c};
            return true;
        }
    return false;
}

static bool select_serves(const struct op_inst *inst, enum layout layout, int block)
{
    const struct tensor_desc *y = &inst->out[0];
    struct origin o;
    int first = first_source(inst);
    if (inst->n_in - first > MAX_SOURCES || y->rank != 4 || y->type != DT_F32 || y->layout != layout ||
        y->block != block || !serves_int_index(inst) || (first && (inst->in[0].type != DT_I32 || !inst->constant[0])))
        return false;
    for (int i = first; i < inst->n_in; i++)
        if (inst->in[i].type != DT_F32 || inst->in[i].layout != layout || inst->in[i].block != block)
            return false;
    for (int64_t c = 0; c < y->dim[1]; c++)
        if (!find_origin(inst, c, &o))
            return false;
    return true;
}

static bool lanes_serves(const struct device *dev, const struct op_inst *inst)
{
    return select_serves(inst, LAYOUT_BLOCKED, device_get_info(dev)->float_width);
}

static bool rows_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return select_serves(inst, LAYOUT_PLAIN, 0);
}

static bool concat_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->op->u.axis.axis == 1 && inst->out[0].dim[1] > 0 && lanes_serves(dev, inst);
}

static int64_t stored_channels(const struct tensor_desc *d)
{
    return d->layout == LAYOUT_BLOCKED ? (d->dim[1] + d->block - 1) / d->block * d->block : d->dim[1];
}

static size_t select_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return (size_t) stored_channels(&inst->out[0]) * sizeof(struct origin);
}

/* The lanes past the last channel repeat it. */
static enum cq_err select_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    (void) dev;
    struct origin *table = dst;
    int64_t channels = inst->out[0].dim[1];
    for (int64_t c = 0; c < stored_channels(&inst->out[0]); c++)
        if (!find_origin(inst, c < channels ? c : channels - 1, &table[c]))
            return CQ_INTERNAL;
    return CQ_OK;
}

static enum cq_err run(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, struct launch *l,
                       int per_item)
{
    const struct tensor_desc *y = &inst->out[0];
    struct select s = {(int32_t) (y->dim[2] * y->dim[3]), per_item, (int32_t) y->dim[1], {0}};
    struct kernel_arg args[FIXED_ARGS + MAX_SOURCES] = {ARG_REF(bufs->packed), ARG_REF(bufs->out[0]), ARG_STRUCT(s)};
    for (int i = 0, first = first_source(inst); i < MAX_SOURCES; i++) {
        bool there = first + i < inst->n_in;
        args[FIXED_ARGS + i] = (struct kernel_arg) ARG_REF(bufs->in[there ? first + i : first]);
        s.x_channels[i] = there ? (int32_t) stored_channels(&inst->in[first + i]) : 0;
    }
    l->program = &move_program;
    l->options = move_options(y->type);
    l->args = args;
    l->n_args = FIXED_ARGS + MAX_SOURCES;
    return program_run(dev, l);
}

static enum cq_err lanes_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t area = y->dim[2] * y->dim[3];
    int per_item = !device_get_info(dev)->simt ? GRAIN : 1;
    struct launch launch = {
        .kernel = "select_lanes", .dims = 3, .local = {(size_t) nest_local_size(dev), 1, 1},
        .global = {(size_t) ((area + per_item - 1) / per_item), (size_t) (stored_channels(y) / y->block),
                   (size_t) y->dim[0]},
    };
    return run(dev, inst, bufs, &launch, per_item);
}

static enum cq_err rows_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct launch launch = {
        .kernel = "select_rows", .dims = 2, .local = {(size_t) nest_local_size(dev), 1},
        .global = {(size_t) inst->out[0].dim[1], (size_t) inst->out[0].dim[0]},
    };
    return run(dev, inst, bufs, &launch, 1);
}

const struct kernel_class kernel_select_lanes = {
    .name = "select_lanes", .kind = OP_SELECT, .serves = lanes_serves, .packed_bytes = select_packed_bytes, .packs = 1,
    .pack = select_pack, .enqueue = lanes_enqueue,
};

const struct kernel_class kernel_select_rows = {
    .name = "select_rows", .kind = OP_SELECT, .serves = rows_serves, .packed_bytes = select_packed_bytes, .packs = 1,
    .pack = select_pack, .enqueue = rows_enqueue,
};

const struct kernel_class kernel_select_concat = {
    .name = "select_concat", .kind = OP_CONCAT, .serves = concat_serves, .packed_bytes = select_packed_bytes,
    .pack = select_pack, .enqueue = lanes_enqueue,
};
