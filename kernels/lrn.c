/* Local response normalisation, PLAIN float32. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "lrn",
    .source = {cl_common, cl_nest, cl_lrn},
};

/* As in kernels/cl/lrn.cl. */
struct lrn {
    int32_t channels, area, units, per_item, size;
    float alpha, beta, bias;
};

static bool lrn_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    int size = inst->op->u.norm.size;
    return inst->in[0].rank >= 2 && size >= 1 && size < INT32_MAX / 2 && serves_type(inst, DT_F32) &&
           serves_plain(inst) && serves_int_index(inst);
}

static enum cq_err lrn_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    const struct op *op = inst->op;
    int width = device_get_info(dev)->float_width;
    struct lrn l = {
        .channels = (int32_t) x->dim[1], .area = 1, .size = op->u.norm.size,
        .alpha = op->u.norm.alpha / (float) op->u.norm.size, .beta = op->u.norm.beta, .bias = op->u.norm.bias,
    };
    for (int i = 2; i < x->rank; i++)
        l.area *= (int32_t) x->dim[i];
    l.units = (int32_t) x->dim[0] * l.channels * ((l.area + width - 1) / width);
    l.per_item = nest_rows_per_item(dev, (int64_t) width * l.size);
    struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(l)};
    struct launch launch = {
        .program = &program, .kernel = "lrn", .dims = 1,
        .global = {(size_t) ((l.units + l.per_item - 1) / l.per_item)}, .local = {(size_t) nest_local_size(dev)},
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_lrn = {
    .name = "lrn", .kind = OP_LRN, .serves = lrn_serves, .enqueue = lrn_enqueue,
};
