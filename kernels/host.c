/* The last variant of every kind: the C reference on mapped buffers.
 *
 * It waits for the queue and runs on one core, so it is for operators that no OpenCL variant serves. One class
 * stands for all kinds; kernel_find knows that.
 */
#include "kernels/classes.h"
#include "kernels/device_cl.h"
#include "kernels/kernel.h"

struct mapped {
    struct device_mem *mem[OP_MAX_INPUTS + OP_MAX_OUTPUTS];
    void *ptr[OP_MAX_INPUTS + OP_MAX_OUTPUTS];
    int n;
};

static bool host_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    bool any_layout = inst->op->kind == OP_REORDER;
    for (int i = 0; i < inst->n_in; i++)
        if (inst->in[i].layout != LAYOUT_PLAIN && !any_layout)
            return false;
    for (int i = 0; i < inst->n_out; i++)
        if (inst->out[i].layout != LAYOUT_PLAIN && !any_layout)
            return false;
    return true;
}

/* An absent tensor stays NULL; an empty one gets an address that nobody reads. */
static enum cq_err map(struct mapped *m, const struct mem_ref *ref, const struct tensor_desc *d, bool writing,
                       void **out)
{
    static char nothing;
    *out = NULL;
    if (!ref->mem || d->type == DT_NONE)
        return CQ_OK;
    if (tensor_bytes(d) == 0) {
        *out = &nothing;
        return CQ_OK;
    }
    enum cq_err err = device_map(ref->mem, ref->offset, tensor_bytes(d), writing, out);
    if (err)
        return err;
    m->mem[m->n] = ref->mem;
    m->ptr[m->n++] = *out;
    return CQ_OK;
}

static enum cq_err unmap_all(struct mapped *m, enum cq_err err)
{
    while (m->n-- > 0) {
        enum cq_err failed = device_unmap(m->mem[m->n], m->ptr[m->n]);
        err = err ? err : failed;
    }
    return err;
}

static enum cq_err host_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    void *in[OP_MAX_INPUTS], *out[OP_MAX_OUTPUTS];
    struct mapped m = {.n = 0};
    enum cq_err err = CQ_OK;
    (void) dev;
    for (int i = 0; !err && i < inst->n_in; i++)
        err = map(&m, &bufs->in[i], &inst->in[i], false, &in[i]);
    for (int i = 0; !err && i < inst->n_out; i++)
        err = map(&m, &bufs->out[i], &inst->out[i], true, &out[i]);
    if (!err)
        err = op_reference(inst, (const void *const *) in, out);
    return unmap_all(&m, err);
}

const struct kernel_class kernel_host = {
    .name = "host",
    .serves = host_serves,
    .enqueue = host_enqueue,
};
