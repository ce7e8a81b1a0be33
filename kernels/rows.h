/* Tensors as [outer][n][inner]: the shape in which reductions, softmax and normalisations see their axis.
 *
 * BLOCKED tensors fit when the channels are not among the axes: the lanes of a block then are part of `inner`.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_KERNELS_ROWS_H
#define CLIPQ_KERNELS_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/tensor.h"

struct device;

struct rows {
    int64_t outer, n, inner;
};

/* Bit i of `axes` says that dimension i is reduced. False when they are not one run of neighbours (dimensions of 1
 * aside), or include the channels of a BLOCKED tensor. */
bool rows_of(const struct tensor_desc *d, uint32_t axes, struct rows *out);

/* How many of outer*ceil(inner/V) lanes, each `n` long, a work-item should take. */
int rows_per_item(const struct device *dev, const struct rows *rows);

/* Work units: one per row when inner is 1, else one per V lanes of inner. */
int64_t rows_units(const struct device *dev, const struct rows *rows);

#endif
