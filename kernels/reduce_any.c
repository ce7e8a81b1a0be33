/* Reductions that reduce.c does not serve: any set of axes, integers, float16, LogSumExp; and ArgMax along any axis of
 * any type. Two nests: one over what stays, one over what is reduced.
 */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/numbers.h"
#include "kernels/program.h"
#include "kernels/rows.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "reduce_any",
    .source = {cl_common, cl_nest, cl_numbers, cl_reduce_any},
};

/* Tensors of `kept`: x, y; of `gone`: x. */
struct fold {
    struct nest kept, gone;
    int64_t count;                 /* elements that make one of y */
};

static bool fold_of(const struct device *dev, const struct op_inst *inst, struct fold *f)
{
    const struct tensor_desc *x = &inst->in[0];
    struct loops kept = {.tensors = 2}, gone = {.tensors = 1};
    int64_t strides[TENSOR_MAX_RANK], to[TENSOR_MAX_RANK], next = 1;
    nest_broadcast_strides(x, x, strides);
    for (int i = x->rank - 1; i >= 0; i--) {
        to[i] = next;
        next *= inst->op->u.reduce.axes >> i & 1 ? 1 : x->dim[i];
    }
    f->count = 1;
    for (int i = 0; i < x->rank; i++) {
        bool reduced = inst->op->u.reduce.axes >> i & 1;
        loops_push(reduced ? &gone : &kept, x->dim[i], (int64_t[]){strides[i], to[i]});
        f->count *= reduced ? x->dim[i] : 1;
    }
    return nest_make(dev, &kept, &f->kept) && nest_make(dev, &gone, &f->gone);
}

static bool is_exact_in_int(enum reduce fn)
{
    return fn != RED_L2 && fn != RED_LOG_SUM && fn != RED_LOG_SUM_EXP;
}

/* Integers of which there are none leave the extremes of their type, which the kernel does not know. */
static bool reduce_serves(const struct device *dev, const struct op_inst *inst)
{
    enum dtype x = inst->in[0].type, y = inst->out[0].type;
    struct fold f;
    bool floats = numbers_is_float(x) && numbers_is_float(y);
    bool ints = numbers_is_int(x) && numbers_is_int(y) && is_exact_in_int(inst->op->u.reduce.fn) &&
                tensor_elems(&inst->in[0]) > 0;
    return (floats || ints) && serves_plain(inst) && serves_int_index(inst) && fold_of(dev, inst, &f);
}

static enum cq_err reduce_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct fold f;
    if (!fold_of(dev, inst, &f))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(f.kept), ARG_STRUCT(f.gone),
        ARG_INT(inst->in[0].type), ARG_INT(inst->out[0].type), ARG_INT(inst->op->u.reduce.fn), ARG_INT(f.count),
    };
    struct launch launch = {
        .program = &program, .kernel = "reduce_any", .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &f.kept, &launch);
    return program_run(dev, &launch);
}

/* As in kernels/cl/reduce_any.cl. */
struct arg {
    int32_t groups, length, group_step, lane_step, n, step, units, per_item;
};

static bool arg_of(const struct device *dev, const struct op_inst *inst, struct arg *a)
{
    int axis = inst->op->u.axis.axis, width = device_get_info(dev)->float_width;
    struct rows r;
    if (axis < 0 || axis >= inst->in[0].rank || !rows_of(&inst->in[0], 1u << axis, &r))
        return false;
    /* An axis of 1 is not told apart from the others: every element is the largest of itself. */
    bool along_rows = r.inner == 1;
    *a = (struct arg){
        .groups = (int32_t) (along_rows ? 1 : r.outer), .length = (int32_t) (along_rows ? r.outer : r.inner),
        .group_step = (int32_t) (r.n * r.inner), .lane_step = along_rows ? (int32_t) r.n : 1, .n = (int32_t) r.n,
        .step = (int32_t) r.inner, .per_item = nest_rows_per_item(dev, r.n * width),
    };
    a->units = a->groups * ((a->length + width - 1) / width);
    return true;
}

static bool arg_serves(const struct device *dev, const struct op_inst *inst)
{
    enum dtype x = inst->in[0].type;
    struct arg a;
    return (numbers_is_float(x) || numbers_is_int(x)) && inst->out[0].type == DT_I64 && serves_plain(inst) &&
           serves_int_index(inst) && arg_of(dev, inst, &a) && inst->in[0].dim[inst->op->u.axis.axis] > 0;
}

static enum cq_err arg_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct arg a;
    if (!arg_of(dev, inst, &a))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(a), ARG_INT(inst->in[0].type),
        ARG_INT(inst->op->u.axis.flag),
    };
    struct launch launch = {
        .program = &program, .kernel = "arg_any", .dims = 1,
        .global = {(size_t) ((a.units + a.per_item - 1) / a.per_item)}, .local = {(size_t) nest_local_size(dev)},
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_reduce_any = {
    .name = "reduce_any", .kind = OP_REDUCE, .serves = reduce_serves, .enqueue = reduce_enqueue,
};

const struct kernel_class kernel_arg_any = {
    .name = "arg", .kind = OP_ARG, .serves = arg_serves, .enqueue = arg_enqueue,
};
