/* See conv_taps.h. */
#include "kernels/conv_taps.h"

#include <limits.h>
#include <string.h>

enum { ROWS_STEP = 64 };     /* as CONV_ROWS_STEP in the .cl */
enum { MANY = 4 };           /* output channels a group from which tiles pay */
enum { PACKED_MAX = INT_MAX / 4 };

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

bool conv_taps_of(const struct op_inst *inst, int slice, struct conv_taps *out)
{
    struct conv_geom g;
    if (!conv_geom_of(inst, &g) || !conv_layouts(inst, LAYOUT_PLAIN, LAYOUT_PLAIN) || g.kh > SHRT_MAX || g.kw > SHRT_MAX)
        return false;
    int64_t group = inst->op->u.conv.group, taps = g.c / group * g.kh * g.kw, rows = g.m / group, pixels;
    *out = (struct conv_taps) {g, group, taps, rows, round_up(taps, slice), round_up(rows, ROWS_STEP)};
    return !__builtin_mul_overflow((int64_t) g.n, (int64_t) g.oh * g.ow, &pixels) && pixels < INT_MAX - ROWS_STEP * 4 &&
           out->taps_up < PACKED_MAX / out->rows_up / group;
}

bool conv_taps_pay(const struct op_inst *inst)
{
    return inst->out[0].dim[1] / inst->op->u.conv.group >= MANY;
}

size_t conv_taps_head(const struct conv_taps *t)
{
    return (size_t) t->taps_up * 2 * sizeof(int32_t) + (size_t) round_up(t->geom.m, 4) * sizeof(float);
}

size_t conv_taps_weights(const struct conv_taps *t)
{
    return (size_t) (t->groups * t->taps_up * t->rows_up);
}

void *conv_taps_pack_head(const struct conv_taps *t, const struct op_inst *inst, void *dst, size_t weight_bytes)
{
    const struct conv_geom *g = &t->geom;
    const float *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int32_t *tap = dst;
    memset(dst, 0, conv_taps_head(t) + weight_bytes);
    for (int64_t k = 0; k < t->taps; k++) {
        int64_t place = k % (g->kh * g->kw);
        tap[2 * k] = (int32_t) (k / (g->kh * g->kw));
        tap[2 * k + 1] = (int32_t) (place / g->kw << 16 | place % g->kw);
    }
    if (bias)
        memcpy(tap + 2 * t->taps_up, bias, (size_t) g->m * sizeof *bias);
    return (char *) dst + conv_taps_head(t);
}

enum cq_err conv_taps_run(struct device *dev, const struct conv_taps *t, struct launch *launch,
                          const struct kernel_bufs *bufs)
{
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_STRUCT(t->geom),
        ARG_INT(t->groups),
    };
    launch->kernel = "conv_tiles";
    launch->args = args;
    launch->n_args = sizeof args / sizeof *args;
    return program_run(dev, launch);
}
