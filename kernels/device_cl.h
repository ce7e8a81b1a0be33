/* Inside of a device, for the files of kernels/ that talk to OpenCL themselves (device.c, program.c, host.c).
 *
 * Every call that queues work goes through device_may_enqueue() first and has its result judged by
 * device_check(), so that injected and real failures take the same way.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_KERNELS_DEVICE_CL_H
#define CLIPQ_KERNELS_DEVICE_CL_H

#include <CL/cl.h>

#include "kernels/device.h"

struct chain;
struct chain_built;
struct device_streams;
struct program_cache;

struct device {
    struct device_info info;
    struct cq_log *log;              /* borrowed */
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;          /* in order; that of the stream in use */
    cl_command_queue whole;
    struct device_streams *streams;  /* owned by device_stream.c; NULL: the device is not divided */
    struct program_cache *programs;  /* owned by program.c; NULL before the first launch */
    struct chain_built *chains;      /* owned by chain_program.c */
    struct chain *noting;            /* takes what is launched, NULL: the queue does */
    int fail_alloc, fail_enqueue, fail_resources;   /* the n-th call from now fails; 0: off */
    bool lost;                       /* CL_OUT_OF_RESOURCES was seen */
};

struct device_mem {
    struct device *dev;
    cl_mem mem;
    size_t bytes;
};

/* CQ_OK, CQ_OOM or CQ_DEVICE for OpenCL's `status` of `call`; logs what is not CQ_OK. */
enum cq_err device_check(struct device *dev, cl_int status, const char *call);

/* Counts one enqueue; CQ_OOM (logged) when it is the one that a test wants to fail. */
enum cq_err device_may_enqueue(struct device *dev);

/* Waits for what is queued, then frees the queue; NULL is allowed. */
void device_release_queue(cl_command_queue queue);

/* Divides a CPU device into streams, where OpenCL can; a device that cannot be divided is no error. */
enum cq_err device_open_streams(struct device *dev);
void device_close_streams(struct device *dev);

/* The queue of a stream, 0 or higher, and whether the whole device is in use now. */
cl_command_queue device_stream_queue(const struct device *dev, int stream);
bool device_uses_whole(const struct device *dev);

/* Frees the programs of chains; device_close calls it. */
void chain_programs_destroy(struct chain_built **list);

/* Waits for what is queued and gives `bytes` at `offset` to the host, to read and (`writing`) to write; NULL
 * never with CQ_OK. Give back with device_unmap before the next enqueue that uses the memory. */
enum cq_err device_map(struct device_mem *mem, size_t offset, size_t bytes, bool writing, void **out);
enum cq_err device_unmap(struct device_mem *mem, void *ptr);

#endif
