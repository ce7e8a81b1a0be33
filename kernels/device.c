/* A device's context, queue and memory; the finding of devices is in device_find.c.
 *
 * OpenCL implementations reserve lazily and fail late, or never, so that running out of memory would show
 * only in the middle of a network. device_alloc therefore fills new memory at once: with 0xff bytes, which are
 * NaN as floats, so that a kernel which reads what nobody wrote is found out.
 */
#include "kernels/device_cl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernels/base/log.h"
#include "kernels/device_id.h"
#include "kernels/program.h"

enum { HOST_SLACK = 2 << 20 };      /* for what an implementation allocates beside a buffer */

static bool is_oom(cl_int status)
{
    return status == CL_MEM_OBJECT_ALLOCATION_FAILURE || status == CL_OUT_OF_RESOURCES ||
           status == CL_OUT_OF_HOST_MEMORY || status == CL_INVALID_BUFFER_SIZE;
}

enum cq_err device_check(struct device *dev, cl_int status, const char *call)
{
    if (status == CL_SUCCESS)
        return CQ_OK;
    dev->lost = dev->lost || status == CL_OUT_OF_RESOURCES;
    enum cq_err err = is_oom(status) ? CQ_OOM : CQ_DEVICE;
    cq_log_error(dev->log, "device %s: %s failed with OpenCL error %d (%s)", dev->info.spec, call, (int) status,
                 cq_err_text(err));
    return err;
}

/* Counts down; true on the call that brings the count to 0, and always below. */
static bool fault_due(int *count)
{
    if (*count <= 0)
        return *count < 0;
    return --*count == 0;
}

enum cq_err device_may_enqueue(struct device *dev)
{
    if (fault_due(&dev->fail_resources))
        return device_check(dev, CL_OUT_OF_RESOURCES, "enqueue (injected fault)");
    if (fault_due(&dev->fail_enqueue))
        return device_check(dev, CL_MEM_OBJECT_ALLOCATION_FAILURE, "enqueue (injected fault)");
    return CQ_OK;
}

void device_fail_at(struct device *dev, int nth_alloc, int nth_enqueue)
{
    dev->fail_alloc = nth_alloc;
    dev->fail_enqueue = nth_enqueue;
}

bool device_fault_waits(const struct device *dev)
{
    return dev->fail_alloc || dev->fail_enqueue || dev->fail_resources;
}

/* CLIPQ_FAULT is a list of KIND@N; kinds that are not ours belong to somebody else. */
static void read_faults(struct device *dev)
{
    const char *text = getenv("CLIPQ_FAULT");
    const char *at;
    if (!text)
        return;
    if ((at = strstr(text, "alloc@")))
        dev->fail_alloc = atoi(at + strlen("alloc@"));
    if ((at = strstr(text, "enqueue@")))
        dev->fail_enqueue = atoi(at + strlen("enqueue@"));
    if ((at = strstr(text, "resources@")))
        dev->fail_resources = atoi(at + strlen("resources@"));
}

enum cq_err device_open(struct cq_log *log, const struct device_info *info, struct device **out)
{
    *out = NULL;
    struct device *dev = calloc(1, sizeof *dev);
    if (!dev)
        return CQ_NOMEM;
    dev->info = *info;
    dev->log = log;

    cl_int status;
    enum cq_err err = device_id_of(log, info->spec, &dev->id);
    if (err)
        goto fail;
    dev->context = clCreateContext(NULL, 1, &dev->id, NULL, NULL, &status);
    err = device_check(dev, status, "clCreateContext");
    if (err)
        goto fail;
    dev->queue = dev->whole = clCreateCommandQueue(dev->context, dev->id, 0, &status);
    err = device_check(dev, status, "clCreateCommandQueue");
    if (!err)
        err = device_open_streams(dev);
    if (err)
        goto fail;
    read_faults(dev);
    *out = dev;
    return CQ_OK;

fail:
    device_close(&dev);
    return err;
}

/* PoCL 3.1 calls a command finished before its thread has let go of the command's event, and the event of its queue: what
 * frees the device in between is a fault in that thread. Each event holds one reference to its queue. */
void device_release_queue(cl_command_queue queue)
{
    enum { LONGEST_MS = 1000 };
    cl_uint held = 1;
    if (!queue)
        return;
    clFinish(queue);
    for (int i = 0; i < 10 * LONGEST_MS; i++) {
        cl_int status = clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof held, &held, NULL);
        if (status != CL_SUCCESS || held <= 1)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000}, NULL);
    }
    clReleaseCommandQueue(queue);
}

void device_close(struct device **pdev)
{
    struct device *dev = *pdev;
    if (!dev)
        return;
    device_close_streams(dev);
    device_release_queue(dev->whole);
    chain_programs_destroy(&dev->chains);
    program_cache_destroy(&dev->programs);
    if (dev->context)
        clReleaseContext(dev->context);
    if (dev->id)
        clReleaseDevice(dev->id);
    free(dev);
    *pdev = NULL;
}

const struct device_info *device_get_info(const struct device *dev)
{
    return &dev->info;
}

bool device_is_lost(const struct device *dev)
{
    return dev->lost;
}

/* Makes the implementation reserve the memory now. */
static enum cq_err touch(struct device_mem *mem)
{
    struct device *dev = mem->dev;
    const uint8_t poison = 0xff;
    enum cq_err err = device_may_enqueue(dev);
    if (err)
        return err;
    cl_int status = clEnqueueFillBuffer(dev->queue, mem->mem, &poison, 1, 0, mem->bytes, 0, NULL, NULL);
    err = device_check(dev, status, "clEnqueueFillBuffer");
    return err ? err : device_finish(dev);
}

/* Could the host give that much? PoCL allocates when a buffer is first used, and aborts where it cannot. */
static bool host_has(const struct device *dev, size_t bytes)
{
    if (dev->info.kind != DEVICE_CPU || bytes > SIZE_MAX - HOST_SLACK)
        return dev->info.kind != DEVICE_CPU;
    void *probe = mmap(NULL, bytes + HOST_SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    munmap(probe, bytes + HOST_SLACK);
    return true;
}

enum cq_err device_alloc(struct device *dev, size_t bytes, struct device_mem **out)
{
    *out = NULL;
    struct device_mem *mem = calloc(1, sizeof *mem);
    if (!mem)
        return CQ_NOMEM;
    mem->dev = dev;
    mem->bytes = bytes;

    cl_int status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    bool injected = fault_due(&dev->fail_alloc);
    if (!injected && host_has(dev, bytes))
        mem->mem = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, bytes, NULL, &status);
    char call[80];
    snprintf(call, sizeof call, "clCreateBuffer of %zu bytes%s", bytes, injected ? " (injected fault)" : "");
    enum cq_err err = device_check(dev, status, call);
    if (!err)
        err = touch(mem);
    if (err) {
        device_free(&mem);
        return err;
    }
    *out = mem;
    return CQ_OK;
}

void device_free(struct device_mem **pmem)
{
    struct device_mem *mem = *pmem;
    if (!mem)
        return;
    if (mem->mem)
        clReleaseMemObject(mem->mem);
    free(mem);
    *pmem = NULL;
}

size_t device_mem_bytes(const struct device_mem *mem)
{
    return mem->bytes;
}

static enum cq_err copy_in(struct device *dev, struct device_mem *mem, size_t offset, const void *src, size_t bytes,
                           bool wait)
{
    enum cq_err err = bytes ? device_may_enqueue(dev) : CQ_OK;
    if (err || !bytes)
        return err;
    cl_int status = clEnqueueWriteBuffer(dev->queue, mem->mem, wait, offset, bytes, src, 0, NULL, NULL);
    return device_check(dev, status, "clEnqueueWriteBuffer");
}

static enum cq_err copy_out(struct device *dev, struct device_mem *mem, size_t offset, void *dst, size_t bytes, bool wait)
{
    enum cq_err err = bytes ? device_may_enqueue(dev) : CQ_OK;
    if (err || !bytes)
        return err;
    cl_int status = clEnqueueReadBuffer(dev->queue, mem->mem, wait, offset, bytes, dst, 0, NULL, NULL);
    return device_check(dev, status, "clEnqueueReadBuffer");
}

enum cq_err device_write(struct device *dev, struct device_mem *mem, size_t offset, const void *src, size_t bytes)
{
    return copy_in(dev, mem, offset, src, bytes, true);
}

enum cq_err device_read(struct device *dev, struct device_mem *mem, size_t offset, void *dst, size_t bytes)
{
    return copy_out(dev, mem, offset, dst, bytes, true);
}

enum cq_err device_write_later(struct device *dev, struct device_mem *mem, size_t offset, const void *src,
                               size_t bytes)
{
    return copy_in(dev, mem, offset, src, bytes, false);
}

enum cq_err device_read_later(struct device *dev, struct device_mem *mem, size_t offset, void *dst, size_t bytes)
{
    return copy_out(dev, mem, offset, dst, bytes, false);
}

enum cq_err device_map(struct device_mem *mem, size_t offset, size_t bytes, bool writing, void **out)
{
    struct device *dev = mem->dev;
    *out = NULL;
    enum cq_err err = device_may_enqueue(dev);
    if (err)
        return err;
    cl_map_flags flags = CL_MAP_READ | (writing ? CL_MAP_WRITE : 0);
    cl_int status;
    void *ptr = clEnqueueMapBuffer(dev->queue, mem->mem, CL_TRUE, flags, offset, bytes, 0, NULL, NULL, &status);
    err = device_check(dev, status, "clEnqueueMapBuffer");
    if (!err)
        *out = ptr;
    return err;
}

enum cq_err device_unmap(struct device_mem *mem, void *ptr)
{
    cl_int status = clEnqueueUnmapMemObject(mem->dev->queue, mem->mem, ptr, 0, NULL, NULL);
    return device_check(mem->dev, status, "clEnqueueUnmapMemObject");
}

enum cq_err device_finish(struct device *dev)
{
    return device_check(dev, clFinish(dev->queue), "clFinish");
}
