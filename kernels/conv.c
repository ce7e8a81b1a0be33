/* Geometry of a convolution and the program with all its kernels. */
#include "kernels/conv.h"

#include <limits.h>

#include "kernels/cl_sources.h"
#include "kernels/device.h"

/* Work of one work-item: some microseconds at tens of GFLOPS. */
static const double item_flops = 200e3;

/* Work-groups per compute unit below which the units would not finish together. */
enum { GROUPS_PER_UNIT = 16 };

const struct program_class conv_program = {
    .name = "conv",
    .source = {cl_common, cl_act, cl_conv, cl_conv_tile, cl_conv_lines, cl_conv_pointwise, cl_conv_strip, cl_conv_winograd, cl_conv_depthwise,
               cl_conv_rows, cl_conv_generic},
};

/* Every index of a plane must fit an int in the kernels. */
static bool fits_int(const struct tensor_desc *d)
{
    int64_t area = 1;
    for (int i = 1; i < d->rank; i++)
        if (d->dim[i] <= 0 || d->dim[i] > INT_MAX || __builtin_mul_overflow(area, d->dim[i], &area))
            return false;
    return d->dim[0] >= 0 && d->dim[0] <= INT_MAX && area < INT_MAX / 32;
}

/* What is convolved, as [N,C,...]. */
static struct tensor_desc input_of(const struct op_inst *inst)
{
    struct tensor_desc x = inst->in[0];
    if (inst->op->kind != OP_CONV_FRAMES)
        return x;
    x.type = x.type == DT_U8 && x.rank == 4 && x.dim[3] <= 4 ? DT_F32 : DT_NONE;
    x.dim[1] = inst->in[0].dim[3];
    x.dim[2] = inst->in[0].dim[1];
    x.dim[3] = inst->in[0].dim[2];
    return x;
}

bool conv_window_agrees(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc input = input_of(inst), *x = &input, *w = &inst->in[1], *y = &inst->out[0];
    bool transposed = inst->op->kind == OP_CONV_TRANSPOSE;
    if (a->spatial < 1 || a->spatial > OP_SPATIAL || a->group < 1)
        return false;
    int rank = a->spatial + 2;
    if (x->rank != rank || w->rank != rank || y->rank != rank || x->dim[0] != y->dim[0])
        return false;
    int64_t first = transposed ? x->dim[1] : y->dim[1], second = transposed ? y->dim[1] : x->dim[1];
    if (w->dim[0] != first || w->dim[1] * a->group != second || first % a->group || first == 0)
        return false;
    for (int i = 0; i < a->spatial; i++)
        if (w->dim[2 + i] != a->kernel[i] || a->stride[i] < 1 || a->dilation[i] < 1)
            return false;
    return true;
}

bool conv_shapes_agree(const struct op_inst *inst)
{
    const struct tensor_desc *y = &inst->out[0];
    if (!conv_window_agrees(inst))
        return false;
    const struct tensor_desc *bias = inst->n_in > 2 ? &inst->in[2] : NULL;
    if (bias && bias->type != DT_NONE && (bias->rank != 1 || bias->dim[0] != y->dim[1]))
        return false;
    const struct tensor_desc *residual = inst->n_in > 3 ? &inst->in[3] : NULL;
    return !residual || residual->type == DT_NONE || tensor_same_shape(residual, y);
}

bool conv_geom_of(const struct op_inst *inst, struct conv_geom *g)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc input = input_of(inst), *x = &input, *w = &inst->in[1], *y = &inst->out[0];
    int s = a->spatial;
    if (x->type != DT_F32 || w->type != DT_F32 || y->type != DT_F32 || s > 2 || !conv_shapes_agree(inst))
        return false;
    if (!fits_int(x) || !fits_int(y))
        return false;
    bool flat = s == 1;
    int row = 0, col = s - 1;
    *g = (struct conv_geom) {
        .n = (int32_t) x->dim[0], .c = (int32_t) x->dim[1], .m = (int32_t) y->dim[1],
        .h = flat ? 1 : (int32_t) x->dim[2], .w = (int32_t) x->dim[s + 1],
        .oh = flat ? 1 : (int32_t) y->dim[2], .ow = (int32_t) y->dim[s + 1],
        .kh = flat ? 1 : a->kernel[row], .kw = a->kernel[col],
        .sh = flat ? 1 : a->stride[row], .sw = a->stride[col],
        .dh = flat ? 1 : a->dilation[row], .dw = a->dilation[col],
        .pt = flat ? 0 : a->pad_begin[row], .pl = a->pad_begin[col],
        .act = (int32_t) inst->op->act, .act_first = a->act_first, .act_a = inst->op->act_a, .act_b = inst->op->act_b,
    };
    return true;
}

struct conv3_geom conv3_geom_of(const struct op_inst *inst)
{
    const struct conv_attrs *a = &inst->op->u.conv;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct conv3_geom g = {
        .n = (int32_t) x->dim[0], .c = (int32_t) x->dim[1], .m = (int32_t) y->dim[1], .group = a->group,
        .in = {1, 1, 1}, .out = {1, 1, 1}, .k = {1, 1, 1}, .s = {1, 1, 1}, .d = {1, 1, 1},
        .act = (int32_t) inst->op->act, .act_first = a->act_first, .act_a = inst->op->act_a, .act_b = inst->op->act_b,
    };
    for (int i = 0; i < a->spatial; i++) {
        int to = OP_SPATIAL - a->spatial + i;
        g.in[to] = (int32_t) x->dim[2 + i];
        g.out[to] = (int32_t) y->dim[2 + i];
        g.k[to] = a->kernel[i];
        g.s[to] = a->stride[i];
        g.d[to] = a->dilation[i];
        g.p[to] = a->pad_begin[i];
    }
    return g;
}

bool conv_layouts(const struct op_inst *inst, enum layout x, enum layout y)
{
    const struct tensor_desc *residual = inst->n_in > 3 ? &inst->in[3] : NULL;
    if (inst->in[0].layout != x || inst->out[0].layout != y || !inst->constant[1])
        return false;
    if (inst->n_in > 2 && inst->in[2].type != DT_NONE && (inst->in[2].type != DT_F32 || !inst->constant[2]))
        return false;
    return !residual || residual->type == DT_NONE ||
           (residual->type == DT_F32 && residual->layout == y);
}

int conv_width(const struct device *dev)
{
    return device_get_info(dev)->float_width;
}

int conv_tile_px(int width)
{
    return width == 16 ? 12 : width == 8 ? 6 : 4;
}

int conv_per_item(const struct device *dev, int64_t tiles, int64_t others, double flops)
{
    int64_t wanted = (int64_t) GROUPS_PER_UNIT * device_units(dev);
    /* A unit by itself waits for none. */
    int64_t most = device_units(dev) == 1 ? tiles : tiles * others / (wanted > 0 ? wanted : 1);
    double per_item = item_flops / (flops > 1 ? flops : 1);
    if (per_item > (double) most)
        per_item = (double) most;
    if (per_item > (double) tiles)
        per_item = (double) tiles;
    return per_item < 1 ? 1 : (int) per_item;
}
