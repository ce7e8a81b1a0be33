/* MatMul and Gemm for SIMT devices, whatever is constant and however batches broadcast; kernel in cl/product.cl,
 * by tiles that multiply floats or use matrix instructions. */
#include <string.h>

#include "kernels/classes.h"
#include "kernels/mma.h"
#include "kernels/nest.h"
#include "kernels/serves.h"
#include "kernels/simt.h"

enum { BATCH_RANK = 6 };

/* As in cl/product.cl. */
struct product {
    int32_t m, n, k;
    int32_t a_row, a_column, b_row, b_column, c_row, c_column;
    float alpha, beta;
    int32_t act;
    float act_a, act_b;
    int32_t rank, dim[BATCH_RANK], a_step[BATCH_RANK], b_step[BATCH_RANK];
};

_Static_assert((int) TENSOR_MAX_RANK - 2 <= (int) BATCH_RANK, "every batch dimension has its place");

/* The dimensions before the last two. */
static struct tensor_desc batches_of(const struct tensor_desc *d)
{
    struct tensor_desc b = *d;
    b.rank = d->rank > 2 ? d->rank - 2 : 0;
    return b;
}

/* The longer shape; a dimension of 1 takes the other's extent. */
static struct tensor_desc broadcast(const struct tensor_desc *a, const struct tensor_desc *b)
{
    struct tensor_desc longer = a->rank >= b->rank ? *a : *b;
    const struct tensor_desc *shorter = a->rank >= b->rank ? b : a;
    for (int i = 0; i < shorter->rank; i++) {
        int64_t *dim = &longer.dim[longer.rank - shorter->rank + i];
        *dim = *dim == 1 ? shorter->dim[i] : *dim;
    }
    return longer;
}

static void set_batches(struct product *p, const struct tensor_desc *a, const struct tensor_desc *b)
{
    int64_t a_step[TENSOR_MAX_RANK], b_step[TENSOR_MAX_RANK];
    const struct tensor_desc y = broadcast(a, b);
    nest_broadcast_strides(a, &y, a_step);
    nest_broadcast_strides(b, &y, b_step);
    p->rank = y.rank;
    for (int i = 0; i < y.rank; i++) {
        p->dim[i] = (int32_t) y.dim[i];
        p->a_step[i] = (int32_t) (a_step[i] * p->m * p->k);
        p->b_step[i] = (int32_t) (b_step[i] * p->k * p->n);
    }
}

static struct product matmul_of(const struct op_inst *inst)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1];
    const struct tensor_desc a_batches = batches_of(a), b_batches = batches_of(b);
    struct product p = {
        .m = a->rank > 1 ? (int32_t) a->dim[a->rank - 2] : 1, .n = b->rank > 1 ? (int32_t) b->dim[b->rank - 1] : 1,
        .k = (int32_t) a->dim[a->rank - 1], .a_column = 1, .b_column = 1, .alpha = 1,
    };
    p.a_row = p.k;
    p.b_row = p.n;
    if (tensor_elems(&b_batches) == 1 && a_batches.rank >= b_batches.rank)
        p.m *= (int32_t) tensor_elems(&a_batches);      /* one B for all: they are more rows */
    else
        set_batches(&p, &a_batches, &b_batches);
    return p;
}

static struct product gemm_of(const struct op_inst *inst)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    bool ta = inst->op->u.gemm.trans_a, tb = inst->op->u.gemm.trans_b;
    int32_t a_width = (int32_t) a->dim[1], b_width = (int32_t) b->dim[1];
    struct product p = {
        .m = (int32_t) y->dim[0], .n = (int32_t) y->dim[1], .k = (int32_t) a->dim[ta ? 0 : 1],
        .a_row = ta ? 1 : a_width, .a_column = ta ? a_width : 1,
        .b_row = tb ? 1 : b_width, .b_column = tb ? b_width : 1,
        .alpha = inst->op->u.gemm.alpha, .beta = inst->op->u.gemm.beta,
    };
    if (inst->n_in > 2 && inst->in[2].type != DT_NONE) {
        int64_t strides[TENSOR_MAX_RANK];
        nest_broadcast_strides(&inst->in[2], y, strides);
        p.c_row = (int32_t) strides[0];
        p.c_column = (int32_t) strides[1];
    }
    return p;
}

static bool plain_floats(const struct op_inst *inst)
{
    return serves_type(inst, DT_F32) && serves_plain(inst) && serves_int_index(inst);
}

static bool matmul_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return plain_floats(inst) && inst->in[0].rank > 0 && inst->in[1].rank > 0;
}

static bool gemm_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return plain_floats(inst) && inst->in[0].rank == 2 && inst->in[1].rank == 2;
}

/* Products of activations with each other keep their precision. */
static bool may_round(const struct op_inst *inst)
{
    return inst->half && inst->constant[1];
}

static bool matmul_mma_serves(const struct device *dev, const struct op_inst *inst)
{
    return may_round(inst) && matmul_serves(dev, inst);
}

static bool gemm_mma_serves(const struct device *dev, const struct op_inst *inst)
{
    return may_round(inst) && gemm_serves(dev, inst);
}

static enum cq_err run(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, bool mma)
{
    bool gemm = inst->op->kind == OP_GEMM;
    struct product p = gemm ? gemm_of(inst) : matmul_of(inst);
    int64_t batches = 1;
    p.act = (int32_t) inst->op->act;
    p.act_a = inst->op->act_a;
    p.act_b = inst->op->act_b;
    for (int i = 0; i < p.rank; i++)
        batches *= p.dim[i];
    const struct mem_ref c = gemm && inst->n_in > 2 ? bufs->in[2] : (struct mem_ref) {0};
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(c), ARG_REF(bufs->out[0]), ARG_STRUCT(p),
    };
    struct launch launch = {
        .program = mma ? &mma_program : &simt_program, .kernel = "gemm_tiles",
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    bool low = simt_tiles(&launch, p.m, p.n, batches);
    launch.options = mma ? mma_options(dev, low) : low ? SIMT_LOW : NULL;
    return program_run(dev, &launch);
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return run(dev, inst, bufs, false);
}

static enum cq_err mma_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return run(dev, inst, bufs, true);
}

const struct kernel_class kernel_gemm_mma = {
    .name = "gemm_mma", .kind = OP_GEMM, .mma = true, .serves = gemm_mma_serves, .enqueue = mma_enqueue,
};

const struct kernel_class kernel_matmul_mma = {
    .name = "matmul_mma", .kind = OP_MATMUL, .mma = true, .serves = matmul_mma_serves, .enqueue = mma_enqueue,
};

const struct kernel_class kernel_gemm_simt = {
    .name = "gemm_simt", .kind = OP_GEMM, .simt = true, .serves = gemm_serves, .enqueue = enqueue,
};

const struct kernel_class kernel_matmul_simt = {
    .name = "matmul_simt", .kind = OP_MATMUL, .simt = true, .serves = matmul_serves, .enqueue = enqueue,
};
