/* What the files of the plain C reference share: loading and storing numbers of any type, and walking through
 * tensors by coordinates.
 *
 * The reference is the specification of each operator, so it is written to be read: element by element, in
 * double (or int64), whatever the stored type. A value is rounded once, when it is stored.
 *
 * Thread-safety: pure functions.
 */
#ifndef CLIPQ_KERNELS_REF_REF_H
#define CLIPQ_KERNELS_REF_REF_H

#include "kernels/op.h"

typedef enum cq_err ref_fn(const struct op_inst *inst, const void *const *in, void *const *out);

/* One function per operator kind. CQ_UNSUPPORTED: a type or attribute that it does not know. */
ref_fn ref_conv, ref_conv_frames, ref_conv_transpose, ref_pool, ref_matmul, ref_gemm, ref_unary, ref_binary, ref_gated_sum, ref_where, ref_cast,
    ref_softmax, ref_reduce, ref_arg, ref_concat, ref_split, ref_slice, ref_transpose, ref_copy, ref_expand, ref_tile,
    ref_pad, ref_gather, ref_select, ref_gather_elements, ref_gather_nd, ref_scatter_elements, ref_scatter_nd, ref_cum_sum,
    ref_det, ref_resize, ref_grid_sample, ref_roi_align, ref_batch_norm, ref_instance_norm, ref_layer_norm, ref_lrn,
    ref_prelu, ref_depth_to_space, ref_space_to_depth, ref_topk, ref_reorder, ref_image;
ref_fn ref_max_unpool, ref_candidates, ref_quantize, ref_dequantize, ref_conv_int, ref_matmul_int;

bool ref_is_float(enum dtype type);

/* Element i as a number; int64 loads of a float truncate. */
double ref_load(const void *p, enum dtype type, int64_t i);
int64_t ref_load_int(const void *p, enum dtype type, int64_t i);

/* ref_store converts to integer types as a C cast does on x86: towards zero, out of range gives the lowest value
 * of int32 or int64 and the low bits for narrower types. ref_store_int wraps. */
void ref_store(void *p, enum dtype type, int64_t i, double v);
void ref_store_int(void *p, enum dtype type, int64_t i, int64_t v);

/* dst[i] = src[j] for elements of `size` bytes. */
void ref_move(void *dst, int64_t i, const void *src, int64_t j, size_t size);

/* v rounded to the nearest (even) integer, plus zero, saturated to an integer type of at most 32 bits; NaN gives its
 * lowest value. */
int64_t ref_saturate(double v, int64_t zero, enum dtype type);

/* The fused activation of `op` on x. */
double ref_act(const struct op *op, double x);

/* The binary function `fn`; of integers it wraps, and a divisor must not be 0. */
double ref_binary_of(enum binary fn, double a, double b);
int64_t ref_binary_of_ints(enum binary fn, int64_t a, int64_t b);

/* Reads index i, in which a negative one counts from the end of n elements; false when it is outside. */
bool ref_index(const void *indices, enum dtype type, int64_t i, int64_t n, int64_t *index);

/* Steps to the next coordinate in row-major order; wraps to all zero after the last. */
void ref_advance(const struct tensor_desc *d, int64_t at[TENSOR_MAX_RANK]);

/* Index of the element at `at` in row-major order. */
int64_t ref_at(const struct tensor_desc *d, const int64_t at[TENSOR_MAX_RANK]);

/* Index of the element of `d` that NumPy broadcasting uses for the coordinate `at` of `out`. */
int64_t ref_broadcast(const struct tensor_desc *d, const struct tensor_desc *out, const int64_t at[TENSOR_MAX_RANK]);

/* Product of the dimensions first .. last-1. */
int64_t ref_span(const struct tensor_desc *d, int first, int last);

/* A convolution or pooling window over three spatial dimensions; missing ones have extent 1. */
struct ref_window {
    int in[OP_SPATIAL], out[OP_SPATIAL], kernel[OP_SPATIAL];
    int stride[OP_SPATIAL], dilation[OP_SPATIAL], pad_begin[OP_SPATIAL], pad_end[OP_SPATIAL];
};
enum cq_err ref_window_init(struct ref_window *w, const struct conv_attrs *attrs, const struct tensor_desc *x,
                            const struct tensor_desc *y);

/* The cubic filter with parameter a at distance x (Keys, "Cubic convolution interpolation for digital image
 * processing", 1981); 0 from 2 on. */
double ref_cubic(double a, double x);

/* Which input positions of dimension d make the output position o of a resize: a run of n from `first` on, all of them
 * inside. `weight` has room for ref_resize_width() weights, of which n are set. */
struct ref_taps {
    int64_t first;
    int n;
    bool outside;                  /* COORD_TF_CROP beyond the image: the extrapolation value */
};
int64_t ref_resize_width(const struct op_inst *inst, int d);
struct ref_taps ref_resize_taps(const struct op_inst *inst, int d, int64_t o, double *weight);

#endif
