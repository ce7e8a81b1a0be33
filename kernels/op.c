/* Names of operator kinds, and how much arithmetic one execution takes. */
#include "kernels/op.h"

static const char *const names[OP_KIND_COUNT] = {
#define X(kind) [OP_##kind] = #kind,
    OP_KINDS(X)
#undef X
};

const char *op_kind_name(enum op_kind kind)
{
    return (unsigned) kind < OP_KIND_COUNT ? names[kind] : "UNKNOWN";
}

static double elems(const struct tensor_desc *d)
{
    return (double) tensor_elems(d);
}

/* Taps of the window. */
static double window(const struct conv_attrs *a)
{
    double n = 1;
    for (int i = 0; i < a->spatial; i++)
        n *= a->kernel[i];
    return n;
}

static double conv_flops(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    return 2 * window(a) * (double) inst->in[1].dim[1] * elems(&inst->out[0]);
}

/* Every input element meets every tap of its group's output channels. */
static double conv_transpose_flops(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    return 2 * window(a) * (double) inst->out[0].dim[1] / a->group * elems(&inst->in[0]);
}

static double matmul_flops(const struct op_inst *inst)
{
    const struct tensor_desc *a = &inst->in[0];
    int depth = inst->op->kind == OP_GEMM && inst->op->u.gemm.trans_a ? 0 : a->rank - 1;
    return depth < 0 ? 0 : 2 * (double) a->dim[depth] * elems(&inst->out[0]);
}

/* In both directions; 4 stands for as many as the size of a box asks for. */
static double samples_per_bin(const struct op_inst *inst)
{
    double n = inst->op->u.roi.sampling_ratio;
    return n > 0 ? n * n : 4;
}

double op_flops(const struct op_inst *inst)
{
    switch (inst->op->kind) {
    case OP_CONV:
    case OP_CONV_FRAMES:
    case OP_CONV_INT:
        return conv_flops(inst);
    case OP_CONV_TRANSPOSE:
        return conv_transpose_flops(inst);
    case OP_MATMUL:
    case OP_MATMUL_INT:
    case OP_GEMM:
        return matmul_flops(inst);
    case OP_POOL_MAX:
    case OP_POOL_AVG:
    case OP_POOL_LP:
        return window(&inst->op->u.conv) * elems(&inst->out[0]);
    case OP_UNARY:
    case OP_BINARY:
        return elems(&inst->out[0]);
    case OP_REDUCE:
    case OP_ARG:
    case OP_CUM_SUM:
    case OP_CANDIDATES:
        return elems(&inst->in[0]);
    case OP_DET:
        return 2.0 / 3 * (double) inst->in[0].dim[inst->in[0].rank - 1] * elems(&inst->in[0]);
    case OP_SCATTER_ELEMENTS:
    case OP_SCATTER_ND:
        return inst->op->u.scatter.combine ? elems(&inst->in[2]) : 0;
    case OP_GATED_SUM:
        return inst->n_in * elems(&inst->out[0]);
    case OP_BATCH_NORM:
    case OP_PRELU:
    case OP_QUANTIZE:
    case OP_DEQUANTIZE:
        return 2 * elems(&inst->out[0]);
    case OP_SOFTMAX:
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM:
        return 5 * elems(&inst->out[0]);
    case OP_LRN:
        return (2.0 * inst->op->u.norm.size + 3) * elems(&inst->out[0]);
    case OP_RESIZE:
        return inst->op->u.resize.mode == RESIZE_NEAREST ? 0 : 8 * elems(&inst->out[0]);
    case OP_GRID_SAMPLE:
        return 8 * elems(&inst->out[0]);
    case OP_ROI_ALIGN:
        return 8 * samples_per_bin(inst) * elems(&inst->out[0]);
    case OP_IMAGE:
        return 2 * elems(&inst->out[0]);
    default:
        return 0;
    }
}
