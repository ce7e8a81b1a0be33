/* Pooling over one to three spatial dimensions, PLAIN or BLOCKED, and MaxUnpool. Global pooling of PLAIN images is
 * reduce.c's. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "pool",
    .source = {cl_common, cl_pool, cl_pool_line, cl_pool_line},
};

/* As in kernels/cl/pool.cl; missing leading dimensions have extent 1. */
struct window {
    int32_t in[OP_SPATIAL], out[OP_SPATIAL], kernel[OP_SPATIAL], stride[OP_SPATIAL], dilation[OP_SPATIAL];
    int32_t pad_begin[OP_SPATIAL], pad_end[OP_SPATIAL];
    int32_t count_pad, p, column_major, planes, rows;
};

static struct window window_of(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    struct window w = {.count_pad = a->count_include_pad, .p = a->p, .column_major = a->column_major};
    for (int i = 0; i < OP_SPATIAL; i++) {
        int from = i - (OP_SPATIAL - a->spatial);
        bool have = from >= 0;
        w.in[i] = have ? (int32_t) inst->in[0].dim[2 + from] : 1;
        w.out[i] = have ? (int32_t) inst->out[0].dim[2 + from] : 1;
        w.kernel[i] = have ? a->kernel[from] : 1;
        w.stride[i] = have ? a->stride[from] : 1;
        w.dilation[i] = have ? a->dilation[from] : 1;
        w.pad_begin[i] = have ? a->pad_begin[from] : 0;
        w.pad_end[i] = have ? a->pad_end[from] : 0;
    }
    return w;
}

static bool window_fits(const struct op_inst *inst)
{
    int spatial = inst->op->u.conv.spatial;
    return spatial >= 1 && spatial <= OP_SPATIAL && inst->in[0].rank == spatial + 2 &&
           inst->out[0].rank == spatial + 2 && inst->in[0].type == DT_F32 && inst->out[0].type == DT_F32 &&
           serves_int_index(inst);
}

static bool pool_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->n_out == 1 && window_fits(inst) &&
           (serves_plain(inst) || serves_blocked(inst, device_get_info(dev)->float_width));
}

static bool index_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return inst->n_out == 2 && window_fits(inst) && inst->out[1].type == DT_I64 && serves_plain(inst);
}

static const char *kernel_name(enum op_kind kind, bool blocked)
{
    switch (kind) {
    case OP_POOL_MAX: return blocked ? "pool_max_blocks" : "pool_max_plain";
    case OP_POOL_AVG: return blocked ? "pool_avg_blocks" : "pool_avg_plain";
    default: return blocked ? "pool_lp_blocks" : "pool_lp_plain";
    }
}

/* Most taps of a window along dimension d that lie in the image. */
static int taps_inside(const struct window *w, int d)
{
    return w->kernel[d] < w->in[d] ? w->kernel[d] : w->in[d];
}

static enum cq_err run(struct device *dev, const struct op_inst *inst, const char *kernel, struct window *w,
                       const struct kernel_bufs *bufs)
{
    const struct tensor_desc *y = &inst->out[0];
    int width = y->layout == LAYOUT_BLOCKED ? y->block : 1, lines = w->out[0] * w->out[1];
    w->planes = (int32_t) (y->dim[0] * ((y->dim[1] + width - 1) / width));
    int64_t taps = (int64_t) taps_inside(w, 0) * (taps_inside(w, 1) + taps_inside(w, 2));
    w->rows = nest_rows_per_item(dev, w->out[2] * width * taps);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(*w), ARG_REF(bufs->out[1]),
    };
    struct launch launch = {
        .program = &program, .kernel = kernel, .dims = 2,
        .global = {(size_t) ((lines + w->rows - 1) / w->rows), (size_t) w->planes},
        .local = {1, (size_t) nest_local_size(dev)}, .args = args, .n_args = inst->n_out == 1 ? 3 : 4,
    };
    return w->out[2] ? program_run(dev, &launch) : CQ_OK;
}

static enum cq_err run_elements(struct device *dev, const struct op_inst *inst, const struct window *w,
                                const struct kernel_bufs *bufs)
{
    enum op_kind kind = inst->op->kind;
    const struct tensor_desc *y = &inst->out[0];
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(*w),
        ARG_INT(kind == OP_POOL_MAX ? 0 : kind == OP_POOL_AVG ? 1 : 2),      /* POOL_MAX, POOL_AVG, POOL_LP */
    };
    struct launch launch = {
        .program = &program, .kernel = "pool_element", .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_image_launch(dev, &launch, (size_t) w->out[2], (size_t) w->out[0] * (size_t) w->out[1],
                      (size_t) (y->dim[0] * y->dim[1]));
    return program_run(dev, &launch);
}

static enum cq_err pool_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct window w = window_of(inst);
    if (device_get_info(dev)->simt && inst->out[0].layout == LAYOUT_PLAIN)
        return run_elements(dev, inst, &w, bufs);
    return run(dev, inst, kernel_name(inst->op->kind, inst->out[0].layout == LAYOUT_BLOCKED), &w, bufs);
}

static enum cq_err index_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct window w = window_of(inst);
    return run(dev, inst, "pool_max_index", &w, bufs);
}

/* ---- MaxUnpool ---- */

static bool unpool_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return inst->in[0].type == DT_F32 && inst->out[0].type == DT_F32 && inst->in[1].type == DT_I64 &&
           serves_plain(inst) && serves_int_index(inst);
}

static enum cq_err unpool_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    int n = (int) tensor_elems(&inst->in[0]), places = (int) tensor_elems(&inst->out[0]);
    int per_item = nest_rows_per_item(dev, 1);
    struct kernel_arg clear[] = {ARG_REF(bufs->out[0]), ARG_INT(places), ARG_INT(per_item)};
    struct kernel_arg scatter[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_INT(n), ARG_INT(places),
        ARG_INT(per_item),
    };
    struct launch launch = {
        .program = &program, .kernel = "unpool_clear", .dims = 1,
        .global = {((size_t) places + (size_t) per_item - 1) / (size_t) per_item},
        .local = {(size_t) nest_local_size(dev)}, .args = clear, .n_args = sizeof clear / sizeof *clear,
    };
    enum cq_err err = program_run(dev, &launch);
    launch.kernel = "unpool_scatter";
    launch.global[0] = ((size_t) n + (size_t) per_item - 1) / (size_t) per_item;
    launch.args = scatter;
    launch.n_args = sizeof scatter / sizeof *scatter;
    return err ? err : program_run(dev, &launch);
}

const struct kernel_class kernel_max_unpool = {
    .name = "max_unpool", .kind = OP_MAX_UNPOOL, .serves = unpool_serves, .enqueue = unpool_enqueue,
};

const struct kernel_class kernel_pool_max = {
    .name = "pool_max", .kind = OP_POOL_MAX, .serves = pool_serves, .enqueue = pool_enqueue,
};

const struct kernel_class kernel_pool_max_index = {
    .name = "pool_max_index", .kind = OP_POOL_MAX, .serves = index_serves, .enqueue = index_enqueue,
};

const struct kernel_class kernel_pool_avg = {
    .name = "pool_avg", .kind = OP_POOL_AVG, .serves = pool_serves, .enqueue = pool_enqueue,
};

const struct kernel_class kernel_pool_lp = {
    .name = "pool_lp", .kind = OP_POOL_LP, .serves = pool_serves, .enqueue = pool_enqueue,
};
