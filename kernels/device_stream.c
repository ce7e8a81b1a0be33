/* A CPU device as several streams: sub-devices of a few compute units each, with a queue of their own.
 *
 * Sub-devices belong to the context of the device that they are cut from, so buffers, programs and kernels serve
 * all of them. More streams than MOST would only ask for larger batches; each gets more units instead.
 */
#include <stdlib.h>

#include "kernels/base/log.h"
#include "kernels/device_cl.h"

enum { MOST = 8 };

struct device_fence {
    struct device *dev;
    cl_event events[MOST + 1];
    int n;
};

struct device_streams {
    int n, units;                    /* units of each */
    int current;                     /* DEVICE_WHOLE, or the one in use */
    cl_device_id ids[MOST];
    cl_command_queue queues[MOST];
};

/* CLIPQ_STREAMS in the environment allows fewer. */
static int most_streams(void)
{
    const char *text = getenv("CLIPQ_STREAMS");
    int n = text ? atoi(text) : MOST;
    return n < 1 || n > MOST ? MOST : n;
}

enum cq_err device_open_streams(struct device *dev)
{
    int all = dev->info.compute_units, most = most_streams(), units = (all + most - 1) / most;
    if (dev->info.kind != DEVICE_CPU || all < 2 || most < 2)
        return CQ_OK;
    struct device_streams *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    *s = (struct device_streams){.units = units, .current = DEVICE_WHOLE};
    cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, units, 0};
    cl_uint n = 0;
    cl_int status = clCreateSubDevices(dev->id, equally, (cl_uint) most, s->ids, &n);
    s->n = status == CL_SUCCESS ? (int) n : 0;
    dev->streams = s;
    for (int i = 0; i < s->n && status == CL_SUCCESS; i++)
        s->queues[i] = clCreateCommandQueue(dev->context, s->ids[i], 0, &status);
    if (status == CL_SUCCESS && s->n > 1)
        return CQ_OK;
    cq_log_debug(dev->log, "device %s is not divided into streams (OpenCL error %d)", dev->info.spec, (int) status);
    device_close_streams(dev);
    return CQ_OK;
}

void device_close_streams(struct device *dev)
{
    struct device_streams *s = dev->streams;
    for (int i = 0; s && i < s->n; i++) {
        device_release_queue(s->queues[i]);
        clReleaseDevice(s->ids[i]);
    }
    free(s);
    dev->streams = NULL;
    dev->queue = dev->whole;
}

int device_streams(const struct device *dev)
{
    return dev->streams ? dev->streams->n : 1;
}

void device_use_stream(struct device *dev, int stream)
{
    struct device_streams *s = dev->streams;
    if (!s)
        return;
    s->current = stream;
    dev->queue = stream == DEVICE_WHOLE ? dev->whole : s->queues[stream];
}

cl_command_queue device_stream_queue(const struct device *dev, int stream)
{
    return dev->streams->queues[stream];
}

bool device_uses_whole(const struct device *dev)
{
    return !dev->streams || dev->streams->current == DEVICE_WHOLE;
}

int device_units(const struct device *dev)
{
    const struct device_streams *s = dev->streams;
    return s && s->current != DEVICE_WHOLE ? s->units : dev->info.compute_units;
}

enum cq_err device_finish_all(struct device *dev)
{
    struct device_streams *s = dev->streams;
    enum cq_err err = CQ_OK;
    for (int i = 0; s && i < s->n; i++) {
        enum cq_err failed = device_check(dev, clFinish(s->queues[i]), "clFinish");
        err = err ? err : failed;
    }
    device_use_stream(dev, DEVICE_WHOLE);
    enum cq_err failed = device_finish(dev);
    return err ? err : failed;
}

static enum cq_err mark(struct device_fence *f, cl_command_queue queue)
{
    cl_int status = clEnqueueMarkerWithWaitList(queue, 0, NULL, &f->events[f->n]);
    if (status == CL_SUCCESS)
        f->n++;
    if (status == CL_SUCCESS)
        status = clFlush(queue);
    return device_check(f->dev, status, "clEnqueueMarkerWithWaitList");
}

enum cq_err device_fence(struct device *dev, struct device_fence **out)
{
    const struct device_streams *s = dev->streams;
    struct device_fence *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f)
        return CQ_NOMEM;
    f->dev = dev;
    enum cq_err err = mark(f, dev->whole);
    for (int i = 0; s && i < s->n && !err; i++)
        err = mark(f, s->queues[i]);
    *out = f;
    if (err)
        device_fence_wait(out);
    return err;
}

enum cq_err device_fence_wait(struct device_fence **fence)
{
    struct device_fence *f = *fence;
    enum cq_err err = CQ_OK;
    for (int i = 0; f && i < f->n; i++) {
        enum cq_err failed = device_check(f->dev, clWaitForEvents(1, &f->events[i]), "clWaitForEvents");
        clReleaseEvent(f->events[i]);
        err = err ? err : failed;
    }
    free(f);
    *fence = NULL;
    return err;
}
