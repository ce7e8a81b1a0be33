/* What a block of numbers means: type, shape, layout.
 *
 * PLAIN is row-major with the last dimension fastest (NCHW for images). BLOCKED serves float32 rank-4 (and
 * rank-3, seen as H = 1) image tensors: [N][ceil(C/block)][H][W][block], `block` being the device's float
 * vector width. The lanes past C in the last block are undefined: nobody may read them into a result.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_KERNELS_TENSOR_H
#define CLIPQ_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSOR_MAX_RANK = 8 };

enum dtype { DT_NONE, DT_F32, DT_F16, DT_F64, DT_U8, DT_I8, DT_U16, DT_I16, DT_I32, DT_U32, DT_I64, DT_U64, DT_BOOL };

enum layout { LAYOUT_PLAIN, LAYOUT_BLOCKED };

struct tensor_desc {
    enum dtype type;              /* DT_NONE: an optional input that is absent */
    enum layout layout;
    int block;                    /* channels per block; 0 when PLAIN */
    int rank;                     /* 0: a scalar of one element */
    int64_t dim[TENSOR_MAX_RANK]; /* concrete, >= 0, always in NCHW order whatever the layout */
};

const char *dtype_name(enum dtype type);     /* "float32" */
size_t dtype_size(enum dtype type);          /* bytes per element; DT_BOOL is one byte */

/* Number of elements, -1 when the product does not fit or a dimension is negative. */
int64_t tensor_elems(const struct tensor_desc *d);

/* Bytes of storage, block padding included; SIZE_MAX when it does not fit. */
size_t tensor_bytes(const struct tensor_desc *d);

bool tensor_same_shape(const struct tensor_desc *a, const struct tensor_desc *b);

enum { TENSOR_TEXT_SIZE = 160 };
/* "float32[1,3,416,416]"; returns `out`. */
char *tensor_text(const struct tensor_desc *d, char out[TENSOR_TEXT_SIZE]);

#endif
