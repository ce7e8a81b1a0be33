/* Windows of convolutions and pooling, read from a node's attributes and resolved to explicit pads: automatic
 * padding and ceil_mode leave no trace but the shapes.
 *
 * All log what is wrong and return CQ_UNSUPPORTED. Thread-safety: as lower.h.
 */
#ifndef CLIPQ_STAGES_INFER_WINDOW_H
#define CLIPQ_STAGES_INFER_WINDOW_H

#include "stages/infer/lower.h"

/* n non-negative ints of an attribute, `otherwise` where it is absent. */
enum cq_err window_ints(const struct lower *c, const char *name, int n, int otherwise, int *out);

/* Everything but the kernel's size, which a convolution has from its weights. `rank` is the image's. */
enum cq_err window_read(const struct lower *c, int rank, struct conv_attrs *a);

/* Pixels from the first tap to the last along spatial dimension i. */
int64_t window_extent(const struct conv_attrs *a, int i);

/* The shape y of what the windows of `a` give over x; also resolves auto_pad in `a`. */
enum cq_err window_shape(const struct lower *c, struct conv_attrs *a, const struct tensor_desc *x, int64_t channels,
                         struct tensor_desc *y);

#endif
