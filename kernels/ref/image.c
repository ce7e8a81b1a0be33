/* What happens at the network's edge: frames to tensors, and PLAIN to BLOCKED and back. */
#include <string.h>

#include "kernels/ref/ref.h"

enum cq_err ref_image(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    if (x->type != DT_U8 || x->rank != 4 || x->dim[3] > 4)
        return CQ_UNSUPPORTED;
    int64_t n = tensor_elems(x), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(x, at)) {
        int64_t c = at[3], nchw[TENSOR_MAX_RANK] = {at[0], c, at[1], at[2]};
        double v = (ref_load(in[0], DT_U8, i) - inst->op->u.image.mean[c]) * inst->op->u.image.scale[c];
        ref_store(out[0], y->type, inst->op->u.image.nhwc ? i : ref_at(y, nchw), v);
    }
    return CQ_OK;
}

/* Where the element at `at` is stored, block layout or not. */
static int64_t stored_at(const struct tensor_desc *d, const int64_t *at)
{
    if (d->layout == LAYOUT_PLAIN)
        return ref_at(d, at);
    struct tensor_desc grid = *d;
    int64_t where[TENSOR_MAX_RANK];
    memcpy(where, at, sizeof where);
    grid.dim[1] = (d->dim[1] + d->block - 1) / d->block;
    where[1] = at[1] / d->block;
    return ref_at(&grid, where) * d->block + at[1] % d->block;
}

/* The only operator of the reference that knows BLOCKED. Lanes past the last channel are set to zero. */
enum cq_err ref_reorder(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    if (x->type != y->type || !tensor_same_shape(x, y))
        return CQ_UNSUPPORTED;
    size_t size = dtype_size(x->type), bytes = tensor_bytes(y);
    if (bytes)
        memset(out[0], 0, bytes);
    int64_t n = tensor_elems(x), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(x, at))
        ref_move(out[0], stored_at(y, at), in[0], stored_at(x, at), size);
    return CQ_OK;
}
