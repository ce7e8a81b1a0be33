/* An operator of the tail that would take the host too long (the convolutions behind RoiAlign) goes to the device by
 * itself: buffers are made, filled, read and given back for this one execution. */
#include <stdlib.h>
#include <string.h>

#include "kernels/device.h"
#include "kernels/kernel.h"
#include "stages/infer/place.h"
#include "stages/infer/tail.h"

/* The buffers of one execution; mem[] owns them. */
struct single {
    struct device *dev;
    struct op_inst *inst;
    const struct kernel_class *kernel;
    struct kernel_bufs bufs;
    struct device_mem *mem[OP_MAX_INPUTS + OP_MAX_OUTPUTS + 2];
    int n_mem;
};

static enum cq_err alloc(struct single *s, size_t bytes, struct mem_ref *ref)
{
    if (!bytes)
        return CQ_OK;
    enum cq_err err = device_alloc(s->dev, bytes, &s->mem[s->n_mem]);
    if (!err)
        *ref = (struct mem_ref){s->mem[s->n_mem++], 0};
    return err;
}

static enum cq_err pack(struct single *s, size_t bytes)
{
    void *packed = malloc(bytes);
    enum cq_err err = packed ? s->kernel->pack(s->dev, s->inst, packed) : CQ_NOMEM;
    if (!err)
        err = alloc(s, bytes, &s->bufs.packed);
    if (!err)
        err = device_write(s->dev, s->bufs.packed.mem, 0, packed, bytes);
    free(packed);
    return err;
}

static enum cq_err fill(struct single *s, const void *const *in)
{
    const struct kernel_class *k = s->kernel;
    size_t packed = k->packed_bytes ? k->packed_bytes(s->dev, s->inst) : 0;
    enum cq_err err = packed ? pack(s, packed) : CQ_OK;
    for (int i = 0; i < s->inst->n_in && !err; i++) {
        size_t bytes = in[i] ? tensor_bytes(&s->inst->in[i]) : 0;
        if (packed && k->packs >> i & 1)
            continue;
        err = alloc(s, bytes, &s->bufs.in[i]);
        if (!err && bytes)
            err = device_write(s->dev, s->bufs.in[i].mem, 0, in[i], bytes);
    }
    for (int i = 0; i < s->inst->n_out && !err; i++)
        err = alloc(s, tensor_bytes(&s->inst->out[i]), &s->bufs.out[i]);
    return err ? err : alloc(s, k->scratch_bytes ? k->scratch_bytes(s->dev, s->inst) : 0, &s->bufs.scratch);
}

static enum cq_err read_back(struct single *s, void *const *out)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < s->inst->n_out && !err; i++)
        if (s->bufs.out[i].mem)
            err = device_read(s->dev, s->bufs.out[i].mem, 0, out[i], tensor_bytes(&s->inst->out[i]));
    return err;
}

enum cq_err tail_compute(void *device, const struct op_inst *inst, const void *const *in, void *const *out)
{
    struct single *s = calloc(1, sizeof *s);
    struct op_inst *copy = malloc(sizeof *copy);
    enum cq_err err = s && copy ? CQ_OK : CQ_NOMEM;
    if (err)
        goto done;
    *copy = *inst;
    copy->constant[0] = NULL;            /* what is convolved; the others may be packed as weights are */
    *s = (struct single){.dev = device, .inst = copy, .kernel = kernel_find(device, copy)};
    if (!s->kernel || kernel_is_host(s->kernel)) {
        err = op_reference(inst, in, out);
        goto done;
    }
    err = fill(s, in);
    if (!err)
        err = s->kernel->enqueue(s->dev, copy, &s->bufs);
    if (!err)
        err = device_finish(s->dev);
    if (!err)
        err = read_back(s, out);
done:
    for (int i = 0; s && i < s->n_mem; i++)
        device_free(&s->mem[i]);
    free(copy);
    free(s);
    return err;
}
