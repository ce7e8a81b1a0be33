/* Cases for operators that read images at positions that are data. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/check_kernels.h"

static struct tensor_desc any_image(struct check_rng *r, int spatial)
{
    static const int channels[] = {1, 2, 3, 5, 8, 17}, sizes[] = {1, 2, 3, 5, 8, 13};
    struct tensor_desc d = check_tensor(DT_F32, 2, check_int(r, 1, 3), check_pick(r, channels, 6));
    for (int i = 0; i < spatial; i++)
        d.dim[d.rank++] = check_pick(r, sizes, spatial > 2 ? 4 : 6);
    return d;
}

/* Positions around the image, some of them no numbers at all. */
static float *wild_floats(struct check_rng *r, int64_t n, float low, float high)
{
    static const float odd[] = {1e30f, -1e30f, 3e9f, INFINITY, -INFINITY, NAN};
    float *v = malloc((size_t) n * sizeof *v + 1);
    for (int64_t i = 0; v && i < n; i++)
        v[i] = check_chance(r, 2) ? odd[check_int(r, 0, 5)] : check_float(r, low, high);
    return v;
}

static void make_grid_sample(struct check_rng *r, int n, struct check_case *c)
{
    struct sample_attrs *a = &c->op.u.sample;
    int spatial = n % 4 == 3 ? 3 : n % 16 == 0 ? 1 : 2;
    struct tensor_desc x = any_image(r, spatial), y = x, grid = x;
    c->op.kind = OP_GRID_SAMPLE;
    a->mode = (enum resize_mode) (n % 3);
    a->pad = (enum sample_pad) check_int(r, SAMPLE_ZEROS, SAMPLE_REFLECTION);
    a->align_corners = check_chance(r, 50);
    for (int i = 0; i < spatial; i++)
        grid.dim[1 + i] = y.dim[2 + i] = check_chance(r, 3) ? 0 : check_int(r, 1, 9);
    grid.dim[1 + spatial] = spatial;
    c->data[1] = wild_floats(r, tensor_elems(&grid), -1.7f, 1.7f);
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = x;
    c->inst.in[1] = grid;
    c->inst.out[0] = y;
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "GRID_SAMPLE mode %d, pad %d, align %d of %.100s", (int) a->mode, (int) a->pad,
             a->align_corners, tensor_text(&x, shape));
}

static void make_roi_align(struct check_rng *r, int n, struct check_case *c)
{
    struct roi_attrs *a = &c->op.u.roi;
    struct tensor_desc x = any_image(r, 2);
    int rois = check_chance(r, 5) ? 0 : check_int(r, 1, 6);
    bool wide = check_chance(r, 70);
    static const float scales[] = {1, 0.5f, 0.25f};
    c->op.kind = OP_ROI_ALIGN;
    a->max = n % 2;
    a->half_pixel = check_chance(r, 50);
    a->sampling_ratio = check_chance(r, 50) ? 0 : check_int(r, 1, 3);
    a->spatial_scale = scales[check_int(r, 0, 2)];
    c->inst.n_in = 3;
    c->inst.n_out = 1;
    c->inst.in[0] = x;
    c->inst.in[1] = check_tensor(DT_F32, 2, rois, 4);
    c->inst.in[2] = check_tensor(wide ? DT_I64 : DT_I32, 1, rois);
    c->inst.out[0] = check_tensor(DT_F32, 4, rois, (int) x.dim[1], check_int(r, 1, 5), check_int(r, 1, 5));
    float *box = c->data[1] = wild_floats(r, 4 * rois, -3, 10);
    for (int i = 0; box && i < 4 * rois; i++)
        box[i] = i % 4 < 2 || check_chance(r, 10) ? box[i] : box[i - 2] + check_float(r, 0, 40);
    c->lo[2] = 0;
    c->hi[2] = (float) x.dim[0] - 0.5f;     /* as an integer the last image */
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "ROI_ALIGN max %d, half_pixel %d, ratio %d, %d boxes of %.100s", a->max,
             a->half_pixel, a->sampling_ratio, rois, tensor_text(&x, shape));
}

static void make_sample(struct check_rng *r, int n, struct check_case *c)
{
    if (n % 2)
        make_roi_align(r, n / 2, c);
    else
        make_grid_sample(r, n / 2, c);
}

static bool bench_sample(int n, struct check_case *c)
{
    if (n > 1)
        return false;
    c->op.kind = n ? OP_ROI_ALIGN : OP_GRID_SAMPLE;
    c->inst.n_out = 1;
    c->inst.in[0] = check_tensor(DT_F32, 4, 1, 64, 56, 56);
    if (n) {
        c->op.u.roi = (struct roi_attrs){.half_pixel = true, .sampling_ratio = 2, .spatial_scale = 20};
        c->inst.n_in = 3;
        c->inst.in[1] = check_tensor(DT_F32, 2, 100, 4);
        c->inst.in[2] = check_tensor(DT_I64, 1, 100);
        c->inst.out[0] = check_tensor(DT_F32, 4, 100, 64, 7, 7);
    } else {
        c->op.u.sample = (struct sample_attrs){.mode = RESIZE_LINEAR};
        c->inst.n_in = 2;
        c->inst.in[1] = check_tensor(DT_F32, 4, 1, 56, 56, 2);
        c->inst.out[0] = c->inst.in[0];
    }
    snprintf(c->text, sizeof c->text, "%s 64 channels of 56", n ? "100 boxes of" : "linear");
    return true;
}

/* Boxes with bins of thousands of pixels sum thousands of samples. */
static const struct check_tolerance sample_tolerances[] = {{"grid_sample", 5e-6f}, {"roi_align", 2e-5f}, {NULL}};

const struct check_family check_sample = {
    .name = "sample", .cases = 160, .make = make_sample, .bench = bench_sample, .tolerances = sample_tolerances,
};
