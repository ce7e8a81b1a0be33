/* One operator on concrete shapes, as the engine hands it to a kernel.
 *
 * The ONNX side reduces every operator to one of these kinds with all defaults resolved: pads are explicit,
 * axes are non-negative, attributes that later opsets turned into inputs are here as attributes. An operator
 * whose meaning changed between opsets therefore has one meaning here. The plain C reference
 * (kernels/ref/) is the specification; OpenCL variants stand beside it in the registry (kernels/kernel.h).
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_KERNELS_OP_H
#define CLIPQ_KERNELS_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/tensor.h"

enum { OP_MAX_INPUTS = 64, OP_MAX_OUTPUTS = 32, OP_SPATIAL = 3, OP_GATED_SUM_MOST = 6 /* terms on a device */ };

/*  kind            inputs -> outputs; notes */
#define OP_KINDS(X)                                                                                          \
    X(CONV)          /* x [N,C,H,W], w [M,C/group,kh,kw], bias [M]?, residual (shape of y)? -> y; act */     \
    X(CONV_FRAMES)   /* u8 frames [N,H,W,C], w, bias?, residual? -> y: IMAGE, then CONV; u.conv_frames */    \
    X(CONV_TRANSPOSE)/* x, w [C,M/group,kh,kw], bias? -> y; then act */                                      \
    X(POOL_MAX)      /* x -> y, index of each maximum in all of x (int64, -1: none)? */                       \
    X(POOL_AVG)      /* x -> y; global pooling is a window of the whole image */                             \
    X(POOL_LP)       /* x -> y; sum of |x|^p, to the power 1/p */                                            \
    X(MAX_UNPOOL)    /* x, index of each element in y (int64) -> y, 0 elsewhere */                            \
    X(MATMUL)        /* a [...,M,K], b [...,K,N] broadcast as NumPy -> y; then act */                        \
    X(GEMM)          /* a, b, c? -> alpha*op(a)*op(b) + beta*c; then act */                                  \
    X(UNARY)         /* x -> y; u.unary */                                                                   \
    X(BINARY)        /* a, b -> y, NumPy broadcast; u.binary; then act */                                    \
    X(GATED_SUM)     /* x0, g0?, x1, g1?, .. -> y = sum of x*g, x of y's shape, g [N or 1,C,1,..]; then act */ \
    X(WHERE)         /* cond (bool), a, b -> y, NumPy broadcast */                                           \
    X(CAST)          /* x -> y: to y's type */                                                               \
    X(SOFTMAX)       /* x -> y along u.axis.axis; log-softmax with u.axis.flag */                            \
    X(REDUCE)        /* x -> y; u.reduce */                                                                  \
    X(ARG)           /* x -> y (int64) argmax, or argmin with u.axis.flag */                                 \
    X(CONCAT)        /* x0.. -> y along u.axis.axis */                                                       \
    X(SPLIT)         /* x -> y0.. along u.axis.axis; sizes from the outputs */                               \
    X(SLICE)         /* x -> y; u.slice, one start and step per dimension */                                 \
    X(TRANSPOSE)     /* x -> y; u.perm */                                                                    \
    X(COPY)          /* x -> y: same elements in the same order (reshape and friends) */                     \
    X(EXPAND)        /* x -> y, NumPy broadcast to y's shape */                                              \
    X(TILE)          /* x -> y, repeated y.dim/x.dim times */                                                \
    X(PAD)           /* x, value (scalar)? -> y; u.pad */                                                    \
    X(GATHER)        /* x, indices -> y along u.axis.axis */                                                 \
    X(SELECT)        /* channels [C] (int32), x0.. -> y [N,C,H,W]: of all x joined along dimension 1, those */  \
    X(GATHER_ELEMENTS)/* x, indices -> y along u.axis.axis */                                                \
    X(GATHER_ND)     /* x, indices [...,K] -> y; the first u.axis.axis dimensions of both run together */    \
    X(SCATTER_ELEMENTS)/* x, indices, updates (shape of indices) -> x changed along u.scatter.axis */        \
    X(SCATTER_ND)    /* x, indices [...,K], updates -> x changed; u.scatter */                               \
    X(CUM_SUM)       /* x -> y along u.scan.axis */                                                          \
    X(DET)           /* x [...,N,N] -> y [...] */                                                            \
    X(RESIZE)        /* x -> y; u.resize */                                                                  \
    X(GRID_SAMPLE)   /* x [N,C,..], positions [N,..,s] in -1..1, the last dimension's first -> y; u.sample */    \
    X(ROI_ALIGN)     /* x [N,C,H,W], boxes [R,4] x0 y0 x1 y1, image of each [R] -> y [R,C,h,w]; u.roi */         \
    X(BATCH_NORM)    /* x, scale, bias, mean, var (all [C]) -> y; u.norm.epsilon; then act */                \
    X(INSTANCE_NORM) /* x, scale [C], bias [C] -> y; u.norm.epsilon */                                       \
    X(LAYER_NORM)    /* x, scale, bias? -> y over the axes from u.norm.axis on; u.norm.epsilon */            \
    X(LRN)           /* x -> y; u.norm */                                                                    \
    X(PRELU)         /* x, slope (broadcast to x) -> y */                                                    \
    X(DEPTH_TO_SPACE)/* x -> y; u.axis.axis = block size, u.axis.flag = CRD */                               \
    X(SPACE_TO_DEPTH)/* x -> y; u.axis.axis = block size */                                                  \
    X(TOPK)          /* x -> values, indices (int64); u.topk */                                              \
    X(CANDIDATES)    /* x [N,cells,values] or [N,values,cells] -> rows [N,K,values], cells [N,1+K] (int32); below */ \
    X(QUANTIZE)      /* x (float), scale (float), zero (y's type)? -> y of 8 or 16 bits; u.quant */          \
    X(DEQUANTIZE)    /* x (8 or 16 bits, int32), scale (float), zero (x's type)? -> y (float); u.quant */    \
    X(CONV_INT)      /* x [N,C,...], w [M,C/group,...], integers, see below; u.conv */                       \
    X(MATMUL_INT)    /* a [...,M,K], b [...,K,N], integers, see below */                                     \
    X(REORDER)       /* x -> y: PLAIN <-> BLOCKED, float32 */                                                \
    X(IMAGE)         /* u8 frames [N,H,W,C] -> float32 or float16 [N,C,H,W] or [N,H,W,C]; u.image */

/* Sums of integers: OP_CONV_INT and OP_MATMUL_INT.
 *
 * Inputs: the two factors, of 8 bits, signed or not, each on its own; their zero points (of the factor's type; one,
 * or one per output channel of w, row of a, column of b); a bias (int32, one per output channel or column); a
 * multiplier (float32, one, or one per output channel or column); y's zero point (one). All but the factors may
 * be absent, which means 0 and, for the multiplier, 1.
 * sum = bias + sum of (x - x_zero)*(w - w_zero) in int32, where padding holds the zero point of x. y is, by its
 * type: int32, the sum; float32, the sum times the multiplier; 8 bits, that product in float32, rounded to the
 * nearest (even) integer, plus y's zero point, saturated: what ONNX Runtime computes for QLinearConv. */
enum { SUM_X, SUM_W, SUM_X_ZERO, SUM_W_ZERO, SUM_BIAS, SUM_SCALE, SUM_Y_ZERO, SUM_INPUTS };

/* What a detector says of its cells, and of that only what may be a box: OP_CANDIDATES.
 *
 * A cell is kept unless gate*score < threshold for every one of its scores, in float32; so one with a NaN is. `cells`
 * has how many were kept, which may be more than K, and the numbers of the first K of them, ascending; `rows` their
 * values, one behind the other. What is left of both is 0. */
struct candidate_attrs {
    bool planes;                 /* x is [N,values,cells] */
    int first, scores;           /* which of the values are scores: `scores` from `first` on */
    int gate;                    /* which one they are multiplied with; -1: none */
    float threshold;
};

enum op_kind {
#define X(kind) OP_##kind,
    OP_KINDS(X)
#undef X
    OP_KIND_COUNT
};

const char *op_kind_name(enum op_kind kind);

/* Activation fused behind an operator. a and b as the comment says; x is the operator's result. */
enum act {
    ACT_NONE,
    ACT_RELU,
    ACT_LEAKY,       /* a*x for x < 0 */
    ACT_SIGMOID,
    ACT_SILU,        /* x*sigmoid(x) */
    ACT_HARD_SIGMOID,/* clamp(a*x + b, 0, 1) */
    ACT_HARD_SWISH,  /* x*clamp(x/6 + 1/2, 0, 1) */
    ACT_CLIP,        /* clamp(x, a, b) */
    ACT_TANH
};

enum unary {
    UN_ABS, UN_NEG, UN_SIGN, UN_EXP, UN_LOG, UN_SQRT, UN_RECIPROCAL, UN_FLOOR, UN_CEIL, UN_ROUND, UN_ERF,
    UN_SIN, UN_COS, UN_TAN, UN_ASIN, UN_ACOS, UN_ATAN, UN_SINH, UN_COSH, UN_ASINH, UN_ACOSH, UN_ATANH,
    UN_RELU, UN_LEAKY, UN_SIGMOID, UN_SILU, UN_HARD_SIGMOID, UN_HARD_SWISH, UN_CLIP, UN_TANH,
    UN_ELU,          /* a*(exp(x)-1) for x < 0 */
    UN_SELU,         /* b*(x or a*(exp(x)-1)) */
    UN_CELU, UN_SOFTPLUS, UN_SOFTSIGN, UN_MISH, UN_GELU, UN_GELU_TANH, UN_THRESHOLDED_RELU,
    UN_NOT, UN_ISNAN,
    UN_ISINF,        /* a: -inf counts, b: +inf counts */
    UN_SHRINK        /* x + b below -a, x - b above a, else 0 */
};                   /* parameters a, b in struct op.act_a, act_b */

enum binary {
    BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_POW, BIN_MIN, BIN_MAX, BIN_MOD, BIN_FMOD,
    BIN_EQUAL, BIN_LESS, BIN_LESS_EQUAL, BIN_GREATER, BIN_GREATER_EQUAL, BIN_AND, BIN_OR, BIN_XOR,
    BIN_SHIFT_LEFT, BIN_SHIFT_RIGHT
};

enum reduce { RED_SUM, RED_MEAN, RED_MAX, RED_MIN, RED_PROD, RED_L1, RED_L2, RED_SUM_SQUARE, RED_LOG_SUM, RED_LOG_SUM_EXP };

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
enum resize_coord {
    COORD_HALF_PIXEL, COORD_PYTORCH_HALF_PIXEL, COORD_ALIGN_CORNERS, COORD_ASYMMETRIC, COORD_TF_CROP,
    COORD_HALF_PIXEL_SYMMETRIC, COORD_TF_HALF_PIXEL_FOR_NN
};
enum resize_round {
    NEAREST_PREFER_FLOOR, NEAREST_PREFER_CEIL, NEAREST_FLOOR, NEAREST_CEIL,
    NEAREST_SIMPLE           /* up along dimensions that shrink, else down: before there was a choice */
};
enum sample_pad { SAMPLE_ZEROS, SAMPLE_BORDER, SAMPLE_REFLECTION };
enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

struct conv_attrs {              /* also the windows of pooling; only `spatial` entries are used */
    int spatial;                 /* 1, 2 or 3 */
    int group;
    int kernel[OP_SPATIAL];
    int stride[OP_SPATIAL];
    int dilation[OP_SPATIAL];
    int pad_begin[OP_SPATIAL];
    int pad_end[OP_SPATIAL];
    bool act_first;              /* CONV: y = act(conv) + residual instead of act(conv + residual) */
    bool count_include_pad;      /* POOL_AVG */
    bool column_major;           /* POOL_MAX: indices count the first spatial dimension fastest */
    int p;                       /* POOL_LP, 1 or more */
};

struct resize_attrs {
    enum resize_mode mode;
    enum resize_coord coord;
    enum resize_round round;
    float cubic_a;
    bool exclude_outside;
    bool antialias;                    /* RESIZE_LINEAR, RESIZE_CUBIC: widen the filter where the image shrinks */
    float extrapolation;
    float scale[TENSOR_MAX_RANK];      /* out/in per dimension as the model gave it */
    float roi[2 * TENSOR_MAX_RANK];    /* COORD_TF_CROP: starts, then ends */
};

struct sample_attrs {            /* GRID_SAMPLE */
    enum resize_mode mode;
    enum sample_pad pad;
    bool align_corners;          /* -1 and 1 are the centres of the outer pixels, not their outer edges */
};

struct roi_attrs {               /* ROI_ALIGN */
    bool max;                    /* of the samples of a bin, instead of their mean */
    bool half_pixel;             /* pixel centres lie at .5 */
    int sampling_ratio;          /* samples along a bin's side; 0: one for each pixel it covers */
    float spatial_scale;         /* from box coordinates to pixels of x */
};

struct op {
    enum op_kind kind;
    enum act act;                /* fused behind CONV, CONV_TRANSPOSE, MATMUL, GEMM, BINARY, GATED_SUM, BATCH_NORM */
    float act_a, act_b;          /* of `act`, or of u.unary */
    union {
        struct conv_attrs conv;
        enum unary unary;
        enum binary binary;
        struct { int axis; bool flag; } axis;
        struct { int axis; bool combine; /* with what is there, by fn: BIN_ADD, _MUL, _MIN, _MAX */
                 enum binary fn; } scatter;
        struct { int axis; bool exclusive, reverse; } scan;
        struct { enum reduce fn; uint32_t axes; /* bit per dimension */ bool keepdims; } reduce;
        struct { int64_t start[TENSOR_MAX_RANK]; int64_t step[TENSOR_MAX_RANK]; } slice;
        int perm[TENSOR_MAX_RANK];
        struct { enum pad_mode mode; int64_t begin[TENSOR_MAX_RANK]; int64_t end[TENSOR_MAX_RANK]; } pad;
        struct resize_attrs resize;
        struct sample_attrs sample;
        struct roi_attrs roi;
        struct { float epsilon; int axis; float alpha, beta, bias; int size; } norm;
        struct { float alpha, beta; bool trans_a, trans_b; } gemm;
        struct { int axis; bool largest, sorted; int64_t k; } topk;
        struct candidate_attrs candidates;
        struct { int axis; int64_t block; /* scale has one value per `block` elements along axis; 0: one value for
                                             all, or one per element along axis */ } quant;
        struct { struct conv_attrs conv; /* also seen as u.conv */ float mean[4], scale[4]; } conv_frames;
        struct { float mean[4], scale[4]; /* y = (x - mean)*scale per channel */ bool nhwc; } image;
    } u;
};

struct op_inst {
    const struct op *op;
    int n_in, n_out;
    struct tensor_desc in[OP_MAX_INPUTS];    /* DT_NONE where an optional input is absent */
    struct tensor_desc out[OP_MAX_OUTPUTS];
    const void *constant[OP_MAX_INPUTS];     /* host data (PLAIN) of an input known at load, else NULL */
    bool half;                               /* weights may be kept as float16, and what matrix instructions multiply
                                                them with rounded to it; sums are float32 all the same */
};

/* The plain C reference: PLAIN layout only, host memory, any type the kind allows.
 * in[i] is NULL for an absent input. CQ_UNSUPPORTED for a type or attribute it does not know (logged by the
 * caller, who knows the node's name). Thread-safety: pure. */
enum cq_err op_reference(const struct op_inst *inst, const void *const *in, void *const *out);

/* Floating-point operations of one execution, a multiply-add counting 2; 0 for data movement. */
double op_flops(const struct op_inst *inst);

#endif
