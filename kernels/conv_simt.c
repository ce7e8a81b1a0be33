/* Convolution in PLAIN layout for SIMT devices: as a matrix product (conv_simt), and element by element where a group
 * has few output channels (conv_direct). Kernels and the packing in cl/conv_simt.cl. */
#include <limits.h>
#include <string.h>

#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/nest.h"
#include "kernels/serves.h"
#include "kernels/simt.h"

enum { ROWS_STEP = 64 };     /* as CONV_ROWS_STEP in the .cl */
enum { MANY = 4 };           /* output channels a group from which tiles pay */
enum { PACKED_MAX = INT_MAX / 4 };

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

struct packing {
    int64_t group, taps, rows;         /* a group's: terms of a sum, output channels */
    int64_t taps_up, rows_up;
};

static struct packing packing_of(const struct op_inst *inst, const struct conv_geom *g)
{
    int64_t group = inst->op->u.conv.group, taps = g->c / group * g->kh * g->kw, rows = g->m / group;
    return (struct packing) {group, taps, rows, round_up(taps, SIMT_TILE_K), round_up(rows, ROWS_STEP)};
}

/* ---- as a matrix product ---- */

static bool tiles_serve(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    if (!conv_geom_of(inst, &g) || !conv_layouts(inst, LAYOUT_PLAIN, LAYOUT_PLAIN) || g.kh > SHRT_MAX ||
        g.kw > SHRT_MAX)
        return false;
    struct packing p = packing_of(inst, &g);
    int64_t pixels;
    return !__builtin_mul_overflow((int64_t) g.n, (int64_t) g.oh * g.ow, &pixels) && pixels < INT_MAX - ROWS_STEP * 4 &&
           p.taps_up < PACKED_MAX / p.rows_up / p.group;
}

static bool tiles_pay(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return inst->out[0].dim[1] / inst->op->u.conv.group >= MANY;
}

static size_t tiles_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    conv_geom_of(inst, &g);
    struct packing p = packing_of(inst, &g);
    return (size_t) p.taps_up * 2 * sizeof(int32_t) +
           (size_t) (p.group * p.taps_up * p.rows_up + g.m) * sizeof(float);
}

static enum cq_err tiles_pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    struct packing p = packing_of(inst, &g);
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    memset(dst, 0, tiles_packed_bytes(dev, inst));
    int32_t *tap = dst;
    float *to = (float *) (tap + 2 * p.taps_up);
    for (int64_t k = 0; k < p.taps; k++) {
        int64_t place = k % (g.kh * g.kw);
        tap[2 * k] = (int32_t) (k / (g.kh * g.kw));
        tap[2 * k + 1] = (int32_t) (place / g.kw << 16 | place % g.kw);
    }
    for (int64_t m = 0; m < g.m; m++)
        for (int64_t k = 0; k < p.taps; k++)
            to[(m / p.rows * p.taps_up + k) * p.rows_up + m % p.rows] = w[m * p.taps + k];
    if (bias)
        memcpy(to + p.group * p.taps_up * p.rows_up, bias, (size_t) g.m * sizeof *bias);
    return CQ_OK;
}

static enum cq_err tiles_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int group = inst->op->u.conv.group;
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_STRUCT(g),
        ARG_INT(group),
    };
    struct launch launch = {.kernel = "conv_tiles", .args = args, .n_args = sizeof args / sizeof *args};
    simt_tiles(&launch, g.m / group, (int64_t) g.n * g.oh * g.ow, group);
    return program_run(dev, &launch);
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

const struct kernel_class kernel_conv_direct = {
    .name = "conv_direct", .kind = OP_CONV, .simt = true, .serves = direct_serves, .in_place = CONV_IN_PLACE,
    .enqueue = direct_enqueue,
};
