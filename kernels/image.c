/* OP_IMAGE and OP_REORDER on the device: what happens at the network's edges and between layouts. The kernels
 * are in cl/image.cl and cl/reorder.cl. */
#include <limits.h>

#include "kernels/classes.h"
#include "kernels/cl_sources.h"
#include "kernels/device.h"
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
    struct image_args a = {
        .channels = (int32_t) x->dim[3], .pixels = (int32_t) area_of(x, 1), .per_item = PIXELS_PER_ITEM,
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
        .global = {((size_t) a.pixels + PIXELS_PER_ITEM - 1) / PIXELS_PER_ITEM, (size_t) x->dim[0]},
        .local = {1, 1},
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

static enum cq_err reorder_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    int64_t area = area_of(x, 2), width = device_get_info(dev)->float_width;
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_INT(x->dim[1]), ARG_INT(area),
        ARG_INT(REORDER_PIXELS_PER_ITEM),
    };
    return program_run(dev, &(struct launch) {
        .program = &edge_program,
        .kernel = x->layout == LAYOUT_PLAIN ? "to_blocked" : "to_plain",
        .dims = 3,
        .global = {(size_t) ((area + REORDER_PIXELS_PER_ITEM - 1) / REORDER_PIXELS_PER_ITEM),
                   (size_t) ((x->dim[1] + width - 1) / width), (size_t) x->dim[0]},
        .local = {1, 1, 1},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
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
