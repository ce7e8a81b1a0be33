/* The reference's entrance: a table from operator kind to function, and the helpers the families share. */
#include "kernels/ref/ref.h"

#include <string.h>

#include "kernels/base/half.h"

static ref_fn *const table[OP_KIND_COUNT] = {
    [OP_CONV] = ref_conv,
    [OP_CONV_FRAMES] = ref_conv_frames,
    [OP_CONV_TRANSPOSE] = ref_conv_transpose,
    [OP_POOL_MAX] = ref_pool,
    [OP_POOL_AVG] = ref_pool,
    [OP_POOL_LP] = ref_pool,
    [OP_MAX_UNPOOL] = ref_max_unpool,
    [OP_MATMUL] = ref_matmul,
    [OP_GEMM] = ref_gemm,
    [OP_UNARY] = ref_unary,
    [OP_BINARY] = ref_binary,
    [OP_GATED_SUM] = ref_gated_sum,
    [OP_WHERE] = ref_where,
    [OP_CAST] = ref_cast,
    [OP_SOFTMAX] = ref_softmax,
    [OP_REDUCE] = ref_reduce,
    [OP_ARG] = ref_arg,
    [OP_CONCAT] = ref_concat,
    [OP_SPLIT] = ref_split,
    [OP_SLICE] = ref_slice,
    [OP_TRANSPOSE] = ref_transpose,
    [OP_COPY] = ref_copy,
    [OP_EXPAND] = ref_expand,
    [OP_TILE] = ref_tile,
    [OP_PAD] = ref_pad,
    [OP_GATHER] = ref_gather,
    [OP_SELECT] = ref_select,
    [OP_GATHER_ELEMENTS] = ref_gather_elements,
    [OP_GATHER_ND] = ref_gather_nd,
    [OP_SCATTER_ELEMENTS] = ref_scatter_elements,
    [OP_SCATTER_ND] = ref_scatter_nd,
    [OP_CUM_SUM] = ref_cum_sum,
    [OP_DET] = ref_det,
    [OP_RESIZE] = ref_resize,
    [OP_GRID_SAMPLE] = ref_grid_sample,
    [OP_ROI_ALIGN] = ref_roi_align,
    [OP_BATCH_NORM] = ref_batch_norm,
    [OP_INSTANCE_NORM] = ref_instance_norm,
    [OP_LAYER_NORM] = ref_layer_norm,
    [OP_LRN] = ref_lrn,
    [OP_PRELU] = ref_prelu,
    [OP_DEPTH_TO_SPACE] = ref_depth_to_space,
    [OP_SPACE_TO_DEPTH] = ref_space_to_depth,
    [OP_TOPK] = ref_topk,
    [OP_CANDIDATES] = ref_candidates,
    [OP_QUANTIZE] = ref_quantize,
    [OP_DEQUANTIZE] = ref_dequantize,
    [OP_CONV_INT] = ref_conv_int,
    [OP_MATMUL_INT] = ref_matmul_int,
    [OP_REORDER] = ref_reorder,
    [OP_IMAGE] = ref_image,
};

static bool is_usable(const struct tensor_desc *d, bool any_layout)
{
    return d->type == DT_NONE || ((any_layout || d->layout == LAYOUT_PLAIN) && tensor_elems(d) >= 0);
}

enum cq_err op_reference(const struct op_inst *inst, const void *const *in, void *const *out)
{
    enum op_kind kind = inst->op->kind;
    if ((unsigned) kind >= OP_KIND_COUNT)
        return CQ_UNSUPPORTED;
    for (int i = 0; i < inst->n_in; i++)
        if (!is_usable(&inst->in[i], kind == OP_REORDER))
            return CQ_UNSUPPORTED;
    for (int i = 0; i < inst->n_out; i++)
        if (!is_usable(&inst->out[i], kind == OP_REORDER))
            return CQ_UNSUPPORTED;
    return table[kind](inst, in, out);
}

bool ref_is_float(enum dtype type)
{
    return type == DT_F32 || type == DT_F16 || type == DT_F64;
}

double ref_load(const void *p, enum dtype type, int64_t i)
{
    switch (type) {
    case DT_F32:
        return ((const float *) p)[i];
    case DT_F64:
        return ((const double *) p)[i];
    case DT_F16:
        return (double) cq_half_to_float(((const uint16_t *) p)[i]);
    case DT_U64:
        return (double) ((const uint64_t *) p)[i];
    default:
        return (double) ref_load_int(p, type, i);
    }
}

/* Out of range, NaN included, gives INT64_MIN: what cvttsd2si does. */
static int64_t truncate_double(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t) v : INT64_MIN;
}

int64_t ref_load_int(const void *p, enum dtype type, int64_t i)
{
    switch (type) {
    case DT_U8:
    case DT_BOOL:
        return ((const uint8_t *) p)[i];
    case DT_I8:
        return ((const int8_t *) p)[i];
    case DT_U16:
        return ((const uint16_t *) p)[i];
    case DT_I16:
        return ((const int16_t *) p)[i];
    case DT_I32:
        return ((const int32_t *) p)[i];
    case DT_U32:
        return ((const uint32_t *) p)[i];
    case DT_I64:
        return ((const int64_t *) p)[i];
    case DT_U64:
        return (int64_t) ((const uint64_t *) p)[i];
    default:
        return truncate_double(ref_load(p, type, i));
    }
}

void ref_store(void *p, enum dtype type, int64_t i, double v)
{
    switch (type) {
    case DT_F32:
        ((float *) p)[i] = (float) v;
        break;
    case DT_F64:
        ((double *) p)[i] = v;
        break;
    case DT_F16:
        ((uint16_t *) p)[i] = cq_half_from_double(v);
        break;
    case DT_BOOL:
        ((uint8_t *) p)[i] = v != 0;
        break;
    case DT_I32:
        ((int32_t *) p)[i] = v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t) v : INT32_MIN;
        break;
    case DT_U64:
        ((uint64_t *) p)[i] = v >= 0x1p63 && v < 0x1p64 ? (uint64_t) v : (uint64_t) truncate_double(v);
        break;
    default:
        ref_store_int(p, type, i, truncate_double(v));
    }
}

void ref_store_int(void *p, enum dtype type, int64_t i, int64_t v)
{
    switch (type) {
    case DT_U8:
    case DT_I8:
        ((uint8_t *) p)[i] = (uint8_t) v;
        break;
    case DT_BOOL:
        ((uint8_t *) p)[i] = v != 0;
        break;
    case DT_U16:
    case DT_I16:
        ((uint16_t *) p)[i] = (uint16_t) v;
        break;
    case DT_U32:
    case DT_I32:
        ((uint32_t *) p)[i] = (uint32_t) v;
        break;
    case DT_U64:
    case DT_I64:
        ((uint64_t *) p)[i] = (uint64_t) v;
        break;
    case DT_F32:
        ((float *) p)[i] = (float) v;     /* not by way of double, which would round twice */
        break;
    default:
        ref_store(p, type, i, (double) v);
    }
}

void ref_move(void *dst, int64_t i, const void *src, int64_t j, size_t size)
{
    memcpy((char *) dst + (size_t) i * size, (const char *) src + (size_t) j * size, size);
}

void ref_advance(const struct tensor_desc *d, int64_t at[TENSOR_MAX_RANK])
{
    for (int i = d->rank - 1; i >= 0; i--) {
        if (++at[i] < d->dim[i])
            return;
        at[i] = 0;
    }
}

int64_t ref_at(const struct tensor_desc *d, const int64_t at[TENSOR_MAX_RANK])
{
    int64_t index = 0;
    for (int i = 0; i < d->rank; i++)
        index = index * d->dim[i] + at[i];
    return index;
}

int64_t ref_broadcast(const struct tensor_desc *d, const struct tensor_desc *out, const int64_t at[TENSOR_MAX_RANK])
{
    int64_t index = 0;
    for (int i = 0; i < d->rank; i++) {
        int o = i + out->rank - d->rank;
        index = index * d->dim[i] + (d->dim[i] == 1 || o < 0 ? 0 : at[o]);
    }
    return index;
}

int64_t ref_span(const struct tensor_desc *d, int first, int last)
{
    int64_t n = 1;
    for (int i = first; i < last; i++)
        n *= d->dim[i];
    return n;
}

enum cq_err ref_window_init(struct ref_window *w, const struct conv_attrs *attrs, const struct tensor_desc *x,
                            const struct tensor_desc *y)
{
    int missing = OP_SPATIAL - attrs->spatial;
    if (attrs->spatial < 1 || missing < 0 || x->rank != attrs->spatial + 2 || y->rank != x->rank)
        return CQ_UNSUPPORTED;
    for (int i = 0; i < OP_SPATIAL; i++) {
        int from = i - missing;
        bool have = from >= 0;
        w->in[i] = have ? (int) x->dim[2 + from] : 1;
        w->out[i] = have ? (int) y->dim[2 + from] : 1;
        w->kernel[i] = have ? attrs->kernel[from] : 1;
        w->stride[i] = have ? attrs->stride[from] : 1;
        w->dilation[i] = have ? attrs->dilation[from] : 1;
        w->pad_begin[i] = have ? attrs->pad_begin[from] : 0;
        w->pad_end[i] = have ? attrs->pad_end[from] : 0;
    }
    return CQ_OK;
}
