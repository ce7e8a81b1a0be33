/* Building OpenCL programs when first used, and launching their kernels.
 *
 * A program is a family of kernels made from embedded .cl files (clipq_embed). PoCL takes 0.2 s for a program,
 * whatever is in it, and 50-400 ms for the first launch of each kernel and local size: few big programs, few
 * kernels, few options. Programs and kernel objects live as long as their device.
 *
 * Every program is built with -DV=<device_info.float_width> (4, 8 or 16), the block of LAYOUT_BLOCKED.
 * Memory comes as a pair of kernel arguments, `global T *base, ulong offset` with the offset in bytes, for all
 * activations share one buffer; kernels/cl/common.cl has AT(T, base, offset) to put the two together.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_KERNELS_PROGRAM_H
#define CLIPQ_KERNELS_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/kernel.h"

struct device;

enum { PROGRAM_MAX_SOURCES = 12 };

struct program_class {
    const char *name;                                   /* for messages; unique */
    const unsigned char *source[PROGRAM_MAX_SOURCES];   /* embedded .cl texts, in order; ends with NULL */
};

enum kernel_arg_type { ARG_TYPE_REF, ARG_TYPE_I32, ARG_TYPE_I64, ARG_TYPE_F32, ARG_TYPE_BYTES, ARG_TYPE_LOCAL };

struct kernel_arg {
    enum kernel_arg_type type;
    union {
        struct mem_ref ref;     /* two arguments: buffer (NULL when absent) and ulong byte offset */
        int32_t i32;
        int64_t i64;
        float f32;
        struct { const void *data; size_t size; } bytes;    /* a struct by value */
        size_t local;           /* bytes of local memory, at most device_info.local_bytes in all */
    } u;
};

#define ARG_REF(r)       {.type = ARG_TYPE_REF, .u.ref = (r)}
#define ARG_INT(v)       {.type = ARG_TYPE_I32, .u.i32 = (int32_t) (v)}
#define ARG_LONG(v)      {.type = ARG_TYPE_I64, .u.i64 = (int64_t) (v)}
#define ARG_FLOAT(v)     {.type = ARG_TYPE_F32, .u.f32 = (v)}
#define ARG_LOCAL(n)     {.type = ARG_TYPE_LOCAL, .u.local = (n)}
#define ARG_STRUCT(s)    {.type = ARG_TYPE_BYTES, .u.bytes = {&(s), sizeof(s)}}

struct launch {
    const struct program_class *program;
    const char *kernel;              /* its name in the .cl */
    const char *options;             /* more compiler options, "-DT=int -DWIDE"; NULL: none. Each distinct text
                                        makes a program of its own */
    size_t global[3];                /* work-items; an unused dimension is 0 or 1. Any 0 among the first
                                        `dims` means there is nothing to do */
    size_t local[3];                 /* work-group; local[0] == 0: the driver's choice. `global` is rounded up
                                        to a multiple of it, so kernels check their bounds */
    int dims;                        /* 1, 2 or 3 */
    const struct kernel_arg *args;
    int n_args;
};

/* What OpenCL C calls a type of tensors; NULL for those no kernel works on. */
const char *program_type(enum dtype type);

/* Queues one kernel, or gives it to the chain that is being made (kernels/chain.h). CQ_OOM, CQ_DEVICE (also for a program
 * that does not build: its log is in the log). */
enum cq_err program_run(struct device *dev, const struct launch *l);

/* Frees all programs of a device; device_close calls it. */
struct program_cache;
void program_cache_destroy(struct program_cache **cache);

#endif
