/* Resize of images, nearest and linear. Which input pixels make an output pixel is asked of the reference, once, and
 * packed as a table: so the kernels know nothing of the many ways to count pixels.
 */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/ref/ref.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "resize",
    .source = {cl_common, cl_resize},
};

/* As in kernels/cl/resize.cl. */
struct resize {
    int32_t in_h, in_w, out_h, out_w, planes, rows;
};

static bool is_untouched(const struct op_inst *inst, int d)
{
    return inst->in[0].dim[d] == inst->out[0].dim[d] && inst->op->u.resize.scale[d] == 1;
}

static bool resize_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct resize_attrs *r = &inst->op->u.resize;
    int rank = inst->in[0].rank;
    return r->mode != RESIZE_CUBIC && r->coord != COORD_TF_CROP && (rank == 3 || rank == 4) &&
           inst->out[0].rank == rank && inst->in[0].type == DT_F32 && inst->out[0].type == DT_F32 &&
           is_untouched(inst, 0) && is_untouched(inst, 1) && tensor_elems(&inst->in[0]) > 0 && serves_int_index(inst) &&
           (serves_plain(inst) || serves_blocked(inst, device_get_info(dev)->float_width));
}

/* One spatial dimension is an image of height 1. */
static struct resize geometry(const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool flat = x->rank == 3;
    return (struct resize){
        .in_h = flat ? 1 : (int32_t) x->dim[2], .in_w = (int32_t) x->dim[x->rank - 1],
        .out_h = flat ? 1 : (int32_t) y->dim[2], .out_w = (int32_t) y->dim[x->rank - 1],
    };
}

static size_t resize_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    struct resize r = geometry(inst);
    return (size_t) (r.out_h + r.out_w) * (2 * sizeof(int32_t) + sizeof(float));
}

static enum cq_err resize_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    (void) dev;
    struct resize r = geometry(inst);
    int taps = r.out_h + r.out_w, rank = inst->in[0].rank;
    int32_t *low = dst, *high = low + taps;
    float *weight = (float *) (high + taps);
    for (int i = 0; i < taps; i++) {
        bool row = i < r.out_h;
        struct ref_taps t = {.n = 1};
        if (!row || rank == 4)
            t = ref_resize_taps(inst, row ? 2 : rank - 1, row ? i : i - r.out_h);
        low[i] = (int32_t) t.at[0];
        high[i] = t.n > 1 ? (int32_t) t.at[1] : low[i];
        weight[i] = t.n > 1 ? (float) t.weight[1] : 0;
    }
    return CQ_OK;
}

static enum cq_err resize_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *y = &inst->out[0];
    bool blocked = y->layout == LAYOUT_BLOCKED, nearest = inst->op->u.resize.mode == RESIZE_NEAREST;
    int width = blocked ? y->block : 1;
    struct resize r = geometry(inst);
    r.planes = (int32_t) (y->dim[0] * ((y->dim[1] + width - 1) / width));
    r.rows = nest_rows_per_item(dev, (int64_t) r.out_w * width);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->packed), ARG_REF(bufs->out[0]), ARG_STRUCT(r),
    };
    struct launch launch = {
        .program = &program, .dims = 2,
        .kernel = nearest ? blocked ? "resize_nearest_blocks" : "resize_nearest_plain"
                          : blocked ? "resize_linear_blocks" : "resize_linear_plain",
        .global = {(size_t) ((r.out_h + r.rows - 1) / r.rows), (size_t) r.planes},
        .local = {1, (size_t) nest_local_size(dev)}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_resize_table = {
    .name = "resize_table", .kind = OP_RESIZE, .serves = resize_serves, .packed_bytes = resize_packed_bytes,
    .pack = resize_pack, .enqueue = resize_enqueue,
};
