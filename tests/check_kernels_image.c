/* Cases for operators on images: pooling and resizing. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/check_kernels.h"

static struct tensor_desc any_image(struct check_rng *r, int spatial)
{
    static const int channels[] = {1, 3, 5, 8, 16, 20, 33}, sizes[] = {1, 2, 3, 5, 7, 8, 13, 17, 20, 32};
    struct tensor_desc d = check_tensor(DT_F32, 2, check_chance(r, 2) ? 0 : check_int(r, 1, 3),
                                        check_pick(r, channels, 7));
    for (int i = 0; i < spatial; i++)
        d.dim[d.rank++] = check_pick(r, sizes, spatial > 2 ? 5 : 10);
    return d;
}

/* ---- pooling ---------------------------------------------------------------------------------------- */

static void set_window(struct check_rng *r, struct conv_attrs *a, int i, int64_t in, bool global)
{
    a->dilation[i] = check_chance(r, 15) ? 2 : 1;
    a->kernel[i] = check_chance(r, 15) ? check_int(r, 5, 13) : check_int(r, 1, 3);
    if (in > 60 && check_chance(r, 40))
        a->kernel[i] = check_int(r, 40, (int) in);
    a->stride[i] = check_int(r, 1, 3);
    if (global) {
        a->dilation[i] = a->stride[i] = 1;
        a->kernel[i] = (int) in;
        a->pad_begin[i] = a->pad_end[i] = 0;
        return;
    }
    int reach = (a->kernel[i] - 1) * a->dilation[i];
    a->pad_begin[i] = check_int(r, 0, (a->kernel[i] - 1) < 2 ? a->kernel[i] - 1 : 2);
    a->pad_end[i] = check_int(r, 0, (a->kernel[i] - 1) < 2 ? a->kernel[i] - 1 : 2);
    if (reach + 1 > in + a->pad_begin[i] + a->pad_end[i])
        set_window(r, a, i, in, true);
}

/* ceil_mode makes one output more where its window still starts inside the image or the padding before it. */
static int64_t output_size(struct check_rng *r, const struct conv_attrs *a, int i, int64_t in)
{
    int64_t room = in + a->pad_begin[i] + a->pad_end[i] - (a->kernel[i] - 1) * a->dilation[i] - 1;
    int64_t out = room / a->stride[i] + 1;
    if (check_chance(r, 30) && room % a->stride[i] && out * a->stride[i] < in + a->pad_begin[i])
        out++;
    return out;
}

static void make_pool(struct check_rng *r, int n, struct check_case *c)
{
    static const enum op_kind kinds[] = {OP_POOL_MAX, OP_POOL_AVG, OP_POOL_MAX, OP_POOL_AVG, OP_POOL_LP};
    struct conv_attrs *a = &c->op.u.conv;
    c->op.kind = kinds[n % 5];
    a->spatial = check_chance(r, 70) ? 2 : check_int(r, 1, 3);
    a->group = 1;
    a->count_include_pad = check_chance(r, 50);
    a->p = check_chance(r, 60) ? 2 : check_int(r, 1, 4);
    bool global = check_chance(r, 15);
    struct tensor_desc x = any_image(r, a->spatial), y;
    if (a->spatial < 3 && check_chance(r, 20))
        x.dim[x.rank - 1] = check_int(r, 60, 200);     /* wider than what a kernel holds at a time */
    y = x;
    for (int i = 0; i < a->spatial; i++) {
        set_window(r, a, i, x.dim[2 + i], global);
        y.dim[2 + i] = output_size(r, a, i, x.dim[2 + i]);
    }
    c->inst.n_in = c->inst.n_out = 1;
    c->inst.in[0] = x;
    c->inst.out[0] = y;
    c->scale = c->op.kind == OP_POOL_AVG;      /* a mean may cancel: what is rounded is as large as the pixels */
    if (c->op.kind == OP_POOL_MAX && check_chance(r, 40)) {
        c->inst.n_out = 2;
        c->inst.out[1] = y;
        c->inst.out[1].type = DT_I64;
        a->column_major = check_chance(r, 50);
    }
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "%s %dx%d/%d of %.100s", op_kind_name(c->op.kind), a->kernel[0], a->kernel[1],
             a->stride[0], tensor_text(&x, shape));
}

/* Indices as MaxPool gives them: in any order, none twice. */
static void make_unpool(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_image(r, check_int(r, 1, 3)), y = x;
    for (int i = 2; i < y.rank; i++)
        y.dim[i] = 2 * x.dim[i] + check_int(r, 0, 1);
    int64_t n = tensor_elems(&x), places = tensor_elems(&y), *at = malloc((size_t) n * sizeof *at + 1);
    int64_t step = n ? places / n : 1;
    for (int64_t i = 0; at && i < n; i++) {
        int64_t other = check_int(r, 0, (int) i);
        at[i] = at[other];
        at[other] = i * step + check_int(r, 0, (int) step - 1);
    }
    c->op.kind = OP_MAX_UNPOOL;
    c->data[1] = at;
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = c->inst.in[1] = x;
    c->inst.in[1].type = DT_I64;
    c->inst.out[0] = y;
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "MAX_UNPOOL of %.100s", tensor_text(&x, shape));
}

static void make_pool_or_unpool(struct check_rng *r, int n, struct check_case *c)
{
    if (n % 11 == 10)
        make_unpool(r, c);
    else
        make_pool(r, n, c);
}

static bool bench_pool(int n, struct check_case *c)
{
    static const struct { int kernel, stride, pad, channels, size; } real[] = {
        {13, 1, 6, 128, 13}, {5, 1, 2, 128, 13}, {3, 2, 1, 64, 112}, {13, 1, 0, 512, 13},
    };
    if (n >= (int) (sizeof real / sizeof *real))
        return false;
    struct conv_attrs *a = &c->op.u.conv;
    *a = (struct conv_attrs){
        .spatial = 2, .group = 1, .kernel = {real[n].kernel, real[n].kernel},
        .stride = {real[n].stride, real[n].stride}, .dilation = {1, 1},
        .pad_begin = {real[n].pad, real[n].pad}, .pad_end = {real[n].pad, real[n].pad},
    };
    int out = (real[n].size + 2 * real[n].pad - real[n].kernel) / real[n].stride + 1;
    c->op.kind = real[n].pad ? OP_POOL_MAX : OP_POOL_AVG;
    c->inst.n_in = c->inst.n_out = 1;
    c->inst.in[0] = check_tensor(DT_F32, 4, 1, real[n].channels, real[n].size, real[n].size);
    c->inst.out[0] = check_tensor(DT_F32, 4, 1, real[n].channels, out, out);
    snprintf(c->text, sizeof c->text, "%s %d/%d, %d channels of %d", op_kind_name(c->op.kind), real[n].kernel,
             real[n].stride, real[n].channels, real[n].size);
    return true;
}

static const struct check_tolerance pool_tolerances[] = {
    {"pool_max", 0}, {"pool_avg", 2e-6f}, {"pool_lp", 1e-5f}, {"pool_max_index", 0},
    {"max_unpool", 0}, {"pool_global", 2e-6f}, {NULL},
};

const struct check_family check_pool = {
    .name = "pool", .cases = 200, .make = make_pool_or_unpool, .bench = bench_pool, .tolerances = pool_tolerances,
};

/* ---- resizing --------------------------------------------------------------------------------------- */

static void make_resize(struct check_rng *r, int n, struct check_case *c)
{
    static const enum resize_mode modes[] = {RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC};
    bool channels_last = check_chance(r, 15);
    struct resize_attrs *a = &c->op.u.resize;
    int spatial = check_chance(r, 80) ? 2 : check_int(r, 1, 3);
    struct tensor_desc x = any_image(r, spatial), y = x;
    c->op.kind = OP_RESIZE;
    a->mode = modes[n % 3];
    a->coord = (enum resize_coord) check_int(r, COORD_HALF_PIXEL, COORD_TF_HALF_PIXEL_FOR_NN);
    a->round = (enum resize_round) check_int(r, NEAREST_PREFER_FLOOR, NEAREST_SIMPLE);
    a->antialias = a->mode != RESIZE_NEAREST && check_chance(r, 40);
    a->cubic_a = -0.75f;
    a->exclude_outside = check_chance(r, 30);
    a->extrapolation = 0.5f;
    for (int i = 0; i < x.rank; i++) {
        static const int percent[] = {15, 50, 75, 100, 130, 200, 200, 300};
        bool image = (channels_last ? i > 0 && i < x.rank - 1 : i > 1) || check_chance(r, 4);
        if (image && x.dim[i])
            y.dim[i] = (x.dim[i] * check_pick(r, percent, 8) + 99) / 100;
        a->scale[i] = x.dim[i] ? (float) y.dim[i] / (float) x.dim[i] : 1;
        a->roi[x.rank + i] = 1;
        if (image && check_chance(r, 50)) {
            a->roi[i] = -0.1f;
            a->roi[x.rank + i] = 0.8f;
        }
    }
    c->inst.n_in = c->inst.n_out = 1;
    c->inst.in[0] = x;
    c->inst.out[0] = y;
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "RESIZE mode %d, coord %d, antialias %d of %.100s", (int) a->mode,
             (int) a->coord, a->antialias, tensor_text(&x, shape));
}

static bool bench_resize(int n, struct check_case *c)
{
    if (n > 2)
        return false;
    c->op.kind = OP_RESIZE;
    c->op.u.resize.cubic_a = -0.75f;
    c->op.u.resize.mode = (enum resize_mode) n;
    c->op.u.resize.coord = n ? COORD_HALF_PIXEL : COORD_ASYMMETRIC;
    c->op.u.resize.round = NEAREST_FLOOR;
    for (int i = 0; i < 4; i++)
        c->op.u.resize.scale[i] = i > 1 ? 2 : 1;
    c->inst.n_in = c->inst.n_out = 1;
    c->inst.in[0] = check_tensor(DT_F32, 4, 1, 64, 26, 26);
    c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 52, 52);
    snprintf(c->text, sizeof c->text, "%s 64 channels, 26 to 52", n == 2 ? "cubic" : n ? "linear" : "nearest");
    return true;
}

static const struct check_tolerance resize_tolerances[] = {{"resize_table", 2e-6f}, {NULL}};

const struct check_family check_resize = {
    .name = "resize", .cases = 180, .make = make_resize, .bench = bench_resize, .tolerances = resize_tolerances,
};
