/* Operators on images from the model to the result, on values worked out by hand: what ONNX's suite of opset 17 does
 * not hold, and what must be refused. The first input is fed at run time, so that the device computes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/operator_run.h"

/* ---- Pad ---- */

static Onnx__ModelProto *pad(const char *mode, int n, const int64_t *pads, const int64_t *axes)
{
    Onnx__ModelProto *p = begin(19, DIMS(1, 5));
    onnx_ints(p, "pads", n, pads);
    if (axes)
        onnx_ints(p, "axes", n / 2, axes);
    onnx_attr_string(onnx_node(p, "Pad", axes ? "x,pads,,axes" : "x,pads", "y"), "mode", mode);
    return p;
}

static void pad_crops_before_it_repeats(void **state)
{
    (void) state;
    const int64_t inner = -1;
    expect(pad("wrap", 2, (int64_t[]){-1, 5}, &inner), counted, 9, FLOATS(2, 3, 4, 5, 2, 3, 4, 5, 2));
    expect(pad("wrap", 2, (int64_t[]){12, 0}, &inner), counted, 17,
           FLOATS(4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5));
    expect(pad("edge", 4, (int64_t[]){0, 1, 1, -3}, NULL), counted, 6, FLOATS(1, 1, 2, 1, 1, 2));
    expect(pad("constant", 2, (int64_t[]){-4, 1}, &inner), counted, 2, FLOATS(5, 0));
    expect_refusal(pad("edge", 2, (int64_t[]){-5, 3}, &inner), counted, "nothing to repeat");
    expect_refusal(pad("constant", 2, (int64_t[]){INT64_MIN, INT64_MAX}, &inner), counted, "pads are impossible");
    expect_refusal(pad("mirror", 2, (int64_t[]){1, 1}, &inner), counted, "mirror");
}

/* ---- Resize ---- */

static Onnx__ModelProto *resize(const char *mode, const char *inputs, Onnx__NodeProto **node)
{
    Onnx__ModelProto *p = begin(19, DIMS(1, 1, 2, 4));
    onnx_ints(p, "sizes", 2, (int64_t[]){2, 2});
    floats(p, "half", DIMS(1), FLOATS(0.5f));
    *node = onnx_node(p, "Resize", inputs, "y");
    onnx_attr_string(*node, "mode", mode);
    return p;
}

static void resize_takes_axes_policies_and_antialias(void **state)
{
    (void) state;
    Onnx__NodeProto *n;
    Onnx__ModelProto *p = resize("linear", "x,,half", &n);
    onnx_attr_ints(n, "axes", 1, (int64_t[]){-1});
    onnx_attr_int(n, "antialias", 1);
    expect(p, FLOATS(0, 4, 8, 12, 0, 4, 8, 12), 4, FLOATS(2.5f, 9.5f, 2.5f, 9.5f));
    p = resize("nearest", "x,,,sizes", &n);         /* one scale for both: 1/2 */
    onnx_attr_ints(n, "axes", 2, (int64_t[]){2, 3});
    onnx_attr_string(n, "keep_aspect_ratio_policy", "not_larger");
    onnx_attr_string(n, "coordinate_transformation_mode", "asymmetric");
    expect(p, counted, 2, FLOATS(1, 3));
    p = resize("nearest", "x,,,sizes", &n);
    onnx_attr_ints(n, "axes", 2, (int64_t[]){2, 3});
    onnx_attr_int(n, "antialias", 1);
    expect_refusal(p, counted, "antialias");
    p = resize("lanczos", "x,,,sizes", &n);
    expect_refusal(p, counted, "lanczos");
}

/* ---- windows ---- */

static void a_window_may_be_larger_than_the_image(void **state)
{
    (void) state;
    for (int up = 0; up < 2; up++) {
        Onnx__ModelProto *p = begin(12, DIMS(1, 1, 2));
        Onnx__NodeProto *n = onnx_node(p, "MaxPool", "x", "y");
        onnx_attr_ints(n, "kernel_shape", 1, (int64_t[]){3});
        onnx_attr_ints(n, "strides", 1, (int64_t[]){2});
        onnx_attr_int(n, "ceil_mode", up);
        if (up)
            expect(p, counted, 1, FLOATS(2));
        else
            expect_refusal(p, counted, "larger than its input");
    }
}

static void what_was_pooled_goes_back(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(12, DIMS(1, 1, 3, 3));
    const int64_t two[] = {2, 2};
    onnx_ints(p, "shape", 4, (int64_t[]){1, 1, 3, 3});
    Onnx__NodeProto *n = onnx_node(p, "MaxPool", "x", "best,index");
    onnx_attr_ints(n, "kernel_shape", 2, two);
    onnx_attr_ints(n, "strides", 2, two);
    n = onnx_node(p, "MaxUnpool", "best,index,shape", "y");
    onnx_attr_ints(n, "kernel_shape", 2, two);
    onnx_attr_ints(n, "strides", 2, two);
    expect(p, counted, 9, FLOATS(0, 0, 0, 0, 5, 0, 0, 0, 0));
}

static void huge_windows_are_refused(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(12, DIMS(1, 1, 3, 3));
    Onnx__NodeProto *n = onnx_node(p, "MaxPool", "x", "y");
    onnx_attr_ints(n, "kernel_shape", 2, (int64_t[]){1 << 28, 1 << 28});
    onnx_attr_string(n, "auto_pad", "SAME_UPPER");
    expect_refusal(p, counted, "kernel");
}

/* ---- sampling ---- */

static void a_grid_that_changes_nothing(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(20, DIMS(1, 2, 3));
    onnx_ints(p, "size", 4, (int64_t[]){1, 1, 2, 2});
    floats(p, "image", DIMS(1, 1, 2, 2), counted);
    onnx_node(p, "AffineGrid", "x,size", "grid");
    onnx_node(p, "GridSample", "image,grid", "y");
    expect(p, FLOATS(1, 0, 0, 0, 1, 0), 4, counted);
    p = begin(20, DIMS(1, 2, 3));
    onnx_ints(p, "size", 4, (int64_t[]){1, 1, INT64_MAX, 4});
    onnx_node(p, "AffineGrid", "x,size", "y");
    expect_refusal(p, counted, "impossible");
}

static void taps_move_by_their_offsets(void **state)
{
    (void) state;
    static const float right[] = {0, 0, 0, 0, 0.5f, 0.5f, 0.5f, 0.5f};
    Onnx__ModelProto *p = begin(19, DIMS(1, 1, 2, 2));
    floats(p, "w", DIMS(1, 1, 1, 1), FLOATS(2));
    floats(p, "offset", DIMS(1, 2, 2, 2), right);
    floats(p, "bias", DIMS(1), FLOATS(10));
    floats(p, "mask", DIMS(1, 1, 2, 2), FLOATS(1, 1, 0, 0.5f));
    onnx_node(p, "DeformConv", "x,w,offset,bias,mask", "y");
    expect(p, counted, 4, FLOATS(13, 12, 10, 12));
    p = begin(19, DIMS(1, 1, 2, 2));
    floats(p, "w", DIMS(1, 1, 1, 2), FLOATS(2, 2));
    floats(p, "offset", DIMS(1, 2, 2, 2), right);
    onnx_node(p, "DeformConv", "x,w,offset", "y");
    expect_refusal(p, counted, "do not fit");
}

static void boxes_must_fit(void **state)
{
    (void) state;
    for (int ratio = 2; ratio < 4000; ratio += 3000) {
        Onnx__ModelProto *p = begin(16, DIMS(1, 1, 4, 4));
        floats(p, "boxes", DIMS(1, 4), FLOATS(0, 0, 4, 4));
        onnx_ints(p, "image", 1, (int64_t[]){0});
        onnx_attr_int(onnx_node(p, "RoiAlign", "x,boxes,image", "y"), "sampling_ratio", ratio);
        if (ratio == 2)
            expect(p, counted, 1, FLOATS(8.5f));
        else
            expect_refusal(p, counted, "sampling_ratio");
    }
    Onnx__ModelProto *p = begin(16, DIMS(1, 1, 4, 4));
    floats(p, "boxes", DIMS(1, 4), FLOATS(0, 0, 4, 4));
    onnx_ints(p, "image", 2, (int64_t[]){0, 0});
    onnx_node(p, "RoiAlign", "x,boxes,image", "y");
    expect_refusal(p, counted, "boxes");
}

/* ---- normalisation ---- */

static void batch_norm_in_training_uses_the_batch(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(15, DIMS(2, 1, 2));
    static const char *const names[] = {"scale", "bias", "mean", "var"};
    for (int i = 0; i < 4; i++)
        floats(p, names[i], DIMS(1), FLOATS((float) (4 - i)));
    Onnx__NodeProto *n = onnx_node(p, "BatchNormalization", "x,scale,bias,mean,var", "z,m,v");
    onnx_attr_int(n, "training_mode", 1);
    onnx_attr_float(n, "epsilon", 0);
    onnx_node(p, "Concat", "m,v", "s");
    onnx_attr_int(p->graph->node[1], "axis", 0);
    onnx_node(p, "Add", "z,s", "y");
    /* x is 3 +- 4*(x - 2.5)/sqrt(1.25); mean 0.9*2 + 0.1*2.5 and variance 0.9*1 + 0.1*1.25 are added to columns */
    float d = 4 / sqrtf(1.25f), m = 2.05f, v = 1.025f;
    expect(p, counted, 4, FLOATS(3 - 1.5f * d + m, 3 - 0.5f * d + v, 3 + 0.5f * d + m, 3 + 1.5f * d + v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pad_crops_before_it_repeats),
        cmocka_unit_test(resize_takes_axes_policies_and_antialias),
        cmocka_unit_test(a_window_may_be_larger_than_the_image),
        cmocka_unit_test(what_was_pooled_goes_back),
        cmocka_unit_test(huge_windows_are_refused),
        cmocka_unit_test(a_grid_that_changes_nothing),
        cmocka_unit_test(taps_move_by_their_offsets),
        cmocka_unit_test(boxes_must_fit),
        cmocka_unit_test(batch_norm_in_training_uses_the_batch),
    };
    if (!operator_device())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
