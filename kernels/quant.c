/* QUANTIZE and DEQUANTIZE in PLAIN layout, with one scale or one per element of an axis. Scales per block run on
 * the host: they belong to weights, which are turned into floats at load. */
#include <stdio.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/quant.h"
#include "kernels/serves.h"

enum { OPTIONS_SIZE = 64 };

static const struct program_class quant_program = {
    .name = "quant",
    .source = {cl_common, cl_nest, cl_quant},
};

bool quant_range(enum dtype type, int *lo, int *hi)
{
    switch (type) {
    case DT_U8: *lo = 0, *hi = UINT8_MAX; return true;
    case DT_I8: *lo = INT8_MIN, *hi = INT8_MAX; return true;
    case DT_U16: *lo = 0, *hi = UINT16_MAX; return true;
    case DT_I16: *lo = INT16_MIN, *hi = INT16_MAX; return true;
    default: *lo = *hi = 0; return false;
    }
}

static enum dtype integer_of(const struct op_inst *inst)
{
    return inst->op->kind == OP_QUANTIZE ? inst->out[0].type : inst->in[0].type;
}

static bool quant_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t strides[TENSOR_MAX_RANK];
    struct loops loops = {.tensors = 4};
    bool one = tensor_elems(&inst->in[1]) == 1;
    nest_broadcast_strides(y, y, strides);
    for (int i = 0; i < y->rank; i++) {
        int64_t scale = !one && i == inst->op->u.quant.axis;
        loops_push(&loops, y->dim[i], (int64_t[]){strides[i], scale, scale, strides[i]});
    }
    return nest_make(dev, &loops, nest);
}

/* One scale, or one per element of the axis; as many zero points. */
static bool scale_agrees(const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *scale = &inst->in[1];
    int axis = inst->op->u.quant.axis;
    int64_t n = tensor_elems(scale);
    if (inst->n_in > 2 && inst->in[2].type != DT_NONE &&
        (inst->in[2].type != integer_of(inst) || tensor_elems(&inst->in[2]) != n))
        return false;
    return scale->type == DT_F32 && (n == 1 || (!inst->op->u.quant.block && axis < x->rank && n == x->dim[axis]));
}

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    int lo, hi;
    bool quantize = inst->op->kind == OP_QUANTIZE;
    enum dtype real = quantize ? inst->in[0].type : inst->out[0].type, integer = integer_of(inst);
    return real == DT_F32 && (quant_range(integer, &lo, &hi) || (!quantize && integer == DT_I32)) &&
           tensor_same_shape(&inst->in[0], &inst->out[0]) && scale_agrees(inst) && serves_plain(inst) &&
           serves_int_index(inst) && quant_nest(dev, inst, &nest);
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    int lo, hi;
    if (!quant_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    char options[OPTIONS_SIZE];
    quant_range(integer_of(inst), &lo, &hi);
    snprintf(options, sizeof options, "-DT=%s -DLO=%d -DHI=%d", program_type(integer_of(inst)), lo, hi);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest),
    };
    struct launch launch = {
        .program = &quant_program, .kernel = inst->op->kind == OP_QUANTIZE ? "quantize_rows" : "dequantize_rows",
        .options = options, .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_quantize = {
    .name = "quantize", .kind = OP_QUANTIZE, .serves = serves, .enqueue = enqueue,
};

const struct kernel_class kernel_dequantize = {
    .name = "dequantize", .kind = OP_DEQUANTIZE, .serves = serves, .enqueue = enqueue,
};
