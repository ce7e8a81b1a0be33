/* OP_GATED_SUM in one pass over memory, in either layout; kernel in cl/gated_sum.cl. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/program.h"
#include "kernels/serves.h"

enum { TERMS = OP_GATED_SUM_MOST, FLOATS_PER_ITEM = 8192 };

/* As in the .cl. */
struct sum {
    int32_t n, channels, planes, plane, per_item, blocked;
    int32_t gate_step[TERMS], gate_plain, act;
    float act_a, act_b;
};

static const struct program_class program = {
    .name = "gated_sum",
    .source = {cl_common, cl_act, cl_nest, cl_gated_sum},
};

static const struct tensor_desc *gate_of(const struct op_inst *inst, int term)
{
    int i = 2 * term + 1;
    return i < inst->n_in && inst->in[i].type != DT_NONE ? &inst->in[i] : NULL;
}

/* Of shape [N or 1,C,1,...], PLAIN or as y is stored. */
static bool is_gate(const struct tensor_desc *g, const struct tensor_desc *y)
{
    if (g->type != DT_F32 || g->rank != y->rank || (g->dim[0] != 1 && g->dim[0] != y->dim[0]) ||
        g->dim[1] != y->dim[1] || (g->layout != LAYOUT_PLAIN && (g->layout != y->layout || g->block != y->block)))
        return false;
    for (int i = 2; i < g->rank; i++)
        if (g->dim[i] != 1)
            return false;
    return true;
}

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *y = &inst->out[0];
    if (inst->n_in > 2 * TERMS || y->rank < 2 || y->type != DT_F32 || !serves_int_index(inst) ||
        (y->layout == LAYOUT_BLOCKED && y->block != device_get_info(dev)->float_width))
        return false;
    for (int t = 0; 2 * t < inst->n_in; t++) {
        const struct tensor_desc *x = &inst->in[2 * t], *g = gate_of(inst, t);
        if (x->type != DT_F32 || x->layout != y->layout || x->block != y->block || !tensor_same_shape(x, y) ||
            (g && !is_gate(g, y)))
            return false;
    }
    return tensor_elems(y) > 0;
}

static struct sum sum_of(const struct op_inst *inst)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t block = y->layout == LAYOUT_BLOCKED ? y->block : 1, planes = (y->dim[1] + block - 1) / block;
    struct sum s = {
        .n = (inst->n_in + 1) / 2, .channels = (int32_t) y->dim[1], .planes = (int32_t) planes,
        .plane = (int32_t) ((int64_t) (tensor_bytes(y) / sizeof(float)) / (planes * y->dim[0])),
        .per_item = FLOATS_PER_ITEM, .blocked = block > 1, .act = (int32_t) inst->op->act,
        .act_a = inst->op->act_a, .act_b = inst->op->act_b,
    };
    for (int t = 0; t < s.n; t++) {
        const struct tensor_desc *g = gate_of(inst, t);
        s.gate_step[t] = !g ? -1 : g->dim[0] == 1 ? 0 : (int32_t) (tensor_bytes(g) / sizeof(float) / (size_t) g->dim[0]);
        s.gate_plain |= (g && g->layout == LAYOUT_PLAIN) << t;
    }
    return s;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct sum s = sum_of(inst);
    struct kernel_arg args[2 * TERMS + 2];
    for (int i = 0; i < 2 * TERMS; i++)
        args[i] = (struct kernel_arg) ARG_REF(i < inst->n_in ? bufs->in[i] : (struct mem_ref){0});
    args[2 * TERMS] = (struct kernel_arg) ARG_REF(bufs->out[0]);
    args[2 * TERMS + 1] = (struct kernel_arg) ARG_STRUCT(s);
    return program_run(dev, &(struct launch) {
        .program = &program, .kernel = "gated_sum", .dims = 2, .local = {1, 1},
        .global = {((size_t) s.plane + FLOATS_PER_ITEM - 1) / FLOATS_PER_ITEM,
                   (size_t) s.planes * (size_t) inst->out[0].dim[0]},
        .args = args, .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_gated_sum = {
    .name = "gated_sum", .kind = OP_GATED_SUM, .serves = serves, .in_place = 0x555, .enqueue = enqueue,
};
