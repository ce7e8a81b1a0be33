/* First layers, one group, BLOCKED output: conv_plain_in (PLAIN input of few channels) and conv_frames (OP_CONV_FRAMES).
 * The kernels, and how they read their input, are in cl/conv_lines.cl; conv.h has the packing. */
#include <limits.h>
#include <string.h>

#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/device.h"

enum {
    PLAIN_IN_MAX = 16,        /* input channels up to which a tap of PLAIN pixels pays */
    LINES_FLOATS = 4096,      /* what the lines may take in local memory, beside the weights in the first cache */
};

/* As in kernels/cl/conv_lines.cl. */
struct lines {
    struct conv_geom g;
    int32_t planes, run, step, pixel, strip, pitch;
};

static int64_t line_floats(const struct lines *t, int64_t strip)
{
    return (strip - 1) * t->pixel + (int64_t) (t->run - 1) * t->step + 1;
}

/* The longest strips that fit, as even as whole tiles can be, since a tile that is cut short does its work in full; false
 * when not even a tile does. */
static bool cut(struct lines *t, int width)
{
    int64_t lines = (int64_t) t->planes * t->g.kh, ow = t->g.ow, tile = 2 * conv_tile_px(width);
    if (lines > LINES_FLOATS || ow < 1 || line_floats(t, tile) > LINES_FLOATS / lines)
        return false;
    int64_t most = 1 + (LINES_FLOATS / lines - line_floats(t, tile)) / (t->pixel * tile);
    int64_t tiles = (ow + tile - 1) / tile, strips = (tiles + most - 1) / most;
    t->strip = (int32_t) ((tiles + strips - 1) / strips * tile);
    t->pitch = (int32_t) line_floats(t, t->strip);
    return true;
}

/* Along one dimension: are all positions, within the image or not, small enough to count in int? */
static bool countable(int64_t out, int stride, int64_t kernel, int dilation, int64_t pad, int64_t in)
{
    return stride <= LINES_FLOATS && kernel <= LINES_FLOATS && dilation <= LINES_FLOATS &&
           out * stride + kernel * dilation + pad + in < INT_MAX / PLAIN_IN_MAX;
}

static bool lines_of(const struct device *dev, const struct op_inst *inst, struct lines *t)
{
    bool interleaved = inst->op->kind == OP_CONV_FRAMES;
    struct conv_geom *g = &t->g;
    if (!conv_geom_of(inst, g) || inst->op->u.conv.group != 1 || g->c > PLAIN_IN_MAX || g->pt < 0 || g->pl < 0 ||
        !countable(g->oh, g->sh, g->kh, g->dh, g->pt, g->h) || !countable(g->ow, g->sw, g->kw, g->dw, g->pl, g->w) ||
        (interleaved && g->dw > 1) || !conv_layouts(inst, LAYOUT_PLAIN, LAYOUT_BLOCKED))
        return false;
    t->planes = interleaved ? 1 : g->c;
    t->run = interleaved ? g->kw * g->c : g->kw;
    t->step = g->dw;
    t->pixel = interleaved ? g->sw * g->c : g->sw;
    return cut(t, conv_width(dev));
}

static bool plain_in_serves(const struct device *dev, const struct op_inst *inst)
{
    struct lines t;
    return lines_of(dev, inst, &t);
}

static bool frames_serves(const struct device *dev, const struct op_inst *inst)
{
    struct lines t;
    return !device_get_info(dev)->simt && lines_of(dev, inst, &t);
}

/* ---- weights ---- */

/* As many as conv_tile's, in another order. */
static size_t packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    return kernel_conv_tile.packed_bytes(dev, inst);
}

/* Weights [M][C][taps] in the order of the lines: [tiles][C][taps][2V], or for frames [tiles][taps][C][2V], times the
 * scale of the channel. */
static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *packed)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    const float *scale = inst->op->kind == OP_CONV_FRAMES ? inst->op->u.conv_frames.scale : NULL;
    int64_t pair = 2 * conv_width(dev), tiles = (g.m + pair - 1) / pair, taps = (int64_t) g.kh * g.kw;
    float *dst = packed;
    memset(dst, 0, packed_bytes(dev, inst));
    dst += pair;
    if (bias)
        memcpy(dst, bias, (size_t) g.m * sizeof *dst);
    dst += tiles * pair;
    for (int64_t m = 0; m < g.m; m++)
        for (int64_t c = 0; c < g.c; c++)
            for (int64_t tap = 0; tap < taps; tap++) {
                int64_t at = scale ? tap * g.c + c : c * taps + tap;
                float v = w[(m * g.c + c) * taps + tap];
                dst[(m / pair * taps * g.c + at) * pair + m % pair] = scale ? v * scale[c] : v;
            }
    return CQ_OK;
}

/* ---- running ---- */

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    bool frames = inst->op->kind == OP_CONV_FRAMES;
    struct lines t;
    struct { float mean[4]; } norm = {{0}};
    if (!lines_of(dev, inst, &t))
        return CQ_INTERNAL;
    if (frames)
        memcpy(norm.mean, inst->op->u.conv_frames.mean, sizeof norm.mean);
    t.g.per_item = conv_per_item(dev, t.g.oh, t.g.n, 2.0 * t.g.ow * t.g.m * t.g.c * t.g.kh * t.g.kw);
    size_t room = (size_t) (t.planes * t.g.kh) * (size_t) t.pitch * sizeof(float);
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_LOCAL(room),
        ARG_STRUCT(t), ARG_STRUCT(norm),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program,
        .kernel = frames ? "conv_frames" : "conv_plain_in",
        .dims = 2,
        .global = {(size_t) ((t.g.oh + t.g.per_item - 1) / t.g.per_item), (size_t) t.g.n},
        .local = {1, 1},
        .args = args,
        .n_args = frames ? 7 : 6,
    });
}

const struct kernel_class kernel_conv_plain_in = {
    .name = "conv_plain_in",
    .kind = OP_CONV,
    .serves = plain_in_serves,
    .packed_bytes = packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = enqueue,
};

const struct kernel_class kernel_conv_frames = {
    .name = "conv_frames",
    .kind = OP_CONV_FRAMES,
    .serves = frames_serves,
    .packed_bytes = packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = enqueue,
};
