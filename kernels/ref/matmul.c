/* Matrix products: MatMul (batched, broadcast) and Gemm. */
#include "kernels/ref/ref.h"

struct matrix {
    const void *data;
    enum dtype type;
    int64_t first, row, column;     /* index of element (0,0) and the steps to its neighbours */
};

static double dot(const struct matrix *a, const struct matrix *b, int64_t m, int64_t n, int64_t depth)
{
    double sum = 0;
    for (int64_t k = 0; k < depth; k++)
        sum += ref_load(a->data, a->type, a->first + m * a->row + k * a->column) *
               ref_load(b->data, b->type, b->first + k * b->row + n * b->column);
    return sum;
}

static int64_t dot_int(const struct matrix *a, const struct matrix *b, int64_t m, int64_t n, int64_t depth)
{
    uint64_t sum = 0;
    for (int64_t k = 0; k < depth; k++)
        sum += (uint64_t) ref_load_int(a->data, a->type, a->first + m * a->row + k * a->column) *
               (uint64_t) ref_load_int(b->data, b->type, b->first + k * b->row + n * b->column);
    return (int64_t) sum;
}

/* The batch dimensions alone; a vector has none. */
static struct tensor_desc batch_of(const struct tensor_desc *d)
{
    struct tensor_desc batch = *d;
    batch.rank = d->rank > 2 ? d->rank - 2 : 0;
    return batch;
}

static struct tensor_desc broadcast_batches(const struct tensor_desc *a, const struct tensor_desc *b)
{
    const struct tensor_desc *longer = a->rank >= b->rank ? a : b, *shorter = longer == a ? b : a;
    struct tensor_desc batch = *longer;
    for (int i = 0; i < shorter->rank; i++) {
        int64_t *dim = &batch.dim[i + longer->rank - shorter->rank];
        *dim = *dim == 1 ? shorter->dim[i] : *dim;
    }
    return batch;
}

enum cq_err ref_matmul(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    if (a->rank < 1 || b->rank < 1)
        return CQ_UNSUPPORTED;
    int64_t rows = a->rank > 1 ? a->dim[a->rank - 2] : 1, depth = a->dim[a->rank - 1];
    int64_t columns = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    struct tensor_desc batch_a = batch_of(a), batch_b = batch_of(b), batch = broadcast_batches(&batch_a, &batch_b);
    int64_t batches = tensor_elems(&batch), at[TENSOR_MAX_RANK] = {0}, to = 0;
    for (int64_t i = 0; i < batches; i++, ref_advance(&batch, at)) {
        struct matrix ma = {in[0], a->type, ref_broadcast(&batch_a, &batch, at) * rows * depth, depth, 1};
        struct matrix mb = {in[1], b->type, ref_broadcast(&batch_b, &batch, at) * depth * columns, columns, 1};
        for (int64_t m = 0; m < rows; m++)
            for (int64_t n = 0; n < columns; n++, to++) {
                if (ref_is_float(y->type))
                    ref_store(out[0], y->type, to, ref_act(inst->op, dot(&ma, &mb, m, n, depth)));
                else
                    ref_store_int(out[0], y->type, to, dot_int(&ma, &mb, m, n, depth));
            }
    }
    return CQ_OK;
}

static struct matrix matrix_of(const struct tensor_desc *d, const void *data, bool transposed)
{
    return transposed ? (struct matrix){data, d->type, 0, 1, d->dim[1]}
                      : (struct matrix){data, d->type, 0, d->dim[1], 1};
}

enum cq_err ref_gemm(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0], *c = inst->n_in > 2 && in[2] ? &inst->in[2] : NULL;
    const struct op *op = inst->op;
    if (inst->in[0].rank != 2 || inst->in[1].rank != 2)
        return CQ_UNSUPPORTED;
    struct matrix a = matrix_of(&inst->in[0], in[0], op->u.gemm.trans_a);
    struct matrix b = matrix_of(&inst->in[1], in[1], op->u.gemm.trans_b);
    int64_t depth = inst->in[0].dim[op->u.gemm.trans_a ? 0 : 1];
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        double v = op->u.gemm.alpha * dot(&a, &b, at[0], at[1], depth);
        if (c)
            v += op->u.gemm.beta * ref_load(in[2], c->type, ref_broadcast(c, y, at));
        ref_store(out[0], y->type, i, ref_act(op, v));
    }
    return CQ_OK;
}
