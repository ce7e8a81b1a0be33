/* Convolutions, images and reorders for check_kernels. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/check_kernels.h"

static const int channel_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 33, 48, 64};
static const int kernel_sizes[] = {1, 1, 2, 3, 3, 3, 5, 7};

enum {
    N_CHANNELS = sizeof channel_counts / sizeof *channel_counts,
    N_SIZES = sizeof kernel_sizes / sizeof *kernel_sizes
};

static int out_extent(const struct conv_attrs *a, int i, int in)
{
    int window = (a->kernel[i] - 1) * a->dilation[i] + 1;
    return (in + a->pad_begin[i] + a->pad_end[i] - window) / a->stride[i] + 1;
}

static int transposed_extent(const struct conv_attrs *a, int i, int in, int output_padding)
{
    return (in - 1) * a->stride[i] + output_padding + (a->kernel[i] - 1) * a->dilation[i] + 1 - a->pad_begin[i] -
           a->pad_end[i];
}

static void random_act(struct check_rng *r, struct op *op)
{
    op->act = (enum act) check_int(r, ACT_NONE, ACT_TANH);
    op->act_a = check_float(r, 0.05f, 0.3f);
    op->act_b = op->act == ACT_CLIP ? 0.8f : 0.5f;
}

/* Window, strides and pads; pads stay smaller than the window's reach but may differ. */
static void random_window(struct check_rng *r, struct conv_attrs *a)
{
    for (int i = 0; i < a->spatial; i++) {
        a->kernel[i] = check_pick(r, kernel_sizes, N_SIZES);
        a->stride[i] = check_chance(r, 60) ? 1 : check_int(r, 1, 4);
        a->dilation[i] = check_chance(r, 80) ? 1 : check_int(r, 2, 5);
        int reach = (a->kernel[i] - 1) * a->dilation[i];
        if (check_chance(r, 70))
            a->pad_begin[i] = a->pad_end[i] = reach / 2;
        else {
            a->pad_begin[i] = check_int(r, 0, reach);
            a->pad_end[i] = check_int(r, 0, reach);
        }
    }
}

static void random_pointwise(struct conv_attrs *a)
{
    for (int i = 0; i < a->spatial; i++) {
        a->kernel[i] = a->stride[i] = a->dilation[i] = 1;
        a->pad_begin[i] = a->pad_end[i] = 0;
    }
}

/* An extent that leaves at least one output. */
static int random_extent(struct check_rng *r, const struct conv_attrs *a, int i, int most)
{
    int least = (a->kernel[i] - 1) * a->dilation[i] + 1 - a->pad_begin[i] - a->pad_end[i];
    int n = check_chance(r, 10) ? 1 : check_int(r, 1, most);
    return n < least ? least : n;
}

static void describe(struct check_case *c)
{
    const struct conv_attrs *a = &c->op.u.conv;
    char x[TENSOR_TEXT_SIZE];
    tensor_text(&c->inst.in[0], x);
    int s = a->spatial - 1;
    snprintf(c->text, sizeof c->text, "%.60s m%d k%dx%d s%d d%d p%d,%d g%d act%d%s%s", x + strlen("float32"),
             (int) c->inst.out[0].dim[1], s ? a->kernel[s - 1] : 1, a->kernel[s], a->stride[s], a->dilation[s],
             a->pad_begin[s], a->pad_end[s], a->group, (int) c->op.act, c->inst.in[2].type ? " bias" : "",
             !c->inst.in[3].type ? "" : a->act_first ? " then residual" : " residual");
}

/* Sums of n products of numbers in [-1, 1] spread like sqrt(n); what rounds them is not undone by an activation
 * that bounds the result. */
static float scale_of(const struct op *op, int channels)
{
    bool bounded = op->act == ACT_SIGMOID || op->act == ACT_HARD_SIGMOID || op->act == ACT_CLIP || op->act == ACT_TANH;
    float products = (float) (channels / op->u.conv.group);
    for (int i = 0; i < op->u.conv.spatial; i++)
        products *= (float) op->u.conv.kernel[i];
    return bounded ? sqrtf(products) : 0;
}

/* Fills in weights, bias, residual and output from x and the attributes. */
static void complete(struct check_case *c, int m, bool bias, bool residual, int output_padding)
{
    const struct conv_attrs *a = &c->op.u.conv;
    struct op_inst *inst = &c->inst;
    bool transposed = c->op.kind == OP_CONV_TRANSPOSE;
    int channels = (int) inst->in[0].dim[1];
    inst->in[1] = check_tensor(DT_F32, 2, transposed ? channels : m, (transposed ? m : channels) / a->group);
    inst->out[0] = check_tensor(DT_F32, 2, (int) inst->in[0].dim[0], m);
    inst->in[1].rank = inst->out[0].rank = a->spatial + 2;
    for (int i = 0; i < a->spatial; i++) {
        int in = (int) inst->in[0].dim[2 + i];
        inst->in[1].dim[2 + i] = a->kernel[i];
        inst->out[0].dim[2 + i] = transposed ? transposed_extent(a, i, in, output_padding) : out_extent(a, i, in);
    }
    inst->n_in = 2;
    inst->n_out = 1;
    c->constants = 1u << 1;
    if (bias) {
        inst->in[2] = check_tensor(DT_F32, 1, m);
        inst->n_in = 3;
        c->constants |= 1u << 2;
    }
    if (residual) {
        inst->in[3] = inst->out[0];
        inst->n_in = 4;
        c->op.u.conv.act_first = m % 2;
    }
    c->scale = scale_of(&c->op, channels);
    describe(c);
}

static void make_conv(struct check_rng *r, int n, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    enum { DENSE, POINTWISE, DEPTHWISE, GROUPED } style = (unsigned) n % 4;
    c->op.kind = OP_CONV;
    c->inst.half = true;
    random_act(r, &c->op);
    a->spatial = check_chance(r, 80) ? 2 : check_pick(r, (const int[]) {1, 3}, 2);
    if (style == POINTWISE)
        random_pointwise(a);
    else
        random_window(r, a);
    int channels = check_pick(r, channel_counts, N_CHANNELS), m = check_pick(r, channel_counts, N_CHANNELS);
    a->group = 1;
    if (style == DEPTHWISE) {
        a->group = channels;
        m = check_chance(r, 80) ? channels : 2 * channels;
    } else if (style == GROUPED) {
        a->group = check_int(r, 2, 4);
        channels = a->group * check_int(r, 1, 9);
        m = a->group * check_int(r, 1, 9);
    }
    int images = check_chance(r, 60) ? 1 : check_int(r, 2, 9);
    c->inst.in[0] = check_tensor(DT_F32, 2, images, channels);
    c->inst.in[0].rank = a->spatial + 2;
    for (int i = 0; i < a->spatial; i++) {
        bool wide = i == a->spatial - 1 && check_chance(r, 20);
        c->inst.in[0].dim[2 + i] = random_extent(r, a, i, wide ? 100 : a->spatial == 1 ? 40 : a->spatial == 2 ? 19 : 7);
    }
    complete(c, m, check_chance(r, 70), check_chance(r, 30), 0);
    if (check_chance(r, 5))
        c->constants = 0;
}

/* The window that minimal filtering is for: channels enough to pay, images of one tile and of several chunks of
 * tiles, odd edges. */
static void make_three_by_three(struct check_rng *r, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    bool tiny = c->small = check_chance(r, 30);
    c->op.kind = OP_CONV;
    c->inst.half = true;
    random_act(r, &c->op);
    *a = (struct conv_attrs) {.spatial = 2, .group = 1, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    for (int i = 0; i < 2; i++) {
        a->pad_begin[i] = tiny ? 1 : check_int(r, 0, 2);
        a->pad_end[i] = tiny ? 1 : check_int(r, 0, 2);
    }
    int most = tiny ? 4 : check_chance(r, 20) ? 60 : 21, least = tiny ? 4 : 3, channels = tiny ? 42 : 80;
    int h = check_int(r, least, most), w = check_int(r, least, most);
    c->inst.in[0] = check_tensor(DT_F32, 4, tiny ? 1 : check_int(r, 1, 3), check_int(r, channels / 2, channels),
                                 check_chance(r, 40) ? 2 : h, w);
    complete(c, check_int(r, channels - 2, channels), check_chance(r, 70), check_chance(r, 30), 0);
}

static void make_transpose(struct check_rng *r, int n, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    (void) n;
    c->op.kind = OP_CONV_TRANSPOSE;
    random_act(r, &c->op);
    a->spatial = check_chance(r, 70) ? 2 : check_pick(r, (const int[]) {1, 3}, 2);
    a->group = check_chance(r, 60) ? 1 : check_int(r, 2, 3);
    for (int i = 0; i < a->spatial; i++) {
        a->kernel[i] = check_int(r, 1, 4);
        a->stride[i] = check_int(r, 1, 3);
        a->dilation[i] = check_chance(r, 80) ? 1 : 2;
        int reach = (a->kernel[i] - 1) * a->dilation[i];
        a->pad_begin[i] = check_int(r, 0, reach / 2);
        a->pad_end[i] = check_int(r, 0, reach / 2);
    }
    c->inst.in[0] = check_tensor(DT_F32, 2, check_int(r, 1, 3), a->group * check_int(r, 1, 9));
    c->inst.in[0].rank = a->spatial + 2;
    for (int i = 0; i < a->spatial; i++)
        c->inst.in[0].dim[2 + i] = check_int(r, 1, a->spatial == 3 ? 5 : 13);
    complete(c, a->group * check_int(r, 1, 9), check_chance(r, 70), false, check_int(r, 0, 1));
}

static void make_reorder(struct check_rng *r, int n, struct check_case *c)
{
    (void) n;
    c->op.kind = OP_REORDER;
    int images = check_int(r, 1, 4), channels = check_int(r, 1, 40), width = check_int(r, 1, 33);
    c->inst.in[0] = check_chance(r, 80) ? check_tensor(DT_F32, 4, images, channels, check_int(r, 1, 9), width)
                                        : check_tensor(DT_F32, 3, images, channels, width);
    c->inst.out[0] = c->inst.in[0];
    c->inst.n_in = c->inst.n_out = 1;
    tensor_text(&c->inst.in[0], c->text);
}

static void make_image(struct check_rng *r, int n, struct check_case *c)
{
    (void) n;
    c->op.kind = OP_IMAGE;
    int images = check_int(r, 1, 4), h = check_int(r, 1, 20), w = check_int(r, 1, 40);
    int channels = check_chance(r, 60) ? 3 : check_int(r, 1, 4);
    enum dtype type = check_chance(r, 80) ? DT_F32 : DT_F16;
    for (int i = 0; i < 4; i++) {
        c->op.u.image.mean[i] = check_float(r, 0, 255);
        c->op.u.image.scale[i] = check_float(r, 0.001f, 1);
    }
    c->op.u.image.nhwc = check_chance(r, 40);
    c->inst.in[0] = check_tensor(DT_U8, 4, images, h, w, channels);
    c->inst.out[0] = c->op.u.image.nhwc ? check_tensor(type, 4, images, h, w, channels)
                                        : check_tensor(type, 4, images, channels, h, w);
    c->inst.n_in = c->inst.n_out = 1;
    c->tolerance = type == DT_F16 ? 1e-3f : 0;
    char x[TENSOR_TEXT_SIZE], y[TENSOR_TEXT_SIZE];
    tensor_text(&c->inst.in[0], x);
    tensor_text(&c->inst.out[0], y);
    snprintf(c->text, sizeof c->text, "%.60s to %.60s", x, y);
}

/* A first layer straight from frames: windows that reach over every border, strips of a row and more than one. */
static void make_frames(struct check_rng *r, int n, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    int channels = check_chance(r, 60) ? 3 : check_int(r, 1, 4), m = check_pick(r, channel_counts, N_CHANNELS);
    random_act(r, &c->op);
    a->spatial = 2;
    a->group = 1;
    random_window(r, a);
    a->dilation[1] = 1;
    c->inst.in[0] = check_tensor(DT_F32, 4, check_int(r, 1, 3), channels, 1, 1);
    for (int i = 0; i < 2; i++)
        c->inst.in[0].dim[2 + i] = random_extent(r, a, i, i && check_chance(r, 20) ? 700 : 30);
    complete(c, m, check_chance(r, 70), check_chance(r, 20), 0);
    c->op.kind = OP_CONV_FRAMES;
    for (int i = 0; i < 4; i++) {
        c->op.u.conv_frames.mean[i] = n % 2 ? check_float(r, 0, 255) : 0;
        c->op.u.conv_frames.scale[i] = check_float(r, 0.003f, 0.02f);
    }
    const int64_t *d = c->inst.in[0].dim;
    c->inst.in[0] = check_tensor(DT_U8, 4, (int) d[0], (int) d[2], (int) d[3], channels);
}

static void make(struct check_rng *r, int n, struct check_case *c)
{
    int which = n % 10;
    if (which == 9)
        make_frames(r, n / 10, c);
    else if (which == 8)
        make_three_by_three(r, c);
    else if (which == 5)
        make_reorder(r, n, c);
    else if (which == 6)
        make_image(r, n, c);
    else if (which == 7)
        make_transpose(r, n, c);
    else
        make_conv(r, n / 10 * 5 + which, c);
}

/* Layers of real models: yolox_nano, yunet, FastestDet, squeezenet, super_resolution, builtin:scene. */
static const struct {
    int n, c, h, w, m, k, stride, group;
    enum act act;
} layers[] = {
    {1, 12, 208, 208, 16, 3, 1, 1, ACT_SILU},    {1, 16, 208, 208, 16, 3, 2, 16, ACT_SILU},
    {1, 16, 104, 104, 32, 1, 1, 1, ACT_SILU},    {1, 32, 104, 104, 16, 1, 1, 1, ACT_SILU},
    {1, 32, 52, 52, 32, 1, 1, 1, ACT_SILU},      {1, 64, 52, 52, 64, 1, 1, 1, ACT_SILU},
    {1, 64, 52, 52, 64, 3, 1, 64, ACT_SILU},     {1, 64, 52, 52, 80, 1, 1, 1, ACT_NONE},
    {1, 64, 26, 26, 64, 1, 1, 1, ACT_SILU},      {1, 64, 26, 26, 64, 3, 1, 64, ACT_SILU},
    {1, 128, 26, 26, 64, 1, 1, 1, ACT_SILU},     {1, 128, 26, 26, 128, 1, 1, 1, ACT_SILU},
    {1, 256, 13, 13, 128, 1, 1, 1, ACT_SILU},    {1, 512, 13, 13, 256, 1, 1, 1, ACT_SILU},
    {1, 128, 13, 13, 128, 3, 1, 128, ACT_SILU},  {1, 64, 52, 52, 4, 1, 1, 1, ACT_NONE},
    {4, 64, 52, 52, 64, 1, 1, 1, ACT_SILU},      {1, 3, 320, 320, 16, 3, 2, 1, ACT_RELU},
    {1, 64, 80, 80, 64, 1, 1, 1, ACT_NONE},      {1, 64, 80, 80, 64, 3, 1, 64, ACT_RELU},
    {1, 3, 352, 352, 24, 3, 2, 1, ACT_RELU},     {1, 48, 22, 22, 48, 1, 1, 1, ACT_RELU},
    {1, 96, 22, 22, 96, 5, 1, 96, ACT_NONE},     {1, 336, 22, 22, 96, 1, 1, 1, ACT_RELU},
    {1, 64, 55, 55, 16, 1, 1, 1, ACT_RELU},      {1, 16, 55, 55, 64, 3, 1, 1, ACT_RELU},
    {1, 48, 13, 13, 192, 3, 1, 1, ACT_RELU},     {1, 1, 224, 224, 64, 5, 1, 1, ACT_RELU},
    {1, 64, 224, 224, 64, 3, 1, 1, ACT_RELU},    {1, 32, 224, 224, 9, 3, 1, 1, ACT_NONE},
    {8, 1, 256, 256, 1, 3, 1, 1, ACT_NONE},      {8, 3, 256, 256, 1, 1, 1, 1, ACT_NONE},
    {1, 64, 224, 224, 32, 3, 1, 1, ACT_RELU},    {1, 32, 27, 27, 128, 3, 1, 1, ACT_RELU},
    {1, 64, 13, 13, 256, 3, 1, 1, ACT_RELU},     {1, 64, 56, 56, 64, 3, 1, 1, ACT_RELU},
    {1, 128, 28, 28, 128, 3, 1, 1, ACT_RELU},    {1, 256, 14, 14, 256, 3, 1, 1, ACT_RELU},
    {1, 512, 7, 7, 512, 3, 1, 1, ACT_RELU},      {1, 16, 160, 160, 16, 3, 1, 1, ACT_SILU},
    {1, 32, 80, 80, 32, 3, 1, 1, ACT_SILU},      {1, 64, 40, 40, 64, 3, 1, 1, ACT_SILU},
    {1, 128, 20, 20, 128, 3, 1, 1, ACT_SILU},    {1, 80, 80, 80, 80, 3, 1, 1, ACT_SILU},
    {1, 64, 80, 80, 80, 3, 1, 1, ACT_SILU},      {1, 128, 40, 40, 64, 3, 1, 1, ACT_SILU},
    {1, 256, 20, 20, 80, 3, 1, 1, ACT_SILU},     {1, 80, 20, 20, 80, 3, 1, 1, ACT_SILU},
    {1, 8, 80, 80, 8, 3, 1, 1, ACT_SILU},        {1, 24, 44, 44, 24, 3, 1, 1, ACT_RELU},
    {1, 16, 40, 40, 32, 3, 1, 1, ACT_RELU},      {1, 32, 20, 20, 16, 3, 1, 1, ACT_RELU},
    {1, 256, 56, 56, 512, 1, 2, 1, ACT_RELU},    {1, 1024, 14, 14, 2048, 1, 2, 1, ACT_RELU},
    {1, 128, 56, 56, 128, 3, 2, 1, ACT_RELU},    {1, 512, 14, 14, 512, 3, 2, 1, ACT_RELU},
    {1, 16, 160, 160, 32, 3, 2, 1, ACT_SILU},    {1, 64, 40, 40, 128, 3, 2, 1, ACT_SILU},
    {1, 512, 13, 13, 1000, 1, 1, 1, ACT_RELU},   {1, 1024, 14, 14, 256, 1, 1, 1, ACT_RELU},
    {1, 512, 7, 7, 2048, 1, 1, 1, ACT_RELU},     {1, 64, 56, 56, 256, 1, 1, 1, ACT_RELU},
};

static void bench_conv(int n, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    int k = layers[n].k;
    c->op.kind = OP_CONV;
    c->inst.half = true;
    c->op.act = layers[n].act;
    *a = (struct conv_attrs) {
        .spatial = 2, .group = layers[n].group, .kernel = {k, k}, .stride = {layers[n].stride, layers[n].stride},
        .dilation = {1, 1}, .pad_begin = {k / 2, k / 2}, .pad_end = {k / 2, k / 2},
    };
    c->inst.in[0] = check_tensor(DT_F32, 4, layers[n].n, layers[n].c, layers[n].h, layers[n].w);
    complete(c, layers[n].m, true, false, 0);
}

static bool bench(int n, struct check_case *c)
{
    enum { LAYERS = sizeof layers / sizeof *layers };
    if (n < LAYERS) {
        bench_conv(n, c);
        return true;
    }
    c->inst.n_in = c->inst.n_out = 1;
    if (n == LAYERS) {
        c->op.kind = OP_IMAGE;
        c->inst.in[0] = check_tensor(DT_U8, 4, 1, 416, 416, 3);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, 3, 416, 416);
        for (int i = 0; i < 4; i++)
            c->op.u.image.scale[i] = 1;
    } else if (n == LAYERS + 1) {
        c->op.kind = OP_REORDER;
        c->inst.in[0] = c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 104, 104);
    } else {
        return false;
    }
    tensor_text(&c->inst.in[0], c->text);
    return true;
}

static const struct check_tolerance tolerances[] = {
    {"conv_pointwise_half", 1e-3f}, {"conv_tile_half", 1e-3f},
    {"conv_pointwise", 2e-6f}, {"conv_tile", 4e-6f},    {"conv_plain_in", 2e-6f},  {"conv_depthwise", 2e-6f},
    {"conv_rows", 4e-6f},      {"conv_generic", 4e-6f}, {"conv_transpose", 2e-6f}, {"winograd_4x4", 2e-5f},
    {"winograd_2x2", 1e-5f}, {"conv_strip", 4e-6f},   {"conv_simt", 4e-6f}, {"conv_simt_half", 1e-3f}, {"conv_mma", 2e-3f},    {"conv_direct", 4e-6f},    {"conv_frames", 2e-6f},
    {"reorder", 0},            {"image", 1e-6f},
    {"host", 1e-6f},           {NULL, 0},
};

const struct check_family check_conv = {
    .name = "conv",
    .cases = 600,
    .make = make,
    .bench = bench,
    .tolerances = tolerances,
};
