/* GridSample and RoiAlign of PLAIN float32 images. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "sample",
    .source = {cl_common, cl_sample},
};

/* As in kernels/cl/sample.cl. */
struct grid_geom {
    int32_t in[OP_SPATIAL], spatial, channels, points, per_item, mode, pad, align_corners;
};

struct roi_geom {
    int32_t images, channels, in_h, in_w, rois, out_h, out_w;
    int32_t max_mode, half_pixel, sampling_ratio, wide_index;
    float scale;
};

static bool grid_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    int spatial = inst->in[0].rank - 2;
    return spatial >= 1 && spatial <= OP_SPATIAL && serves_type(inst, DT_F32) && serves_plain(inst) &&
           serves_int_index(inst) && tensor_elems(&inst->in[0]) > 0;
}

static enum cq_err grid_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    const struct sample_attrs *a = &inst->op->u.sample;
    struct grid_geom g = {
        .in = {1, 1, 1}, .spatial = x->rank - 2, .channels = (int32_t) x->dim[1], .points = 1,
        .mode = (int32_t) a->mode, .pad = (int32_t) a->pad, .align_corners = a->align_corners,
    };
    for (int i = 0; i < g.spatial; i++) {
        g.in[OP_SPATIAL - g.spatial + i] = (int32_t) x->dim[2 + i];
        g.points *= (int32_t) y->dim[2 + i];
    }
    g.per_item = nest_rows_per_item(dev, 8 * (int64_t) g.channels);
    struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_STRUCT(g)};
    struct launch launch = {
        .program = &program, .kernel = "grid_sample", .dims = 2,
        .global = {((size_t) g.points + (size_t) g.per_item - 1) / (size_t) g.per_item, (size_t) x->dim[0]},
        .local = {(size_t) nest_local_size(dev), 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

static bool roi_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    enum dtype index = inst->in[2].type;
    return inst->in[0].type == DT_F32 && inst->in[1].type == DT_F32 && inst->out[0].type == DT_F32 &&
           (index == DT_I64 || index == DT_I32) && serves_plain(inst) && serves_int_index(inst) &&
           tensor_elems(&inst->in[0]) > 0;
}

static enum cq_err roi_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    const struct roi_attrs *a = &inst->op->u.roi;
    struct roi_geom g = {
        .images = (int32_t) x->dim[0], .channels = (int32_t) x->dim[1],
        .in_h = (int32_t) x->dim[2], .in_w = (int32_t) x->dim[3],
        .rois = (int32_t) y->dim[0], .out_h = (int32_t) y->dim[2], .out_w = (int32_t) y->dim[3],
        .max_mode = a->max, .half_pixel = a->half_pixel, .sampling_ratio = a->sampling_ratio,
        .wide_index = inst->in[2].type == DT_I64, .scale = a->spatial_scale,
    };
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(g),
    };
    struct launch launch = {
        .program = &program, .kernel = "roi_align", .dims = 2, .global = {(size_t) g.channels, (size_t) g.rois},
        .local = {(size_t) nest_local_size(dev), 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_grid_sample = {
    .name = "grid_sample", .kind = OP_GRID_SAMPLE, .serves = grid_serves, .enqueue = grid_enqueue,
};

const struct kernel_class kernel_roi_align = {
    .name = "roi_align", .kind = OP_ROI_ALIGN, .serves = roi_serves, .enqueue = roi_enqueue,
};
