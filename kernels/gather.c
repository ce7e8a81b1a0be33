/* Gather and GatherElements, of elements of any width. Constant indices are checked here; others the kernel clamps, for
 * it cannot report an error.
 */
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

enum { CPU_GRAIN = 4096 };         /* elements per work-item */

struct shape {
    int64_t outer, n, inner, count;
};

static struct shape shape_of(const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.axis.axis;
    struct shape s = {.outer = 1, .n = x->dim[axis], .inner = 1, .count = tensor_elems(&inst->in[1])};
    for (int i = 0; i < axis; i++)
        s.outer *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        s.inner *= x->dim[i];
    return s;
}

static bool constants_inside(const struct op_inst *inst, const struct shape *s)
{
    const void *data = inst->constant[1];
    for (int64_t i = 0; data && i < s->count; i++) {
        int64_t index = inst->in[1].type == DT_I64 ? ((const int64_t *) data)[i] : ((const int32_t *) data)[i];
        if (index < -s->n || index >= s->n)
            return false;
    }
    return true;
}

static bool gather_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    enum dtype index = inst->in[1].type;
    struct shape s = shape_of(inst);
    return (index == DT_I64 || index == DT_I32) && inst->in[0].type == inst->out[0].type && serves_plain(inst) &&
           serves_int_index(inst) && s.n > 0 && constants_inside(inst, &s);
}

static enum cq_err gather_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct shape s = shape_of(inst);
    int64_t rows = s.outer * s.count, per_item = 1;
    if (rows * s.inner == 0)
        return CQ_OK;
    if (!device_get_info(dev)->simt && s.inner < CPU_GRAIN)
        per_item = CPU_GRAIN / s.inner;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_INT(inst->in[1].type == DT_I64),
        ARG_INT(rows), ARG_INT(per_item), ARG_INT(s.n), ARG_INT(s.count), ARG_INT(s.inner),
    };
    struct launch launch = {
        .program = &move_program, .kernel = "gather_rows", .options = move_options(inst->out[0].type), .dims = 1,
        .global = {(size_t) ((rows + per_item - 1) / per_item)}, .local = {(size_t) nest_local_size(dev)},
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_gather_rows = {
    .name = "gather_rows", .kind = OP_GATHER, .serves = gather_serves, .enqueue = gather_enqueue,
};

/* Tensors: x without its axis, indices, y, which has the indices' shape. */
static bool elements_nest(const struct device *dev, const struct op_inst *inst, int *stride, struct nest *nest)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int axis = inst->op->u.axis.axis;
    int64_t from[TENSOR_MAX_RANK], to[TENSOR_MAX_RANK];
    struct loops loops = {.tensors = 3, .any_row = true};
    nest_broadcast_strides(x, x, from);
    nest_broadcast_strides(y, y, to);
    for (int i = 0; i < y->rank; i++)
        loops_push(&loops, y->dim[i], (int64_t[]){i == axis ? 0 : from[i], to[i], to[i]});
    *stride = (int) from[axis];
    return nest_make(dev, &loops, nest);
}

static bool elements_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *d = &inst->in[1], *y = &inst->out[0];
    int axis = inst->op->u.axis.axis, stride;
    struct nest nest;
    if ((d->type != DT_I64 && d->type != DT_I32) || x->type != y->type || axis < 0 || axis >= x->rank ||
        x->rank != y->rank || !tensor_same_shape(d, y) || !serves_plain(inst) || !serves_int_index(inst))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && y->dim[i] > x->dim[i])
            return false;
    struct shape s = {.n = x->dim[axis], .count = tensor_elems(d)};
    return s.n > 0 && constants_inside(inst, &s) && elements_nest(dev, inst, &stride, &nest);
}

static enum cq_err elements_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    int stride;
    if (!elements_nest(dev, inst, &stride, &nest))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest),
        ARG_INT(inst->in[1].type == DT_I64), ARG_INT(inst->in[0].dim[inst->op->u.axis.axis]), ARG_INT(stride),
    };
    struct launch launch = {
        .program = &move_program, .kernel = "gather_elements", .options = move_options(inst->out[0].type),
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_gather_elements = {
    .name = "gather_elements", .kind = OP_GATHER_ELEMENTS, .serves = elements_serves, .enqueue = elements_enqueue,
};
