/* A nest of loops over the elements of up to four tensors, in the form that kernels walk it.
 *
 * Elementwise and moving operators differ in strides only: broadcasting is a stride of 0, a transposition
 * another order of strides, a BLOCKED tensor one loop more. Loops are pushed outermost first; nest_make drops those
 * of length 1 and merges neighbours that all tensors step through evenly. The innermost loop that is left is a "row";
 * a work-item takes several rows, or a chunk of a long one.
 *
 *     struct loops loops = {.tensors = 3};
 *     loops_push(&loops, n, (int64_t[]){stride_a, stride_b, stride_y});   ...
 *     if (!nest_make(dev, &loops, &nest)) -> not served
 *     nest_launch(dev, &nest, &launch);
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_KERNELS_NEST_H
#define CLIPQ_KERNELS_NEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/tensor.h"

struct device;
struct launch;
struct op_inst;

enum { NEST_TENSORS = 4, NEST_RANK = 8, LOOPS_RANK = 16 };

struct loops {
    int tensors;
    int width;                                    /* floats that an element stands for; 0: 1 */
    bool any_row;                                 /* the kernel takes rows with any step in any tensor: a short last
                                                     loop may change places with a longer one */
    int rank;
    int64_t dim[LOOPS_RANK];
    int64_t stride[LOOPS_RANK][NEST_TENSORS];     /* in elements, may be negative */
};

/* The same words in the same order as struct Nest in kernels/cl/nest.cl. */
struct nest {
    int32_t rank;                        /* loops outside of the row */
    int32_t units;                       /* rows times chunks */
    int32_t per_item;                    /* units that one work-item takes, one after the other */
    int32_t len;                         /* elements of a row */
    int32_t chunks, chunk;               /* of a row, and elements of each but the last */
    int32_t dim[NEST_RANK];
    int32_t stride[NEST_RANK][NEST_TENSORS];
    int32_t step[NEST_TENSORS];          /* between the elements of a row */
};

void loops_push(struct loops *l, int64_t dim, const int64_t *strides);

/* Row-major strides of `d` as NumPy broadcasts it to `out`: 0 where it repeats. */
void nest_broadcast_strides(const struct tensor_desc *d, const struct tensor_desc *out,
                            int64_t strides[TENSOR_MAX_RANK]);

/* False when the merged nest is too deep or a number does not fit. An empty nest has no units. */
bool nest_make(const struct device *dev, const struct loops *l, struct nest *out);

/* All inputs broadcast to the first output: the inputs in their order, then the output. PLAIN, at most three inputs. */
bool nest_of_broadcast(const struct device *dev, const struct op_inst *inst, struct nest *out);

/* Sets global and local size. */
void nest_launch(const struct device *dev, const struct nest *nest, struct launch *launch);

/* Local size for one-dimensional kernels whose work-items are long loops: 1 on a CPU, where a group is a loop. */
int nest_local_size(const struct device *dev);

/* Global and local size over an image: the first dimension are columns, the second lines, the third planes. A kernel
 * must look whether its column and line are there. */
void nest_image_launch(const struct device *dev, struct launch *launch, size_t columns, size_t lines, size_t planes);

/* How many rows of `cost` floats a work-item should take. */
int nest_rows_per_item(const struct device *dev, int64_t cost);

#endif
