/* Resize of images in every mode. Which input pixels make an output pixel, and their weights, is asked of the
 * reference, once, and packed as a table: so the kernels know nothing of the many ways to count pixels.
 *
 * The dimensions that change must lie side by side, three at most; what is before them is planes, what is after them
 * (channels of NHWC) lanes. Nearest and linear in two dimensions have kernels of their own.
 */
#include <stdlib.h>

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

/* As in kernels/cl/resize.cl; missing leading dimensions have extent 1. */
struct resize {
    int32_t in[OP_SPATIAL], out[OP_SPATIAL], width[OP_SPATIAL];   /* width: weights per output position */
    int32_t planes, lanes, rows, columns;
    float extrapolation;
};

static bool is_untouched(const struct op_inst *inst, int d)
{
    return inst->in[0].dim[d] == inst->out[0].dim[d] && inst->op->u.resize.scale[d] == 1;
}

/* First and last dimension of the image; false when there are too many between them. BLOCKED images always have two,
 * and their channels are not touched. */
static bool image_dims(const struct op_inst *inst, int *first, int *last)
{
    int rank = inst->in[0].rank;
    bool blocked = inst->in[0].layout == LAYOUT_BLOCKED;
    *first = blocked ? 2 : 0;
    *last = rank - 1;
    for (int d = 0; d < *first; d++)
        if (!is_untouched(inst, d))
            return false;
    while (!blocked && *first < rank - 1 && is_untouched(inst, *first))
        ++*first;
    while (!blocked && *last > *first && is_untouched(inst, *last))
        --*last;
    return *last - *first < OP_SPATIAL;
}

static bool resize_serves(const struct device *dev, const struct op_inst *inst)
{
    int first, last, rank = inst->in[0].rank;
    bool ours = serves_plain(inst) || (rank == 4 && serves_blocked(inst, device_get_info(dev)->float_width));
    return ours && rank > 0 && inst->out[0].rank == rank && inst->in[0].type == DT_F32 &&
           inst->out[0].type == DT_F32 && tensor_elems(&inst->in[0]) > 0 && serves_int_index(inst) &&
           image_dims(inst, &first, &last);
}

static struct resize geometry(const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct resize r = {.in = {1, 1, 1}, .out = {1, 1, 1}, .width = {1, 1, 1}, .planes = 1, .lanes = 1};
    int first = 0, last = 0;
    image_dims(inst, &first, &last);
    for (int d = first; d <= last; d++) {
        int to = OP_SPATIAL - 1 - last + d;
        r.in[to] = (int32_t) x->dim[d];
        r.out[to] = (int32_t) y->dim[d];
        r.width[to] = (int32_t) ref_resize_width(inst, d);
    }
    bool blocked = x->layout == LAYOUT_BLOCKED;
    for (int d = 0; d < first; d++)
        r.planes *= (int32_t) (blocked && d == 1 ? (x->dim[d] + x->block - 1) / x->block : x->dim[d]);
    for (int d = last + 1; d < x->rank; d++)
        r.lanes *= (int32_t) x->dim[d];
    r.extrapolation = inst->op->u.resize.extrapolation;
    return r;
}

/* First tap and number of taps of every position of every dimension, then their weights. A position beyond a cropped
 * image has no taps. */
static size_t resize_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    struct resize r = geometry(inst);
    size_t bytes = 0;
    for (int i = 0; i < OP_SPATIAL; i++)
        bytes += (size_t) r.out[i] * (2 * sizeof(int32_t) + (size_t) r.width[i] * sizeof(float));
    return bytes;
}

static enum cq_err resize_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    (void) dev;
    struct resize r = geometry(inst);
    int dims[2], positions = r.out[0] + r.out[1] + r.out[2];
    int32_t *first = dst, *count = first + positions;
    float *weight = (float *) (count + positions);
    image_dims(inst, &dims[0], &dims[1]);
    for (int i = 0; i < OP_SPATIAL; i++) {
        int d = dims[1] - (OP_SPATIAL - 1 - i);
        double *exact = calloc((size_t) r.width[i], sizeof *exact);
        if (!exact)
            return CQ_NOMEM;
        for (int32_t o = 0; o < r.out[i]; o++, weight += r.width[i]) {
            struct ref_taps t = {.n = 1};
            exact[0] = 1;
            if (d >= dims[0])
                t = ref_resize_taps(inst, d, o, exact);
            *first++ = (int32_t) t.first;
            *count++ = t.outside ? 0 : t.n;
            for (int k = 0; k < r.width[i]; k++)
                weight[k] = k < t.n ? (float) exact[k] : 0;
        }
        free(exact);
    }
    return CQ_OK;
}

static const char *kernel_name(const struct op_inst *inst, const struct resize *r)
{
    bool blocked = inst->out[0].layout == LAYOUT_BLOCKED;
    const struct resize_attrs *a = &inst->op->u.resize;
    bool general = r->out[0] > 1 || r->in[0] > 1 || r->lanes > 1 || a->coord == COORD_TF_CROP || a->antialias;
    if (general || a->mode == RESIZE_CUBIC)
        return blocked ? "resize_taps_blocks" : "resize_taps_plain";
    if (a->mode == RESIZE_NEAREST)
        return blocked ? "resize_nearest_blocks" : "resize_nearest_plain";
    return blocked ? "resize_linear_blocks" : "resize_linear_plain";
}

static enum cq_err resize_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct resize r = geometry(inst);
    int width = inst->out[0].layout == LAYOUT_BLOCKED ? inst->out[0].block : 1, lines = r.out[0] * r.out[1];
    r.rows = nest_rows_per_item(dev, (int64_t) r.out[2] * r.lanes * width * r.width[0] * r.width[1] * r.width[2]);
    bool simt = device_get_info(dev)->simt;
    r.columns = simt ? 1 : r.out[2];
    size_t columns = simt ? (size_t) r.out[2] : 1;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->packed), ARG_REF(bufs->out[0]), ARG_STRUCT(r),
    };
    struct launch launch = {
        .program = &program, .kernel = kernel_name(inst, &r), .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_image_launch(dev, &launch, columns, ((size_t) lines + (size_t) r.rows - 1) / (size_t) r.rows,
                      (size_t) r.planes);
    return tensor_elems(&inst->out[0]) ? program_run(dev, &launch) : CQ_OK;
}

const struct kernel_class kernel_resize_table = {
    .name = "resize_table", .kind = OP_RESIZE, .serves = resize_serves, .packed_bytes = resize_packed_bytes,
    .pack = resize_pack, .enqueue = resize_enqueue,
};
