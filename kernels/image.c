/* OP_IMAGE, OP_REORDER and the OP_TRANSPOSE between BLOCKED and channels-last order on the device: what happens at the
 * network's edges and between layouts. The kernels are in cl/image.cl and cl/reorder.cl. */
#include <limits.h>
#include <string.h>

#include "kernels/classes.h"
#include "kernels/cl_sources.h"
#include "kernels/device.h"
#include "kernels/nest.h"
#include "kernels/program.h"

enum { PIXELS_PER_ITEM = 4096, REORDER_PIXELS_PER_ITEM = 512 };

static const struct program_class edge_program = {
    .name = "edge",
    .source = {cl_common, cl_image, cl_reorder},
};

static int64_t area_of(const struct tensor_desc *d, int first)
{
    return d->dim[first] * (d->rank > first + 1 ? d->dim[first + 1] : 1);
}

static bool image_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    (void) dev;
    return x->type == DT_U8 && (y->type == DT_F32 || y->type == DT_F16) && x->layout == LAYOUT_PLAIN &&
           y->layout == LAYOUT_PLAIN && x->rank == 4 && y->rank == 4 && x->dim[3] >= 1 && x->dim[3] <= 4 &&
           area_of(x, 1) * x->dim[3] < INT_MAX;
}

/* As image_args in the .cl. */
struct image_args {
    float mean[4], scale[4];
    int32_t channels, pixels, per_item, nhwc, half;
};

static enum cq_err image_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    size_t per_item = device_get_info(dev)->simt ? 1 : PIXELS_PER_ITEM;
    struct image_args a = {
        .channels = (int32_t) x->dim[3], .pixels = (int32_t) area_of(x, 1), .per_item = (int32_t) per_item,
        .nhwc = inst->op->u.image.nhwc, .half = inst->out[0].type == DT_F16,
    };
    for (int i = 0; i < 4; i++) {
        a.mean[i] = inst->op->u.image.mean[i];
        a.scale[i] = inst->op->u.image.scale[i];
    }
    const struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(a)};
    return program_run(dev, &(struct launch) {
        .program = &edge_program,
        .kernel = "image",
        .dims = 2,
        .global = {((size_t) a.pixels + per_item - 1) / per_item, (size_t) x->dim[0]},
        .local = {(size_t) nest_local_size(dev), 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static bool reorder_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int block = x->layout == LAYOUT_BLOCKED ? x->block : y->block;
    return x->type == DT_F32 && y->type == DT_F32 && x->layout != y->layout && tensor_same_shape(x, y) &&
           (x->rank == 3 || x->rank == 4) && block == device_get_info(dev)->float_width &&
           area_of(x, 2) < INT_MAX / 16;
}

/* `x` is the side that has channels in dimension 1. */
static enum cq_err run_reorder(struct device *dev, const char *kernel, const struct tensor_desc *x,
                               const struct kernel_bufs *bufs)
{
    int64_t area = area_of(x, 2), width = device_get_info(dev)->float_width;
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_INT(x->dim[1]), ARG_INT(area),
        ARG_INT(REORDER_PIXELS_PER_ITEM),
    };
    return program_run(dev, &(struct launch) {
        .program = &edge_program,
        .kernel = kernel,
        .dims = 3,
        .global = {(size_t) ((area + REORDER_PIXELS_PER_ITEM - 1) / REORDER_PIXELS_PER_ITEM),
                   (size_t) ((x->dim[1] + width - 1) / width), (size_t) x->dim[0]},
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err reorder_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    bool plain = inst->in[0].layout == LAYOUT_PLAIN;
    return run_reorder(dev, plain ? "to_blocked" : "to_plain", &inst->in[0], bufs);
}

/* From BLOCKED [N,C,H,W] to PLAIN [N,H,W,C], or back. */
static bool last_serves(const struct device *dev, const struct op_inst *inst)
{
    static const int to_last[] = {0, 2, 3, 1}, from_last[] = {0, 3, 1, 2};
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool back = y->layout == LAYOUT_BLOCKED;
    const struct tensor_desc *blocked = back ? y : x;
    return x->type == DT_F32 && y->type == DT_F32 && x->rank == 4 && y->rank == 4 && x->layout != y->layout &&
           blocked->block == device_get_info(dev)->float_width && area_of(blocked, 2) < INT_MAX / 16 &&
           !memcmp(inst->op->u.perm, back ? from_last : to_last, sizeof to_last);
}

static enum cq_err last_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    if (inst->in[0].layout == LAYOUT_BLOCKED)
        return run_reorder(dev, "to_last", &inst->in[0], bufs);
    return run_reorder(dev, "from_last", &inst->out[0], bufs);
}

const struct kernel_class kernel_image = {
    .name = "image",
    .kind = OP_IMAGE,
    .serves = image_serves,
    .enqueue = image_enqueue,
};

const struct kernel_class kernel_reorder = {
    .name = "reorder",
    .kind = OP_REORDER,
    .serves = reorder_serves,
    .enqueue = reorder_enqueue,
};

const struct kernel_class kernel_reorder_last = {
    .name = "reorder_last",
    .kind = OP_TRANSPOSE,
    .serves = last_serves,
    .enqueue = last_enqueue,
};
