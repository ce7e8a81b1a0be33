/* Operators that only move elements: each is a map from an output coordinate to an input coordinate. */
#include "kernels/ref/ref.h"

#include <string.h>

/* Sets `from` to the coordinate in x that feeds `at` of y; false: the pad value goes there. */
typedef bool source_fn(const struct op_inst *inst, const int64_t *at, int64_t *from);

static enum cq_err move_all(const struct op_inst *inst, const void *const *in, void *const *out, source_fn *source)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    size_t size = dtype_size(y->type);
    int64_t n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0}, from[TENSOR_MAX_RANK];
    static const char zeros[8] = {0};
    const void *fill = inst->n_in > 1 && in[1] ? in[1] : zeros;
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        if (source(inst, at, from))
            ref_move(out[0], i, in[0], ref_at(x, from), size);
        else
            ref_move(out[0], i, fill, 0, size);
    }
    return CQ_OK;
}

static bool slice_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    for (int i = 0; i < inst->in[0].rank; i++)
        from[i] = inst->op->u.slice.start[i] + at[i] * inst->op->u.slice.step[i];
    return true;
}

static bool transpose_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    for (int i = 0; i < inst->in[0].rank; i++)
        from[inst->op->u.perm[i]] = at[i];
    return true;
}

static bool tile_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    for (int i = 0; i < inst->in[0].rank; i++)
        from[i] = at[i] % inst->in[0].dim[i];
    return true;
}

static bool expand_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    const struct tensor_desc *x = &inst->in[0];
    for (int i = 0; i < x->rank; i++)
        from[i] = x->dim[i] == 1 ? 0 : at[i + inst->out[0].rank - x->rank];
    return true;
}

/* The mirror repeats when the padding is longer than the image. */
static int64_t reflected(int64_t i, int64_t n)
{
    if (n == 1)
        return 0;
    int64_t period = 2 * (n - 1);
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

static bool pad_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    bool inside = true;
    for (int d = 0; d < inst->in[0].rank; d++) {
        int64_t n = inst->in[0].dim[d], i = at[d] - inst->op->u.pad.begin[d];
        switch (inst->op->u.pad.mode) {
        case PAD_CONSTANT:
            inside = inside && i >= 0 && i < n;
            break;
        case PAD_REFLECT:
            i = reflected(i, n);
            break;
        case PAD_EDGE:
            i = i < 0 ? 0 : i >= n ? n - 1 : i;
            break;
        case PAD_WRAP:
            i = ((i % n) + n) % n;
            break;
        }
        from[d] = i;
    }
    return inside;
}

static bool depth_to_space_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    int64_t block = inst->op->u.axis.axis;
    int64_t within = at[2] % block * block + at[3] % block;
    from[0] = at[0];
    from[1] = inst->op->u.axis.flag ? at[1] * block * block + within : within * inst->out[0].dim[1] + at[1];
    from[2] = at[2] / block;
    from[3] = at[3] / block;
    return true;
}

static bool space_to_depth_source(const struct op_inst *inst, const int64_t *at, int64_t *from)
{
    int64_t block = inst->op->u.axis.axis, channels = inst->in[0].dim[1], within = at[1] / channels;
    from[0] = at[0];
    from[1] = at[1] % channels;
    from[2] = at[2] * block + within / block;
    from[3] = at[3] * block + within % block;
    return true;
}

enum cq_err ref_slice(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return move_all(inst, in, out, slice_source);
}

enum cq_err ref_transpose(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return move_all(inst, in, out, transpose_source);
}

enum cq_err ref_tile(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return move_all(inst, in, out, tile_source);
}

enum cq_err ref_expand(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return move_all(inst, in, out, expand_source);
}

/* An empty dimension can be padded with a constant only. */
enum cq_err ref_pad(const struct op_inst *inst, const void *const *in, void *const *out)
{
    if (inst->op->u.pad.mode != PAD_CONSTANT && tensor_elems(&inst->in[0]) == 0 && tensor_elems(&inst->out[0]) > 0)
        return CQ_INVALID;
    return move_all(inst, in, out, pad_source);
}

enum cq_err ref_depth_to_space(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return inst->in[0].rank == 4 ? move_all(inst, in, out, depth_to_space_source) : CQ_UNSUPPORTED;
}

enum cq_err ref_space_to_depth(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return inst->in[0].rank == 4 ? move_all(inst, in, out, space_to_depth_source) : CQ_UNSUPPORTED;
}

enum cq_err ref_copy(const struct op_inst *inst, const void *const *in, void *const *out)
{
    size_t bytes = tensor_bytes(&inst->in[0]);
    if (bytes != tensor_bytes(&inst->out[0]))
        return CQ_INVALID;
    if (bytes)
        memcpy(out[0], in[0], bytes);
    return CQ_OK;
}

/* Copies `whole` to or from its part that starts at `first` of the axis. */
static void copy_part(void *dst, const struct tensor_desc *d, const void *src, const struct tensor_desc *s, int axis,
                      int64_t dst_first, int64_t src_first, int64_t count)
{
    size_t size = dtype_size(d->type);
    int64_t outer = ref_span(d, 0, axis), inner = ref_span(d, axis + 1, d->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count * inner; i++)
            ref_move(dst, (o * d->dim[axis] + dst_first) * inner + i, src, (o * s->dim[axis] + src_first) * inner + i,
                     size);
}

enum cq_err ref_concat(const struct op_inst *inst, const void *const *in, void *const *out)
{
    int axis = inst->op->u.axis.axis;
    int64_t first = 0;
    for (int i = 0; i < inst->n_in; i++) {
        copy_part(out[0], &inst->out[0], in[i], &inst->in[i], axis, first, 0, inst->in[i].dim[axis]);
        first += inst->in[i].dim[axis];
    }
    return CQ_OK;
}

enum cq_err ref_split(const struct op_inst *inst, const void *const *in, void *const *out)
{
    int axis = inst->op->u.axis.axis;
    int64_t first = 0;
    for (int i = 0; i < inst->n_out; i++) {
        copy_part(out[i], &inst->out[i], in[0], &inst->in[0], axis, 0, first, inst->out[i].dim[axis]);
        first += inst->out[i].dim[axis];
    }
    return CQ_OK;
}
