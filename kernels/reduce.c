/* What works along an axis: reductions, global mean pooling, softmax, layer and instance normalisation. */
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/rows.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "rows",
    .source = {cl_common, cl_act, cl_nest, cl_rows},
};

static const struct program_class group_program = {
    .name = "rows, a work-group for each",
    .source = {cl_common, cl_act, cl_nest, cl_rows, cl_rows_simt},
};

/* As in kernels/cl/rows.cl. */
struct rows_arg {
    int32_t outer, n, inner, units, per_item;
};

static struct rows_arg arg_of(const struct device *dev, const struct rows *rows)
{
    return (struct rows_arg){
        .outer = (int32_t) rows->outer, .n = (int32_t) rows->n, .inner = (int32_t) rows->inner,
        .units = (int32_t) rows_units(dev, rows), .per_item = rows_per_item(dev, rows),
    };
}

static enum cq_err run(struct device *dev, const char *kernel, const struct rows_arg *rows,
                       const struct kernel_arg *args, int n_args)
{
    struct launch launch = {
        .program = &program, .kernel = kernel, .dims = 1,
        .global = {(size_t) ((rows->units + rows->per_item - 1) / rows->per_item)},
        .local = {(size_t) nest_local_size(dev)}, .args = args, .n_args = n_args,
    };
    return program_run(dev, &launch);
}

/* ROW_ITEMS as in cl/rows_simt.cl; rows that are shorter than LONG_ROW would leave half of a group idle. */
enum { ROW_ITEMS = 64, LONG_ROW = 32 };

/* Whole rows: by the kernel `group` where work-items run in step and a row is long. */
static enum cq_err run_rows(struct device *dev, const char *kernel, const char *group, const struct rows_arg *rows,
                            const struct kernel_arg *args, int n_args)
{
    if (!device_get_info(dev)->simt || rows->n < LONG_ROW)
        return run(dev, kernel, rows, args, n_args);
    return program_run(dev, &(struct launch) {
        .program = &group_program, .kernel = group, .dims = 1, .global = {(size_t) rows->units * ROW_ITEMS},
        .local = {ROW_ITEMS}, .args = args, .n_args = n_args,
    });
}

static bool is_float_in_our_layout(const struct device *dev, const struct op_inst *inst)
{
    return serves_type(inst, DT_F32) && serves_int_index(inst) &&
           (serves_plain(inst) || serves_blocked(inst, device_get_info(dev)->float_width));
}

/* ---- reductions ------------------------------------------------------------------------------------- */

static bool reduce_serves(const struct device *dev, const struct op_inst *inst)
{
    struct rows rows;
    bool keeps_shape = inst->in[0].layout == LAYOUT_PLAIN || inst->in[0].rank == inst->out[0].rank;
    return inst->op->u.reduce.fn != RED_LOG_SUM_EXP && is_float_in_our_layout(dev, inst) && keeps_shape &&
           rows_of(&inst->in[0], inst->op->u.reduce.axes, &rows);
}

static enum cq_err run_reduce(struct device *dev, const struct kernel_bufs *bufs, const struct rows *rows,
                              enum reduce fn)
{
    struct rows_arg r = arg_of(dev, rows);
    struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(r), ARG_INT(fn)};
    int n_args = sizeof args / sizeof *args;
    return rows->inner == 1 ? run_rows(dev, "reduce_rows", "reduce_group", &r, args, n_args)
                            : run(dev, "reduce_lanes", &r, args, n_args);
}

static enum cq_err reduce_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct rows rows;
    if (!rows_of(&inst->in[0], inst->op->u.reduce.axes, &rows))
        return CQ_INTERNAL;
    return run_reduce(dev, bufs, &rows, inst->op->u.reduce.fn);
}

/* All dimensions from the third on. */
static uint32_t spatial_axes(const struct tensor_desc *d)
{
    return ((1u << d->rank) - 1) & ~3u;
}

/* The whole image in one window without padding. */
static bool global_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct rows rows;
    if (x->rank != a->spatial + 2 || y->rank != x->rank)
        return false;
    for (int i = 0; i < a->spatial; i++) {
        bool whole = a->kernel[i] == x->dim[2 + i] && a->dilation[i] == 1 && y->dim[2 + i] == 1;
        if (!whole || a->pad_begin[i] || a->pad_end[i])
            return false;
    }
    return is_float_in_our_layout(dev, inst) && rows_of(x, spatial_axes(x), &rows);
}

static enum cq_err global_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct rows rows;
    if (!rows_of(&inst->in[0], spatial_axes(&inst->in[0]), &rows))
        return CQ_INTERNAL;
    return run_reduce(dev, bufs, &rows, RED_MEAN);
}

/* ---- softmax ------------------------------------------------------------------------------------------ */

static bool axis_rows(const struct op_inst *inst, struct rows *rows)
{
    int axis = inst->op->u.axis.axis;
    return axis >= 0 && axis < inst->in[0].rank && rows_of(&inst->in[0], 1u << axis, rows);
}

static bool softmax_serves(const struct device *dev, const struct op_inst *inst)
{
    struct rows rows;
    return is_float_in_our_layout(dev, inst) && axis_rows(inst, &rows);
}

static enum cq_err softmax_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct rows rows;
    if (!axis_rows(inst, &rows))
        return CQ_INTERNAL;
    struct rows_arg r = arg_of(dev, &rows);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(r), ARG_INT(inst->op->u.axis.flag),
    };
    int n_args = sizeof args / sizeof *args;
    return rows.inner == 1 ? run_rows(dev, "softmax_rows", "softmax_group", &r, args, n_args)
                           : run(dev, "softmax_lanes", &r, args, n_args);
}

/* ---- normalisation ---------------------------------------------------------------------------------- */

static bool instance_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool ours = x->layout == LAYOUT_PLAIN || x->block == device_get_info(dev)->float_width;
    return serves_type(inst, DT_F32) && serves_int_index(inst) && x->rank > 2 && ours && x->layout == y->layout &&
           x->block == y->block && inst->in[1].layout == LAYOUT_PLAIN && inst->in[2].layout == LAYOUT_PLAIN;
}

static enum cq_err instance_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    bool blocked = x->layout == LAYOUT_BLOCKED;
    int block = blocked ? x->block : 1, period = (int) ((x->dim[1] + block - 1) / block);
    struct rows rows;
    if (!rows_of(x, spatial_axes(x), &rows))
        return CQ_INTERNAL;
    /* Images of one pixel have no spatial loop that tells planes apart. */
    rows = (struct rows){x->dim[0] * period, rows.n, 1};
    struct rows_arg r = arg_of(dev, &rows);
    struct kernel_arg plain[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(r),
        ARG_INT(period), ARG_FLOAT(inst->op->u.norm.epsilon),
    };
    struct kernel_arg blocks[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->out[0]), ARG_STRUCT(r),
        ARG_INT(period), ARG_INT(x->dim[1]), ARG_FLOAT(inst->op->u.norm.epsilon),
    };
    return blocked ? run(dev, "norm_blocks", &r, blocks, sizeof blocks / sizeof *blocks)
                   : run_rows(dev, "norm_rows", "norm_group", &r, plain, sizeof plain / sizeof *plain);
}

/* Bit i set from `axis` on. */
static uint32_t trailing_axes(const struct tensor_desc *d, int axis)
{
    return ((1u << d->rank) - 1) & ~((1u << axis) - 1);
}

static int64_t trailing_elems(const struct tensor_desc *d, int axis)
{
    int64_t n = 1;
    for (int i = axis; i < d->rank; i++)
        n *= d->dim[i];
    return n;
}

/* Scale and bias must be whole rows: one number per normalised element. */
static bool layer_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.norm.axis;
    if (!serves_type(inst, DT_F32) || !serves_plain(inst) || !serves_int_index(inst) || axis < 0 || axis >= x->rank)
        return false;
    int64_t n = trailing_elems(x, axis);
    bool has_bias = inst->n_in > 2 && inst->in[2].type != DT_NONE;
    return tensor_elems(&inst->in[1]) == n && (!has_bias || tensor_elems(&inst->in[2]) == n);
}

static enum cq_err layer_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.norm.axis;
    struct rows rows;
    if (!rows_of(x, trailing_axes(x, axis), &rows))
        return CQ_INTERNAL;
    struct rows_arg r = arg_of(dev, &rows);
    struct mem_ref bias = inst->n_in > 2 && inst->in[2].type != DT_NONE ? bufs->in[2] : (struct mem_ref){0};
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bias), ARG_REF(bufs->out[0]), ARG_STRUCT(r), ARG_INT(0),
        ARG_FLOAT(inst->op->u.norm.epsilon),
    };
    return run_rows(dev, "norm_rows", "norm_group", &r, args, sizeof args / sizeof *args);
}

/* Whole images, BLOCKED: the same rows in another order, and so must scale and bias be. */
static bool layer_blocks_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool has_bias = inst->n_in > 2 && inst->in[2].type != DT_NONE;
    return serves_type(inst, DT_F32) && serves_int_index(inst) && x->layout == LAYOUT_BLOCKED &&
           x->block == device_get_info(dev)->float_width && y->layout == LAYOUT_BLOCKED && y->block == x->block &&
           (inst->op->u.norm.axis == 1 || (inst->op->u.norm.axis == 0 && x->dim[0] == 1)) && x->dim[1] % x->block == 0 && tensor_elems(x) > 0 && inst->constant[1] &&
           tensor_elems(&inst->in[1]) == trailing_elems(x, 1) &&
           (!has_bias || (inst->constant[2] && tensor_elems(&inst->in[2]) == trailing_elems(x, 1)));
}

static size_t layer_blocks_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return 2 * (size_t) trailing_elems(&inst->in[0], 1) * sizeof(float);
}

static enum cq_err layer_blocks_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    const struct tensor_desc *x = &inst->in[0];
    const float *scale = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int64_t n = trailing_elems(x, 1), area = n / x->dim[1];
    float *to = dst;
    (void) dev;
    for (int64_t c = 0; c < x->dim[1]; c++)
        for (int64_t i = 0; i < area; i++) {
            int64_t at = (c / x->block * area + i) * x->block + c % x->block;
            to[at] = scale[c * area + i];
            to[n + at] = bias ? bias[c * area + i] : 0;
        }
    return CQ_OK;
}

static enum cq_err layer_blocks_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *x = &inst->in[0];
    struct rows rows = {x->dim[0], trailing_elems(x, 1), 1};
    struct rows_arg r = arg_of(dev, &rows);
    struct mem_ref bias = bufs->packed;
    bias.offset += (size_t) rows.n * sizeof(float);
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->packed), ARG_REF(bias), ARG_REF(bufs->out[0]), ARG_STRUCT(r), ARG_INT(0),
        ARG_FLOAT(inst->op->u.norm.epsilon),
    };
    return run(dev, "norm_rows", &r, args, sizeof args / sizeof *args);
}

const struct kernel_class kernel_reduce = {
    .name = "reduce", .kind = OP_REDUCE, .serves = reduce_serves, .enqueue = reduce_enqueue,
};

const struct kernel_class kernel_pool_global = {
    .name = "pool_global", .kind = OP_POOL_AVG, .serves = global_serves, .enqueue = global_enqueue,
};

const struct kernel_class kernel_softmax = {
    .name = "softmax", .kind = OP_SOFTMAX, .serves = softmax_serves, .enqueue = softmax_enqueue,
};

const struct kernel_class kernel_instance_norm = {
    .name = "instance_norm", .kind = OP_INSTANCE_NORM, .serves = instance_serves, .enqueue = instance_enqueue,
};

const struct kernel_class kernel_layer_norm = {
    .name = "layer_norm", .kind = OP_LAYER_NORM, .serves = layer_serves, .enqueue = layer_enqueue,
};

const struct kernel_class kernel_layer_norm_blocks = {
    .name = "layer_norm_blocks", .kind = OP_LAYER_NORM, .serves = layer_blocks_serves,
    .packed_bytes = layer_blocks_packed_bytes, .packs = 6, .pack = layer_blocks_pack, .enqueue = layer_blocks_enqueue,
};
