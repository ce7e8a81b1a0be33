/* Pooling over one or two spatial dimensions, PLAIN or BLOCKED. Global pooling of PLAIN images is reduce.c's. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "pool",
    .source = {cl_common, cl_pool},
};

/* As in kernels/cl/pool.cl. */
struct window {
    int32_t in_h, in_w, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right, count_pad;
};

/* One spatial dimension is an image of height 1. */
static struct window window_of(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool flat = a->spatial == 1;
    int w = flat ? 0 : 1;
    return (struct window){
        .in_h = flat ? 1 : (int32_t) x->dim[2], .in_w = (int32_t) x->dim[2 + w],
        .out_h = flat ? 1 : (int32_t) y->dim[2], .out_w = (int32_t) y->dim[2 + w],
        .kernel_h = flat ? 1 : a->kernel[0], .kernel_w = a->kernel[w],
        .stride_h = flat ? 1 : a->stride[0], .stride_w = a->stride[w],
        .dilation_h = flat ? 1 : a->dilation[0], .dilation_w = a->dilation[w],
        .pad_top = flat ? 0 : a->pad_begin[0], .pad_left = a->pad_begin[w],
        .pad_bottom = flat ? 0 : a->pad_end[0], .pad_right = a->pad_end[w],
        .count_pad = a->count_include_pad,
    };
}

static bool pool_serves(const struct device *dev, const struct op_inst *inst)
{
    int spatial = inst->op->u.conv.spatial;
    return (spatial == 1 || spatial == 2) && inst->in[0].rank == spatial + 2 && inst->out[0].rank == spatial + 2 &&
           serves_type(inst, DT_F32) && serves_int_index(inst) &&
           (serves_plain(inst) || serves_blocked(inst, device_get_info(dev)->float_width));
}

static const char *kernel_name(enum op_kind kind, bool blocked)
{
    switch (kind) {
    case OP_POOL_MAX: return blocked ? "pool_max_blocks" : "pool_max_plain";
    case OP_POOL_AVG: return blocked ? "pool_avg_blocks" : "pool_avg_plain";
    default: return blocked ? "pool_l2_blocks" : "pool_l2_plain";
    }
}

static enum cq_err pool_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *y = &inst->out[0];
    bool blocked = y->layout == LAYOUT_BLOCKED;
    struct window window = window_of(inst);
    int width = blocked ? y->block : 1;
    int64_t planes = y->dim[0] * ((y->dim[1] + width - 1) / width);
    int rows = nest_rows_per_item(dev, (int64_t) window.out_w * width * window.kernel_h * window.kernel_w);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(window), ARG_INT(planes), ARG_INT(rows),
    };
    struct launch launch = {
        .program = &program, .kernel = kernel_name(inst->op->kind, blocked), .dims = 2,
        .global = {(size_t) ((window.out_h + rows - 1) / rows), (size_t) planes},
        .local = {1, (size_t) nest_local_size(dev)}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return window.out_w ? program_run(dev, &launch) : CQ_OK;
}

const struct kernel_class kernel_pool_max = {
    .name = "pool_max", .kind = OP_POOL_MAX, .serves = pool_serves, .enqueue = pool_enqueue,
};

const struct kernel_class kernel_pool_avg = {
    .name = "pool_avg", .kind = OP_POOL_AVG, .serves = pool_serves, .enqueue = pool_enqueue,
};

const struct kernel_class kernel_pool_l2 = {
    .name = "pool_l2", .kind = OP_POOL_L2, .serves = pool_serves, .enqueue = pool_enqueue,
};
