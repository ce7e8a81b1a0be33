/* Where picking candidates (OP_CANDIDATES) before outputs are read back is worth it.
 *
 * Thread-safety: as getenv().
 */
#ifndef CLIPQ_KERNELS_CANDIDATES_H
#define CLIPQ_KERNELS_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

struct device;

/* Of an output of `bytes` for one image. On devices with memory of their own, when it is large: what is read back
 * crosses a bus. CLIPQ_CANDIDATES in the environment decides for all outputs: 1 or 0. */
bool candidates_pay(const struct device *dev, size_t bytes);

#endif
