/* Matrix instructions of GPUs ("tensor cores"): whether a device has them, and the program of the kernels that use them
 * (kernels/cl/mma.cl).
 *
 * They multiply halves and add floats, so they serve only where op_inst.half allows to round.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_KERNELS_MMA_H
#define CLIPQ_KERNELS_MMA_H

#include <stdbool.h>

#include "kernels/program.h"

struct device;

enum { MMA_TILE_K = 32 };           /* as TILE_K in mma.cl */

extern const struct program_class mma_program;

/* Looks for them, once for a device, and notes the answer in device_info.mma. To be called before kernels are chosen for
 * halves; it takes a moment, so that who computes in floats does without. It is MMA_PTX on a SIMT device where the driver
 * says that the device may have the instruction (NVIDIA, compute capability 8 or higher), the kernels compile, and one of
 * them gives the reference's answer: tried in a context of its own, so that a failure harms nothing. CLIPQ_MMA in the
 * environment: 0 for never, ptx to try it whatever the driver says, emulate for the same kernels without the instruction
 * (MMA_EMULATED), which is slow: for tests. */
void mma_find(struct device *dev);

/* Compiler options of mma_program for the device, for low tiles (simt_tiles) or not. */
const char *mma_options(const struct device *dev, bool low);

#endif
