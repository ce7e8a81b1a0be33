/* OpenCL devices: finding one, memory on it, its queues.
 *
 * A device has one in-order queue for all of it. A CPU device of several compute units has streams beside that:
 * in-order queues with compute units of their own, which work side by side on different images. Threads then
 * need not wait for each other after every kernel, and what one image computes stays in its core's caches
 * (OpenVINO's throughput streams are the same idea).
 *
 * Thread-safety: a device and all that was made with it belong to one thread at a time.
 * Errors: CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY and
 * CL_INVALID_BUFFER_SIZE from any call are CQ_OOM, every other OpenCL error is CQ_DEVICE; both are logged
 * with the call's name and OpenCL's number.
 */
#ifndef CLIPQ_KERNELS_DEVICE_H
#define CLIPQ_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct cq_log;
struct device;
struct device_mem;

enum device_kind { DEVICE_CPU, DEVICE_GPU, DEVICE_OTHER };

/* Matrix instructions: nobody has looked (mma_find), none that work, NVIDIA's, or kernels that do without what they stand
 * for. */
enum mma { MMA_UNKNOWN, MMA_NONE, MMA_PTX, MMA_EMULATED };

struct device_info {
    char spec[16];             /* "P:D", or "P:D/K/N" for one of its parts, as --device takes it */
    char why[96];              /* how device_find() came to choose it; "" in a list */
    char name[128];
    char vendor[128];
    char driver[64];
    char platform[128];
    enum device_kind kind;
    bool simt;                 /* neighbouring work-items run in step: one for each element, work-groups that share local
                                  memory. A GPU, or what CLIPQ_SIMT=1 in the environment makes one (0: what it does
                                  not), for tests of kernels for GPUs where there is none */
    enum mma mma;              /* MMA_UNKNOWN in a list (kernels/mma.h) */
    bool shares_memory;        /* with the host: what is read back crosses no bus */
    int compute_units;
    int parts;                 /* that the device is cut into, this being one; 0: none */
    int float_width;           /* native vector width, floats: 4, 8 or 16; with simt, 4 */
    size_t global_bytes;
    size_t max_alloc_bytes;
    size_t align_bytes;        /* base address alignment */
    size_t local_bytes;        /* local memory of a work-group */
    double score;              /* rough speed, for "the fastest device" */
};

/* Must run before the first other call in a process: bounds PoCL's threads to the CPUs this process may use
 * (or `threads` when > 0), keeps it from catching SIGFPE, gives it a cache directory. Environment variables
 * that the user has set win. */
void device_setup_environment(int threads);

/* Fills up to `max`; *count is the number found, 0 being no error. */
enum cq_err device_list(struct cq_log *log, struct device_info *out, int max, int *count);

/* spec: "auto" (fastest), "cpu", "gpu" or "P:D"; with "/K/N" behind it, the K-th (from 1) of N equal parts of that
 * device. CQ_NO_DEVICE when nothing fits, CQ_INVALID for what is no spec or cannot be cut like that; logged. */
enum { DEVICE_PARTS_MAX = 16 };
enum cq_err device_find(struct cq_log *log, const char *spec, struct device_info *out);

/* Opens and makes context, queue and program. The log is borrowed for the device's life. */
enum cq_err device_open(struct cq_log *log, const struct device_info *info, struct device **out);
void device_close(struct device **dev);
const struct device_info *device_get_info(const struct device *dev);

/* A buffer of `bytes` (> 0), uninitialised. CQ_OOM when it cannot be had. */
enum cq_err device_alloc(struct device *dev, size_t bytes, struct device_mem **out);
void device_free(struct device_mem **mem);
size_t device_mem_bytes(const struct device_mem *mem);

/* In queue order. write: `src` may be reused on return. read: blocks until `dst` is filled. */
enum cq_err device_write(struct device *dev, struct device_mem *mem, size_t offset, const void *src, size_t bytes);
enum cq_err device_read(struct device *dev, struct device_mem *mem, size_t offset, void *dst, size_t bytes);
enum cq_err device_finish(struct device *dev);

/* 1, or the streams that the device can be used as. */
int device_streams(const struct device *dev);

/* Whatever is queued from now on goes to that stream, 0 or higher, or to the whole device, as after device_open.
 * Nothing is ordered between streams: finish before one reads what another has written. */
enum { DEVICE_WHOLE = -1 };
void device_use_stream(struct device *dev, int stream);
/* How many compute units that is. */
int device_units(const struct device *dev);

/* As device_write and device_read, but not waiting: the host's memory must stay as it is until device_finish_all or a
 * fence. */
enum cq_err device_write_later(struct device *dev, struct device_mem *mem, size_t offset, const void *src,
                               size_t bytes);
enum cq_err device_read_later(struct device *dev, struct device_mem *mem, size_t offset, void *dst, size_t bytes);
/* Waits for all streams and uses the whole device from then on; the first error. */
enum cq_err device_finish_all(struct device *dev);

/* Everything that is queued now, in whatever stream; to wait for it while more is being queued. */
struct device_fence;
enum cq_err device_fence(struct device *dev, struct device_fence **out);
/* Waits, and frees the fence. NULL is done. CQ_OOM or CQ_DEVICE when a part of it has failed. */
enum cq_err device_fence_wait(struct device_fence **fence);

/* Was CL_OUT_OF_RESOURCES seen? Then it is the driver's secret whether the context still lives. */
bool device_is_lost(const struct device *dev);

/* Makes the n-th following allocation or enqueue fail with CQ_OOM (for tests); 0 turns it off, -1 fails them all.
 * CLIPQ_FAULT=alloc@N or enqueue@N in the environment does the same from outside, and resources@N fails the n-th
 * enqueue with CL_OUT_OF_RESOURCES. */
void device_fail_at(struct device *dev, int nth_alloc, int nth_enqueue);
/* Is such a failure still to come? */
bool device_fault_waits(const struct device *dev);

#endif
