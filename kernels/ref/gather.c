/* Gather, Select, GatherElements and GatherND; a negative index counts from the end, one outside is CQ_INVALID. */
#include "kernels/ref/ref.h"

bool ref_index(const void *indices, enum dtype type, int64_t i, int64_t n, int64_t *index)
{
    *index = ref_load_int(indices, type, i);
    if (*index < 0)
        *index += n;
    return *index >= 0 && *index < n;
}

enum cq_err ref_gather(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.axis.axis;
    size_t size = dtype_size(x->type);
    int64_t outer = ref_span(x, 0, axis), n = x->dim[axis], inner = ref_span(x, axis + 1, x->rank);
    int64_t count = tensor_elems(&inst->in[1]), to = 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < count; k++) {
            int64_t index;
            if (!ref_index(in[1], inst->in[1].type, k, n, &index))
                return CQ_INVALID;
            for (int64_t i = 0; i < inner; i++, to++)
                ref_move(out[0], to, in[0], (o * n + index) * inner + i, size);
        }
    return CQ_OK;
}

/* The input that has channel `c` of all joined; *c becomes its channel there. */
static int source_of(const struct op_inst *inst, int64_t *c)
{
    int i = 1;
    while (*c >= inst->in[i].dim[1])
        *c -= inst->in[i++].dim[1];
    return i;
}

enum cq_err ref_select(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t n = tensor_elems(y), channels = 0, at[TENSOR_MAX_RANK] = {0};
    for (int i = 1; i < inst->n_in; i++)
        channels += inst->in[i].dim[1];
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        int64_t from[TENSOR_MAX_RANK] = {at[0], 0, at[2], at[3]};
        if (!ref_index(in[0], inst->in[0].type, at[1], channels, &from[1]))
            return CQ_INVALID;
        int source = source_of(inst, &from[1]);
        ref_move(out[0], i, in[source], ref_at(&inst->in[source], from), dtype_size(y->type));
    }
    return CQ_OK;
}

enum cq_err ref_gather_elements(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int axis = inst->op->u.axis.axis;
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        int64_t from[TENSOR_MAX_RANK];
        for (int d = 0; d < x->rank; d++)
            from[d] = at[d];
        if (!ref_index(in[1], inst->in[1].type, i, x->dim[axis], &from[axis]))
            return CQ_INVALID;
        ref_move(out[0], i, in[0], ref_at(x, from), dtype_size(x->type));
    }
    return CQ_OK;
}

/* Each index tuple names a block of the dimensions that it leaves open. */
enum cq_err ref_gather_nd(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *d = &inst->in[1];
    int batch_dims = inst->op->u.axis.axis, last = d->rank - 1;
    int64_t depth = d->dim[last], tuples = ref_span(d, 0, last);
    if (batch_dims + depth > x->rank)
        return CQ_INVALID;
    int64_t block = ref_span(x, batch_dims + (int) depth, x->rank), per_batch = ref_span(d, batch_dims, last);
    for (int64_t t = 0; t < tuples; t++) {
        int64_t from = t / per_batch;
        for (int k = 0; k < depth; k++) {
            int64_t n = x->dim[batch_dims + k], index;
            if (!ref_index(in[1], d->type, t * depth + k, n, &index))
                return CQ_INVALID;
            from = from * n + index;
        }
        for (int64_t i = 0; i < block; i++)
            ref_move(out[0], t * block + i, in[0], from * block + i, dtype_size(x->type));
    }
    return CQ_OK;
}
