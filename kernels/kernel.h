/* The registry of OpenCL kernels: several variants for one operator, fastest first.
 *
 * A variant says which instances it serves on which device; the engine takes the first that does and
 * that pays, or what was measured to be the fastest (stages/infer/tune.h). Life of an instance of an operator:
 *
 *     kernel_find -> pack once per model (weights) -> enqueue once per run and batch, or once for all runs
 *
 * packed weights do not depend on the batch size, so all plans of a model share them.
 * The last variant of the table, "host", runs the C reference on mapped buffers and serves everything the
 * reference serves in PLAIN layout; it keeps rare operators working and is reported as what it is.
 *
 * Thread-safety: as the device (kernels/device.h).
 */
#ifndef CLIPQ_KERNELS_KERNEL_H
#define CLIPQ_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"
#include "kernels/op.h"

struct device;
struct device_mem;

struct mem_ref {
    struct device_mem *mem;      /* borrowed; NULL for an absent input */
    size_t offset;               /* bytes; a multiple of 16 for tensors, which may be parts of others, and of 128 for
                                    packed constants and scratch */
};

struct kernel_bufs {
    struct mem_ref in[OP_MAX_INPUTS];
    struct mem_ref out[OP_MAX_OUTPUTS];
    struct mem_ref packed;       /* what pack() made */
    struct mem_ref scratch;      /* scratch_bytes() long, contents undefined */
};

struct kernel_class {
    const char *name;            /* "conv_tile"; unique, stored beside measurements */
    enum op_kind kind;
    bool simt;                   /* made for device_info.simt: not thought of elsewhere */
    bool mma;                    /* ... for device_info.mma */
    /* Pure. Looks at kinds, types, layouts, shapes; inputs that must be constant are checked through
     * inst->constant. */
    bool (*serves)(const struct device *dev, const struct op_inst *inst);
    /* Of what it serves: is it expected to be faster than the variants behind it? Pure. NULL: always. */
    bool (*pays)(const struct device *dev, const struct op_inst *inst);

    /* Bytes of packed constants, 0 for none; NULL means always 0. A variant that packs an input does not
     * read that input from bufs->in (the engine need not upload it). */
    size_t (*packed_bytes)(const struct device *dev, const struct op_inst *inst);
    /* Which inputs the packing replaces, one bit each. */
    unsigned packs;
    /* Writes packed_bytes() to host memory `dst`. */
    enum cq_err (*pack)(const struct device *dev, const struct op_inst *inst, void *dst);

    size_t (*scratch_bytes)(const struct device *dev, const struct op_inst *inst);  /* NULL: 0 */

    /* Inputs, one bit each, that the first output may be written over where both are stored alike (shape, layout,
     * element size): every element is read for the last time by the work-item that writes it. */
    unsigned in_place;

    /* OP_CONCAT: an input may lie in the output's memory already, at its place there, and is then left alone. */
    bool takes_parts;

    /* Queues the work and returns; never waits (but "host" does). What it launches depends on nothing but its arguments
     * and the units in use: it may be noted once and run many times (kernels/chain.h). */
    enum cq_err (*enqueue)(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs);
};

/* All variants, in the order of preference within a kind; ends with NULL. */
extern const struct kernel_class *const kernel_classes[];

/* Is the variant made for such a device? */
bool kernel_suits(const struct kernel_class *k, const struct device *dev);

/* The first that suits, serves and is expected to pay, or NULL. */
const struct kernel_class *kernel_find(const struct device *dev, const struct op_inst *inst);
const struct kernel_class *kernel_by_name(const char *name);

/* Names this state of the kernels: 32 hex digits, a hash of their sources and of the host code beside them. What was
 * measured with one need not hold for another. */
extern const char kernel_sources_hash[];

/* Is this the slow fallback on the host? */
bool kernel_is_host(const struct kernel_class *k);

#endif
