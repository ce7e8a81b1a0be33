/* Convolution in PLAIN layout by matrix instructions, weights and pixels as halves. Kernel in cl/conv_mma.cl. */
#include "kernels/base/half.h"
#include "kernels/classes.h"
#include "kernels/conv_taps.h"
#include "kernels/mma.h"
#include "kernels/simt.h"

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_taps t;
    (void) dev;
    return inst->half && conv_taps_of(inst, MMA_TILE_K, &t);
}

static bool pays(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return conv_taps_pay(inst);
}

static size_t packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct conv_taps t;
    (void) dev;
    conv_taps_of(inst, MMA_TILE_K, &t);
    return conv_taps_head(&t) + conv_taps_weights(&t) * sizeof(uint16_t);
}

/* [group][M][K]. */
static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    struct conv_taps t;
    (void) dev;
    conv_taps_of(inst, MMA_TILE_K, &t);
    const float *w = inst->constant[1];
    uint16_t *to = conv_taps_pack_head(&t, inst, dst, conv_taps_weights(&t) * sizeof *to);
    for (int64_t m = 0; m < t.geom.m; m++)
        cq_halves_from_floats(w + m * t.taps, (size_t) t.taps,
                              to + (m / t.rows * t.rows_up + m % t.rows) * t.taps_up);
    return CQ_OK;
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv_taps t;
    struct launch launch = {.program = &mma_program};
    conv_taps_of(inst, MMA_TILE_K, &t);
    bool low = simt_tiles(&launch, t.rows, (int64_t) t.geom.n * t.geom.oh * t.geom.ow, t.groups);
    launch.options = mma_options(dev, low);
    return conv_taps_run(dev, &t, &launch, bufs);
}

const struct kernel_class kernel_conv_mma = {
    .name = "conv_mma", .kind = OP_CONV, .mma = true, .serves = serves, .pays = pays, .packed_bytes = packed_bytes,
    .packs = 1u << 1 | 1u << 2, .in_place = CONV_IN_PLACE, .pack = pack, .enqueue = enqueue,
};
