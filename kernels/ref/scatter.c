/* ScatterElements and ScatterND: a copy of the input in which the named elements are replaced by the updates, or
 * combined with them. Updates are taken in order, so that of several for one element the last one stays; an index
 * outside the input is CQ_INVALID.
 */
#include "kernels/ref/ref.h"

#include <string.h>

static void copy_input(const struct op_inst *inst, const void *const *in, void *const *out)
{
    size_t bytes = tensor_bytes(&inst->out[0]);
    if (bytes)
        memcpy(out[0], in[0], bytes);
}

/* Element `to` of the result meets update i. */
static void update(const struct op_inst *inst, const void *const *in, void *y, int64_t to, int64_t i)
{
    enum dtype type = inst->out[0].type;
    enum binary fn = inst->op->u.scatter.fn;
    if (!inst->op->u.scatter.combine)
        ref_move(y, to, in[2], i, dtype_size(type));
    else if (ref_is_float(type))
        ref_store(y, type, to, ref_binary_of(fn, ref_load(y, type, to), ref_load(in[2], type, i)));
    else
        ref_store_int(y, type, to, ref_binary_of_ints(fn, ref_load_int(y, type, to), ref_load_int(in[2], type, i)));
}

enum cq_err ref_scatter_elements(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0], *d = &inst->in[1];
    int axis = inst->op->u.scatter.axis;
    int64_t n = tensor_elems(d), at[TENSOR_MAX_RANK] = {0}, to[TENSOR_MAX_RANK];
    copy_input(inst, in, out);
    for (int64_t i = 0; i < n; i++, ref_advance(d, at)) {
        memcpy(to, at, sizeof to);
        if (!ref_index(in[1], d->type, i, y->dim[axis], &to[axis]))
            return CQ_INVALID;
        update(inst, in, out[0], ref_at(y, to), i);
    }
    return CQ_OK;
}

/* Each index tuple names a block of the dimensions that it leaves open. */
enum cq_err ref_scatter_nd(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0], *d = &inst->in[1];
    int64_t depth = d->dim[d->rank - 1], tuples = ref_span(d, 0, d->rank - 1);
    if (depth > y->rank)
        return CQ_INVALID;
    int64_t block = ref_span(y, (int) depth, y->rank);
    copy_input(inst, in, out);
    for (int64_t t = 0; t < tuples; t++) {
        int64_t to = 0;
        for (int k = 0; k < depth; k++) {
            int64_t index;
            if (!ref_index(in[1], d->type, t * depth + k, y->dim[k], &index))
                return CQ_INVALID;
            to = to * y->dim[k] + index;
        }
        for (int64_t i = 0; i < block; i++)
            update(inst, in, out[0], to * block + i, t * block + i);
    }
    return CQ_OK;
}
