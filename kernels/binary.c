/* Functions of two float tensors: rows of a nest for PLAIN ones and for equal storage, whole blocks for BLOCKED
 * results with a broadcast operand ([1,C,1,1], [N,C,1,1], [N,1,H,W], a scalar). PRelu is one of them.
 */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

enum { FN_PRELU = 100 };          /* as in kernels/cl/binary.cl */

/* As in kernels/cl/binary.cl. */
enum operand { OPERAND_BLOCKED, OPERAND_ONE_CHANNEL, OPERAND_CHANNELS, OPERAND_UNKNOWN };

static const struct program_class program = {
    .name = "binary",
    .source = {cl_common, cl_act, cl_nest, cl_binary},
};

static int function_of(const struct op *op)
{
    return op->kind == OP_PRELU ? FN_PRELU : (int) op->u.binary;
}

/* The rare functions are built on demand: they take long to compile. */
static bool is_rare(int fn)
{
    return fn == BIN_POW || fn == BIN_MOD || fn == BIN_FMOD;
}

static bool serves_function(const struct op_inst *inst)
{
    return (inst->op->kind == OP_PRELU || inst->op->u.binary <= BIN_FMOD) && inst->n_in == 2 &&
           serves_type(inst, DT_F32) && serves_int_index(inst);
}

/* One number, in either layout the first of its storage. */
static bool is_scalar(const struct tensor_desc *d)
{
    return tensor_elems(d) == 1;
}

static bool same_storage(const struct tensor_desc *d, const struct tensor_desc *y)
{
    return d->layout == y->layout && d->block == y->block && tensor_same_shape(d, y);
}

/* Both operands are stored as y is, or are scalars: the layout does not matter. */
static bool is_flat(const struct op_inst *inst)
{
    for (int i = 0; i < 2; i++)
        if (!is_scalar(&inst->in[i]) && !same_storage(&inst->in[i], &inst->out[0]))
            return false;
    return true;
}

static bool rows_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    struct loops loops = {.tensors = 3};
    if (is_flat(inst)) {
        int64_t n = (int64_t) (tensor_bytes(y) / sizeof(float));
        loops_push(&loops, n, (int64_t[]){!is_scalar(a), !is_scalar(b), 1});
        return nest_make(dev, &loops, nest);
    }
    return nest_of_broadcast(dev, inst, nest);
}

static bool rows_serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    return serves_function(inst) && (serves_plain(inst) || is_flat(inst)) && rows_nest(dev, inst, &nest);
}

static enum cq_err rows_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!rows_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    int fn = function_of(inst->op);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest), ARG_INT(fn),
        ARG_INT(inst->op->act), ARG_FLOAT(inst->op->act_a), ARG_FLOAT(inst->op->act_b),
    };
    struct launch launch = {
        .program = &program, .kernel = "binary_rows", .options = is_rare(fn) ? "-DWITH_RARE" : NULL,
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

/* Dimension i of y as `d` has it; 1 where d has fewer dimensions. */
static int64_t dim_under(const struct tensor_desc *d, const struct tensor_desc *y, int i)
{
    int at = i + d->rank - y->rank;
    return at < 0 ? 1 : d->dim[at];
}

static enum operand operand_of(const struct tensor_desc *d, const struct tensor_desc *y)
{
    if (is_scalar(d))
        return OPERAND_ONE_CHANNEL;
    if (d->layout == LAYOUT_BLOCKED) {
        if (d->rank != y->rank || d->block != y->block)
            return OPERAND_UNKNOWN;
        return d->dim[1] == 1 && y->dim[1] > 1 ? OPERAND_ONE_CHANNEL : OPERAND_BLOCKED;
    }
    bool channels_only = dim_under(d, y, 1) == tensor_elems(d);
    return channels_only ? OPERAND_CHANNELS : OPERAND_UNKNOWN;
}

/* Strides of `d` in blocks, for each dimension of y. */
static void block_strides(const struct tensor_desc *d, const struct tensor_desc *y, int64_t strides[TENSOR_MAX_RANK])
{
    int64_t stride = 1;
    for (int i = y->rank - 1; i >= 0; i--) {
        int64_t dim = dim_under(d, y, i);
        strides[i] = dim == 1 ? 0 : stride;
        stride *= i == 1 ? (dim + y->block - 1) / y->block : dim;
    }
}

static bool blocks_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t sa[TENSOR_MAX_RANK], sb[TENSOR_MAX_RANK], sy[TENSOR_MAX_RANK];
    struct loops loops = {.tensors = 3, .width = y->block};
    block_strides(&inst->in[0], y, sa);
    block_strides(&inst->in[1], y, sb);
    block_strides(y, y, sy);
    for (int i = 0; i < y->rank; i++)
        loops_push(&loops, i == 1 ? (y->dim[1] + y->block - 1) / y->block : y->dim[i],
                   (int64_t[]){sa[i], sb[i], sy[i]});
    return nest_make(dev, &loops, nest);
}

static bool blocks_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *y = &inst->out[0];
    struct nest nest;
    return serves_function(inst) && y->layout == LAYOUT_BLOCKED && y->block == device_get_info(dev)->float_width &&
           operand_of(&inst->in[0], y) != OPERAND_UNKNOWN && operand_of(&inst->in[1], y) != OPERAND_UNKNOWN &&
           blocks_nest(dev, inst, &nest);
}

static enum cq_err blocks_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    struct nest nest;
    if (!blocks_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    int fn = function_of(inst->op);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest),
        ARG_INT(operand_of(a, y)), ARG_INT(tensor_elems(a)), ARG_INT(operand_of(b, y)), ARG_INT(tensor_elems(b)),
        ARG_INT(fn), ARG_INT(inst->op->act), ARG_FLOAT(inst->op->act_a), ARG_FLOAT(inst->op->act_b),
    };
    struct launch launch = {
        .program = &program, .kernel = "binary_blocks", .options = is_rare(fn) ? "-DWITH_RARE" : NULL,
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_binary_rows = {
    .name = "binary_rows", .kind = OP_BINARY, .serves = rows_serves, .in_place = 3, .enqueue = rows_enqueue,
};

const struct kernel_class kernel_binary_blocks = {
    .name = "binary_blocks", .kind = OP_BINARY, .serves = blocks_serves, .in_place = 3, .enqueue = blocks_enqueue,
};

const struct kernel_class kernel_prelu_rows = {
    .name = "prelu_rows", .kind = OP_PRELU, .serves = rows_serves, .in_place = 3, .enqueue = rows_enqueue,
};

const struct kernel_class kernel_prelu_blocks = {
    .name = "prelu_blocks", .kind = OP_PRELU, .serves = blocks_serves, .in_place = 3, .enqueue = blocks_enqueue,
};
