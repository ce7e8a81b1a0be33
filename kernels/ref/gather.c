/* Gather and GatherElements; a negative index counts from the end, one outside is CQ_INVALID. */
#include "kernels/ref/ref.h"

static bool resolve(const void *indices, enum dtype type, int64_t i, int64_t n, int64_t *index)
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
            if (!resolve(in[1], inst->in[1].type, k, n, &index))
                return CQ_INVALID;
            for (int64_t i = 0; i < inner; i++, to++)
                ref_move(out[0], to, in[0], (o * n + index) * inner + i, size);
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
        if (!resolve(in[1], inst->in[1].type, i, x->dim[axis], &from[axis]))
            return CQ_INVALID;
        ref_move(out[0], i, in[0], ref_at(x, from), dtype_size(x->type));
    }
    return CQ_OK;
}
