/* Cast between float32, integers of up to 64 bits and bool; and Where, for every type. PLAIN only. */
#include <stdio.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class cast_program = {
    .name = "cast",
    .source = {cl_common, cl_nest, cl_cast},
};

static bool cast_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    struct loops loops = {.tensors = 2};
    loops_push(&loops, tensor_elems(&inst->out[0]), (int64_t[]){1, 1});
    return nest_make(dev, &loops, nest);
}

static bool cast_serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    return program_type(inst->in[0].type) && program_type(inst->out[0].type) && serves_plain(inst) &&
           serves_int_index(inst) && cast_nest(dev, inst, &nest);
}

static enum cq_err cast_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!cast_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    enum dtype from = inst->in[0].type, to = inst->out[0].type;
    bool narrow = from == DT_F32 && to != DT_F32 && to != DT_I32 && to != DT_I64;
    char options[64];
    snprintf(options, sizeof options, "-DFROM=%s -DTO=%s%s", program_type(from), program_type(to),
             to == DT_BOOL ? " -DBOOL" : narrow ? " -DNARROW" : "");
    struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest)};
    struct launch launch = {
        .program = &cast_program, .kernel = "cast_flat", .options = options,
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

static bool where_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t c[TENSOR_MAX_RANK], a[TENSOR_MAX_RANK], b[TENSOR_MAX_RANK], to[TENSOR_MAX_RANK];
    struct loops loops = {.tensors = 4};
    nest_broadcast_strides(&inst->in[0], y, c);
    nest_broadcast_strides(&inst->in[1], y, a);
    nest_broadcast_strides(&inst->in[2], y, b);
    nest_broadcast_strides(y, y, to);
    for (int i = 0; i < y->rank; i++)
        loops_push(&loops, y->dim[i], (int64_t[]){c[i], a[i], b[i], to[i]});
    return nest_make(dev, &loops, nest);
}

static bool where_serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    return inst->n_in == 3 && dtype_size(inst->in[0].type) == 1 && inst->in[1].type == inst->out[0].type &&
           inst->in[2].type == inst->out[0].type && serves_plain(inst) && serves_int_index(inst) &&
           where_nest(dev, inst, &nest);
}

static enum cq_err where_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!where_nest(dev, inst, &nest))
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

const struct kernel_class kernel_cast_flat = {
    .name = "cast", .kind = OP_CAST, .serves = cast_serves, .enqueue = cast_enqueue,
};

const struct kernel_class kernel_where_rows = {
    .name = "where", .kind = OP_WHERE, .serves = where_serves, .in_place = 6, .enqueue = where_enqueue,
};
