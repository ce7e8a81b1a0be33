/* Convolution and transposed convolution over one to three spatial dimensions. */
#include "kernels/ref/ref.h"

#include <stdlib.h>
#include <string.h>

struct conv {
    const struct op_inst *inst;
    const void *const *in;
    struct ref_window w;
    int64_t channels, out_channels;     /* of x and y, all groups together */
    int64_t in_area, out_area, window;  /* products of w.in, w.out, w.kernel */
};

static int64_t volume(const int n[OP_SPATIAL])
{
    return (int64_t) n[0] * n[1] * n[2];
}

static enum cq_err conv_init(struct conv *c, const struct op_inst *inst, const void *const *in)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    if (inst->n_in < 2 || !ref_is_float(x->type) || inst->op->u.conv.group < 1)
        return CQ_UNSUPPORTED;
    enum cq_err err = ref_window_init(&c->w, &inst->op->u.conv, x, y);
    if (err)
        return err;
    c->inst = inst;
    c->in = in;
    c->channels = x->dim[1];
    c->out_channels = y->dim[1];
    c->in_area = volume(c->w.in);
    c->out_area = volume(c->w.out);
    c->window = volume(c->w.kernel);
    return CQ_OK;
}

static double input(const struct conv *c, int which, int64_t i)
{
    return ref_load(c->in[which], c->inst->in[which].type, i);
}

/* Sum over one channel's window around output position o; x and weight index its first element. */
static double window_sum(const struct conv *c, const int o[OP_SPATIAL], int64_t x, int64_t weight)
{
    const struct ref_window *w = &c->w;
    double sum = 0;
    for (int k0 = 0; k0 < w->kernel[0]; k0++)
        for (int k1 = 0; k1 < w->kernel[1]; k1++)
            for (int k2 = 0; k2 < w->kernel[2]; k2++, weight++) {
                int i0 = o[0] * w->stride[0] + k0 * w->dilation[0] - w->pad_begin[0];
                int i1 = o[1] * w->stride[1] + k1 * w->dilation[1] - w->pad_begin[1];
                int i2 = o[2] * w->stride[2] + k2 * w->dilation[2] - w->pad_begin[2];
                if (i0 < 0 || i1 < 0 || i2 < 0 || i0 >= w->in[0] || i1 >= w->in[1] || i2 >= w->in[2])
                    continue;
                sum += input(c, 0, x + ((int64_t) i0 * w->in[1] + i1) * w->in[2] + i2) * input(c, 1, weight);
            }
    return sum;
}

/* The input position that kernel tap k carries to output position o, or -1. */
static int source(const struct ref_window *w, int axis, int o, int k)
{
    int from = o + w->pad_begin[axis] - k * w->dilation[axis];
    if (from < 0 || from % w->stride[axis] || from / w->stride[axis] >= w->in[axis])
        return -1;
    return from / w->stride[axis];
}

static double window_sum_transposed(const struct conv *c, const int o[OP_SPATIAL], int64_t x, int64_t weight)
{
    const struct ref_window *w = &c->w;
    double sum = 0;
    for (int k0 = 0; k0 < w->kernel[0]; k0++)
        for (int k1 = 0; k1 < w->kernel[1]; k1++)
            for (int k2 = 0; k2 < w->kernel[2]; k2++, weight++) {
                int i0 = source(w, 0, o[0], k0), i1 = source(w, 1, o[1], k1), i2 = source(w, 2, o[2], k2);
                if (i0 >= 0 && i1 >= 0 && i2 >= 0)
                    sum += input(c, 0, x + ((int64_t) i0 * w->in[1] + i1) * w->in[2] + i2) * input(c, 1, weight);
            }
    return sum;
}

/* One output element before bias. Weights are [M, C/group, ...], or [C, M/group, ...] when transposed. */
static double element(const struct conv *c, int64_t n, int64_t m, const int o[OP_SPATIAL])
{
    bool transposed = c->inst->op->kind == OP_CONV_TRANSPOSE;
    int64_t groups = c->inst->op->u.conv.group;
    int64_t per_group = c->channels / groups, out_per_group = c->out_channels / groups;
    int64_t group = m / out_per_group;
    double sum = 0;
    for (int64_t i = 0; i < per_group; i++) {
        int64_t channel = group * per_group + i;
        int64_t x = (n * c->channels + channel) * c->in_area;
        if (transposed)
            sum += window_sum_transposed(c, o, x, (channel * out_per_group + m % out_per_group) * c->window);
        else
            sum += window_sum(c, o, x, (m * per_group + i) * c->window);
    }
    return sum;
}

enum cq_err ref_conv(const struct op_inst *inst, const void *const *in, void *const *out)
{
    struct conv c;
    enum cq_err err = conv_init(&c, inst, in);
    if (err)
        return err;
    bool has_bias = inst->n_in > 2 && in[2];
    bool has_residual = inst->n_in > 3 && in[3];
    int64_t images = inst->out[0].dim[0], at = 0;
    for (int64_t n = 0; n < images; n++)
        for (int64_t m = 0; m < c.out_channels; m++) {
            double bias = has_bias ? input(&c, 2, m) : 0;
            for (int64_t i = 0; i < c.out_area; i++, at++) {
                int o[OP_SPATIAL] = {(int) (i / c.w.out[2] / c.w.out[1]), (int) (i / c.w.out[2] % c.w.out[1]),
                                     (int) (i % c.w.out[2])};
                double y = element(&c, n, m, o) + bias, residual = has_residual ? input(&c, 3, at) : 0;
                y = inst->op->u.conv.act_first ? ref_act(inst->op, y) + residual : ref_act(inst->op, y + residual);
                ref_store(out[0], inst->out[0].type, at, y);
            }
        }
    return CQ_OK;
}

enum cq_err ref_conv_transpose(const struct op_inst *inst, const void *const *in, void *const *out)
{
    return ref_conv(inst, in, out);
}

static enum cq_err conv_of_image(struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct op *frames = inst->op;
    struct op image = {.kind = OP_IMAGE}, conv = {.kind = OP_CONV, .act = frames->act};
    struct op_inst first = {.op = &image, .n_in = 1, .n_out = 1, .in = {inst->in[0]}};
    memcpy(image.u.image.mean, frames->u.conv_frames.mean, sizeof image.u.image.mean);
    memcpy(image.u.image.scale, frames->u.conv_frames.scale, sizeof image.u.image.scale);
    conv.act_a = frames->act_a;
    conv.act_b = frames->act_b;
    conv.u.conv = frames->u.conv;
    inst->op = &conv;
    inst->in[0] = first.out[0] = (struct tensor_desc) {
        .type = DT_F64, .rank = 4, .dim = {first.in[0].dim[0], first.in[0].dim[3], first.in[0].dim[1], first.in[0].dim[2]},
    };
    double *x = malloc(tensor_bytes(&inst->in[0]) + 1);
    const void *conv_in[] = {x, in[1], inst->n_in > 2 ? in[2] : NULL, inst->n_in > 3 ? in[3] : NULL};
    void *image_out[] = {x};
    enum cq_err err = x ? ref_image(&first, in, image_out) : CQ_NOMEM;
    if (!err)
        err = ref_conv(inst, conv_in, out);
    free(x);
    return err;
}

enum cq_err ref_conv_frames(const struct op_inst *inst, const void *const *in, void *const *out)
{
    if (inst->in[0].rank != 4 || inst->n_in < 2 || inst->n_in > 4)
        return CQ_UNSUPPORTED;
    struct op_inst *planar = malloc(sizeof *planar);
    if (!planar)
        return CQ_NOMEM;
    *planar = *inst;
    enum cq_err err = conv_of_image(planar, in, out);
    free(planar);
    return err;
}
