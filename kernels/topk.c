/* TopK, in two ways: every element counts those before it, which is much work but all of it at once, for short rows
 * and for GPUs; or one work-item per row keeps a heap of the k best.
 */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/numbers.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "topk",
    .source = {cl_common, cl_numbers, cl_topk},
};

enum { CPU_COMPARISONS = 1 << 18, ENTRY_BYTES = 16 };
static const int64_t gpu_comparisons = (int64_t) 1 << 33;

/* As in kernels/cl/topk.cl. */
struct topk {
    int32_t rows, inner, n, k, type, index_type, size, smallest;
};

static struct topk topk_of(const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.topk.axis;
    struct topk t = {
        .rows = 1, .inner = 1, .n = (int32_t) x->dim[axis], .k = (int32_t) inst->op->u.topk.k, .type = (int32_t) x->type,
        .index_type = (int32_t) inst->out[1].type, .size = (int32_t) dtype_size(x->type),
        .smallest = !inst->op->u.topk.largest,
    };
    for (int i = 0; i < x->rank; i++) {
        t.rows *= i == axis ? 1 : (int32_t) x->dim[i];
        t.inner *= i > axis ? (int32_t) x->dim[i] : 1;
    }
    return t;
}

static bool heap_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.topk.axis;
    int64_t k = inst->op->u.topk.k;
    enum dtype index = inst->n_out == 2 ? inst->out[1].type : DT_F32;
    return axis >= 0 && axis < x->rank && k >= 0 && k <= x->dim[axis] && serves_plain(inst) &&
           serves_int_index(inst) && (numbers_is_int(x->type) || numbers_is_float(x->type)) &&
           inst->out[0].type == x->type && (index == DT_I64 || index == DT_I32 || index == DT_NONE);
}

static bool rank_serves(const struct device *dev, const struct op_inst *inst)
{
    if (!heap_serves(dev, inst))
        return false;
    struct topk t = topk_of(inst);
    bool cpu = !device_get_info(dev)->simt;
    return (double) t.rows * t.n * t.n <= (double) (cpu ? CPU_COMPARISONS : gpu_comparisons);
}

static struct mem_ref indices_of(const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return inst->out[1].type == DT_NONE ? (struct mem_ref){0} : bufs->out[1];
}

static enum cq_err rank_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct topk t = topk_of(inst);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_REF(indices_of(inst, bufs)), ARG_STRUCT(t),
    };
    struct launch launch = {
        .program = &program, .kernel = "topk_rank", .dims = 2, .global = {(size_t) t.n, (size_t) t.rows},
        .local = {(size_t) nest_local_size(dev), 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

static size_t heap_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    struct topk t = topk_of(inst);
    return (size_t) t.rows * (size_t) t.k * ENTRY_BYTES;
}

static enum cq_err heap_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct topk t = topk_of(inst);
    if (!t.rows || !t.k)
        return CQ_OK;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_REF(indices_of(inst, bufs)), ARG_REF(bufs->scratch),
        ARG_STRUCT(t),
    };
    struct launch launch = {
        .program = &program, .kernel = "topk_heap", .dims = 1, .global = {(size_t) t.rows},
        .local = {(size_t) nest_local_size(dev)}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_topk_rank = {
    .name = "topk_rank", .kind = OP_TOPK, .serves = rank_serves, .enqueue = rank_enqueue,
};

const struct kernel_class kernel_topk_heap = {
    .name = "topk_heap", .kind = OP_TOPK, .serves = heap_serves, .scratch_bytes = heap_bytes,
    .enqueue = heap_enqueue,
};
