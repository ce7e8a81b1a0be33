/* The rate at which a device can multiply and add, measured: what kernels are compared with.
 *
 * A kernel of float32 multiply-adds in registers, in chains that do not depend on each other, on every compute unit
 * at once. It is the ceiling for direct convolutions and matrix products; an algorithm that needs fewer operations
 * than the direct one (Winograd) may pass it, as operations are always counted for the direct one.
 */
#ifndef CLIPQ_KERNELS_PEAK_H
#define CLIPQ_KERNELS_PEAK_H

#include "kernels/base/err.h"

struct device;

/* Floating-point operations a second, a multiply-add counting 2: the best of many runs, which take half a
 * second or more in all.
 * Errors: the device's. Thread-safety: as the device. */
enum cq_err peak_flops(struct device *dev, double *out);

#endif
