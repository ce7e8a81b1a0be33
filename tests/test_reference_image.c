/* The C reference of operators on images that ONNX's suite has few or no cases of, by hand from their definitions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/reference_run.h"

static const float two_by_two[] = {1, 2, 3, 4}, one_to_nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* ---- GridSample ---- */

static struct run grid_of(enum resize_mode mode, enum sample_pad pad, bool align, const float *points, int n)
{
    struct run r = {.op = {.kind = OP_GRID_SAMPLE}};
    r.op.u.sample = (struct sample_attrs){.mode = mode, .pad = pad, .align_corners = align};
    INPUT(&r, DT_F32, two_by_two, DIMS(1, 1, 2, 2));
    INPUT(&r, DT_F32, points, DIMS(1, 1, n, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 1, n));
    return r;
}

static void grid_sample_reads_between_pixels(void **state)
{
    (void) state;
    static const float middle_corner_side[] = {0, 0, -1, -1, 1, 0};
    struct run r = grid_of(RESIZE_LINEAR, SAMPLE_ZEROS, true, middle_corner_side, 3);
    expect_floats(&r, FLOATS(2.5f, 1, 3));
    r = grid_of(RESIZE_LINEAR, SAMPLE_ZEROS, false, middle_corner_side, 3);
    expect_floats(&r, FLOATS(2.5f, 0.25f, 1.5f));
    r = grid_of(RESIZE_LINEAR, SAMPLE_BORDER, false, middle_corner_side, 3);
    expect_floats(&r, FLOATS(2.5f, 1, 3));
    r = grid_of(RESIZE_NEAREST, SAMPLE_ZEROS, false, (const float[]){0.1f, -0.1f, 1.6f, 0.5f}, 2);
    expect_floats(&r, FLOATS(2, 0));
    /* pixels -2 and 3 of a row, folded at its edges, are 1 and 0 */
    r = grid_of(RESIZE_NEAREST, SAMPLE_REFLECTION, false, (const float[]){-2.2f, -0.5f, 2.2f, 3.5f}, 2);
    expect_floats(&r, FLOATS(2, 1));
}

static void grid_sample_survives_what_is_no_position(void **state)
{
    (void) state;
    static const float wild[] = {NAN, NAN, INFINITY, 0, 1e30f, -1e30f};
    for (int mode = RESIZE_NEAREST; mode <= RESIZE_CUBIC; mode++)
        for (int pad = SAMPLE_ZEROS; pad <= SAMPLE_REFLECTION; pad++) {
            struct run r = grid_of((enum resize_mode) mode, (enum sample_pad) pad, false, wild, 3);
            if (pad == SAMPLE_ZEROS)
                expect_floats(&r, FLOATS(0, 0, 0));
            assert_int_equal(execute(&r), CQ_OK);
        }
}

/* ---- RoiAlign ---- */

static const float zero_to_fifteen[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct run roi_of(const float *box, const int64_t *image, int samples, bool max)
{
    struct run r = {.op = {.kind = OP_ROI_ALIGN}};
    r.op.u.roi = (struct roi_attrs){.max = max, .half_pixel = true, .sampling_ratio = samples, .spatial_scale = 0.5f};
    INPUT(&r, DT_F32, zero_to_fifteen, DIMS(1, 1, 4, 4));
    INPUT(&r, DT_F32, box, DIMS(1, 4));
    INPUT(&r, DT_I64, image, DIMS(1));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 2));
    return r;
}

static void roi_align_averages_samples(void **state)
{
    (void) state;
    static const float all[] = {0, 0, 8, 8}, below[] = {0, 40, 8, 48};
    struct run r = roi_of(all, LONGS(0), 1, false);
    expect_floats(&r, FLOATS(2.5f, 4.5f, 10.5f, 12.5f));
    r = roi_of(all, LONGS(0), 0, false);     /* two samples a side, on the pixels themselves */
    expect_floats(&r, FLOATS(2.5f, 4.5f, 10.5f, 12.5f));
    r = roi_of(all, LONGS(0), 1, true);      /* the largest weighted pixel, not the largest sample */
    expect_floats(&r, FLOATS(1.25f, 1.75f, 3.25f, 3.75f));
    r = roi_of(below, LONGS(0), 0, false);
    expect_floats(&r, FLOATS(0, 0, 0, 0));
}

static void roi_align_checks_what_is_data(void **state)
{
    (void) state;
    static const float all[] = {0, 0, 8, 8}, endless[] = {-1e9f, -1e9f, 1e9f, 1e9f}, wild[] = {NAN, 0, INFINITY, 3};
    struct run r = roi_of(all, LONGS(1), 1, false);
    assert_int_equal(execute(&r), CQ_INVALID);
    r = roi_of(all, LONGS(-1), 1, false);
    assert_int_equal(execute(&r), CQ_INVALID);
    r = roi_of(endless, LONGS(0), 0, false);
    assert_int_equal(execute(&r), CQ_OK);
    r = roi_of(wild, LONGS(0), 0, false);
    assert_int_equal(execute(&r), CQ_OK);
}

/* ---- pooling ---- */

static struct run pool_of(enum op_kind kind, int p)
{
    struct run r = {.op = {.kind = kind}};
    r.op.u.conv = (struct conv_attrs){
        .spatial = 2, .group = 1, .kernel = {2, 2}, .stride = {1, 1}, .dilation = {1, 1}, .p = p,
    };
    INPUT(&r, DT_F32, one_to_nine, DIMS(1, 1, 3, 3));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 2));
    return r;
}

static void max_pool_says_where(void **state)
{
    (void) state;
    struct run r = pool_of(OP_POOL_MAX, 0);
    OUTPUT(&r, DT_I64, DIMS(1, 1, 2, 2));
    expect_floats(&r, FLOATS(5, 6, 8, 9));
    expect_bytes(&r, 1, LONGS(4, 5, 7, 8));
    r.op.u.conv.column_major = true;
    expect_bytes(&r, 1, LONGS(4, 7, 5, 8));
}

static void lp_pool_takes_any_power(void **state)
{
    (void) state;
    struct run r = pool_of(OP_POOL_LP, 1);
    expect_floats(&r, FLOATS(12, 16, 24, 28));
    r = pool_of(OP_POOL_LP, 3);
    expect_floats(&r, FLOATS(cbrtf(1 + 8 + 64 + 125), cbrtf(8 + 27 + 125 + 216), cbrtf(64 + 125 + 343 + 512),
                             cbrtf(125 + 216 + 512 + 729)));
}

static void unpooling_puts_back_and_checks(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_MAX_UNPOOL}};
    INPUT(&r, DT_F32, two_by_two, DIMS(1, 1, 2, 2));
    INPUT(&r, DT_I64, LONGS(1, 3, 5, 8), DIMS(1, 1, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 3, 3));
    expect_floats(&r, FLOATS(0, 1, 0, 2, 0, 3, 0, 0, 4));
    r.in[1] = LONGS(1, 3, 5, 9);
    assert_int_equal(execute(&r), CQ_INVALID);
    r.in[1] = LONGS(1, -1, 5, 8);
    assert_int_equal(execute(&r), CQ_INVALID);
}

/* ---- Resize ---- */

static void antialias_widens_the_filter(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_RESIZE}};
    r.op.u.resize = (struct resize_attrs){.mode = RESIZE_LINEAR, .antialias = true, .scale = {0.5f}};
    INPUT(&r, DT_F32, FLOATS(0, 4, 8, 12), DIMS(4));
    OUTPUT(&r, DT_F32, DIMS(2));
    expect_floats(&r, FLOATS(2.5f, 9.5f));                    /* weights 1 3 3 1, the border repeated */
    r.op.u.resize.exclude_outside = true;
    expect_floats(&r, FLOATS(20 / 7.0f, 64 / 7.0f));          /* ... or left out */
}

static void resize_ignores_what_is_no_position(void **state)
{
    (void) state;
    for (int mode = RESIZE_NEAREST; mode <= RESIZE_CUBIC; mode++) {
        struct run r = {.op = {.kind = OP_RESIZE}};
        r.op.u.resize = (struct resize_attrs){
            .mode = (enum resize_mode) mode, .coord = COORD_TF_CROP, .scale = {1.5f}, .extrapolation = 7,
            .roi = {1e30f, INFINITY},
        };
        INPUT(&r, DT_F32, two_by_two, DIMS(4));
        OUTPUT(&r, DT_F32, DIMS(6));
        assert_int_equal(execute(&r), CQ_OK);
        r.op.u.resize.roi[0] = 2;
        r.op.u.resize.roi[1] = 3;
        expect_floats(&r, FLOATS(7, 7, 7, 7, 7, 7));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_sample_reads_between_pixels),
        cmocka_unit_test(grid_sample_survives_what_is_no_position),
        cmocka_unit_test(roi_align_averages_samples),
        cmocka_unit_test(roi_align_checks_what_is_data),
        cmocka_unit_test(max_pool_says_where),
        cmocka_unit_test(lp_pool_takes_any_power),
        cmocka_unit_test(unpooling_puts_back_and_checks),
        cmocka_unit_test(antialias_widens_the_filter),
        cmocka_unit_test(resize_ignores_what_is_no_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
