/* Batch normalisation with constant statistics: one scale and shift per channel, computed at load in double. */
#include <math.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "affine",
    .source = {cl_common, cl_act, cl_nest, cl_affine},
};

/* Channels rounded up to whole blocks. */
static int64_t padded_channels(const struct device *dev, const struct op_inst *inst)
{
    int width = device_get_info(dev)->float_width;
    return (inst->in[0].dim[1] + width - 1) / width * width;
}

static bool channels_nest(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    const struct tensor_desc *x = &inst->in[0];
    bool blocked = x->layout == LAYOUT_BLOCKED;
    int64_t channels = blocked ? padded_channels(dev, inst) / x->block : x->dim[1], area = 1;
    for (int i = 2; i < x->rank; i++)
        area *= x->dim[i];
    struct loops loops = {.tensors = 3, .width = blocked ? x->block : 1};
    loops_push(&loops, x->dim[0], (int64_t[]){channels * area, 0, channels * area});
    loops_push(&loops, channels, (int64_t[]){area, 1, area});
    loops_push(&loops, area, (int64_t[]){1, 0, 1});
    return nest_make(dev, &loops, nest);
}

static bool norm_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct nest nest;
    if (inst->n_in < 5 || x->rank < 2 || !serves_type(inst, DT_F32) || !serves_int_index(inst))
        return false;
    for (int i = 1; i < 5; i++)
        if (!inst->constant[i] || tensor_elems(&inst->in[i]) != x->dim[1])
            return false;
    bool ours = x->layout == LAYOUT_PLAIN || x->block == device_get_info(dev)->float_width;
    return ours && x->layout == y->layout && x->block == y->block && channels_nest(dev, inst, &nest);
}

static size_t norm_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    return 2 * (size_t) padded_channels(dev, inst) * sizeof(float);
}

static enum cq_err norm_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    const float *const *in = (const float *const *) inst->constant;
    int64_t padded = padded_channels(dev, inst);
    float *scale = dst, *shift = scale + padded;
    for (int64_t c = 0; c < padded; c++) {
        bool pad = c >= inst->in[0].dim[1];
        double s = pad ? 0 : in[1][c] / sqrt((double) in[4][c] + inst->op->u.norm.epsilon);
        scale[c] = (float) s;
        shift[c] = pad ? 0 : (float) (in[2][c] - in[3][c] * s);
    }
    return CQ_OK;
}

static enum cq_err norm_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!channels_nest(dev, inst, &nest))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->packed), ARG_REF(bufs->out[0]), ARG_STRUCT(nest),
        ARG_INT(padded_channels(dev, inst)), ARG_INT(inst->op->act), ARG_FLOAT(inst->op->act_a),
        ARG_FLOAT(inst->op->act_b),
    };
    struct launch launch = {
        .program = &program,
        .kernel = inst->in[0].layout == LAYOUT_BLOCKED ? "affine_blocks" : "affine_rows",
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

const struct kernel_class kernel_batch_norm = {
    .name = "batch_norm", .kind = OP_BATCH_NORM, .serves = norm_serves, .packed_bytes = norm_packed_bytes,
    .packs = 0x1e, .in_place = 1, .pack = norm_pack, .enqueue = norm_enqueue,
};
