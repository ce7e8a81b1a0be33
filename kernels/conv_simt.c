/* Convolution in PLAIN layout for SIMT devices: as a matrix product (conv_simt, and with weights kept as halves), and
 * element by element where a group has few output channels (conv_direct). Kernels in cl/conv_simt.cl. */
#include "kernels/base/half.h"
#include "kernels/classes.h"
#include "kernels/conv_taps.h"
#include "kernels/device.h"
#include "kernels/nest.h"
#include "kernels/serves.h"
#include "kernels/simt.h"

/* ---- as a matrix product ---- */

static bool tiles_serve(const struct device *dev, const struct op_inst *inst)
{
    struct conv_taps t;
    (void) dev;
    return conv_taps_of(inst, SIMT_TILE_K, &t);
}

static bool half_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->half && tiles_serve(dev, inst);
}

static bool tiles_pay(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return conv_taps_pay(inst);
}

static size_t packed_bytes(const struct op_inst *inst, size_t weight)
{
    struct conv_taps t;
    conv_taps_of(inst, SIMT_TILE_K, &t);
    return conv_taps_head(&t) + conv_taps_weights(&t) * weight;
}

static size_t tiles_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return packed_bytes(inst, sizeof(float));
}

static size_t half_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return packed_bytes(inst, sizeof(uint16_t));
}

/* Where weight (m, k) goes: [group][K][M]. */
static int64_t place_of(const struct conv_taps *t, int64_t m, int64_t k)
{
    return (m / t->rows * t->taps_up + k) * t->rows_up + m % t->rows;
}

static enum cq_err pack(const struct op_inst *inst, void *dst, bool half)
{
    struct conv_taps t;
    conv_taps_of(inst, SIMT_TILE_K, &t);
    const float *w = inst->constant[1];
    void *to = conv_taps_pack_head(&t, inst, dst, conv_taps_weights(&t) * (half ? sizeof(uint16_t) : sizeof(float)));
    for (int64_t m = 0; m < t.geom.m; m++) {
        for (int64_t k = 0; k < t.taps; k++, w++) {
            if (half)
                cq_halves_from_floats(w, 1, (uint16_t *) to + place_of(&t, m, k));
            else
                ((float *) to)[place_of(&t, m, k)] = *w;
        }
    }
    return CQ_OK;
}

static enum cq_err tiles_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    (void) dev;
    return pack(inst, dst, false);
}

static enum cq_err half_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    (void) dev;
    return pack(inst, dst, true);
}

static enum cq_err run_tiles(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, bool half)
{
    static const char *const options[2][2] = {{NULL, SIMT_LOW}, {"-DHALF_WEIGHTS", "-DHALF_WEIGHTS " SIMT_LOW}};
    struct conv_taps t;
    struct launch launch = {.program = &simt_program};
    conv_taps_of(inst, SIMT_TILE_K, &t);
    bool low = simt_tiles(&launch, t.rows, (int64_t) t.geom.n * t.geom.oh * t.geom.ow, t.groups);
    launch.options = options[half][low];
    return conv_taps_run(dev, &t, &launch, bufs);
}

static enum cq_err tiles_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return run_tiles(dev, inst, bufs, false);
}

static enum cq_err half_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return run_tiles(dev, inst, bufs, true);
}

/* ---- element by element ---- */

static bool direct_serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return serves_type(inst, DT_F32) && serves_plain(inst) && conv_geom_of(inst, &g);
}

static enum cq_err direct_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]),  ARG_REF(bufs->in[1]), ARG_REF(bufs->in[2]), ARG_REF(bufs->in[3]),
        ARG_REF(bufs->out[0]), ARG_STRUCT(g),        ARG_INT(inst->op->u.conv.group),
    };
    return program_run(dev, &(struct launch) {
        .program = &simt_program, .kernel = "conv_direct", .dims = 3,
        .global = {(size_t) g.oh * (size_t) g.ow, (size_t) g.m, (size_t) g.n},
        .local = {(size_t) nest_local_size(dev), 1, 1}, .args = args, .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_simt = {
    .name = "conv_simt", .kind = OP_CONV, .simt = true, .serves = tiles_serve, .pays = tiles_pay,
    .packed_bytes = tiles_packed_bytes, .packs = 1u << 1 | 1u << 2, .in_place = CONV_IN_PLACE, .pack = tiles_pack,
    .enqueue = tiles_enqueue,
};

const struct kernel_class kernel_conv_simt_half = {
    .name = "conv_simt_half", .kind = OP_CONV, .simt = true, .serves = half_serves, .pays = tiles_pay,
    .packed_bytes = half_packed_bytes, .packs = 1u << 1 | 1u << 2, .in_place = CONV_IN_PLACE, .pack = half_pack,
    .enqueue = half_enqueue,
};

const struct kernel_class kernel_conv_direct = {
    .name = "conv_direct", .kind = OP_CONV, .simt = true, .serves = direct_serves, .in_place = CONV_IN_PLACE,
    .enqueue = direct_enqueue,
};
