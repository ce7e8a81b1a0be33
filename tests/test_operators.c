/* Operators put together from several steps (stages/infer/build.h), on values worked out by hand: what ONNX's suite of
 * opset 17 does not hold, and what must be refused. The first input is fed at run time, so that the device computes.
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

/* ---- Einsum ---- */

static Onnx__ModelProto *einsum(const char *equation, const char *inputs, int rank, const int64_t *dim)
{
    Onnx__ModelProto *p = begin(13, rank, dim);
    floats(p, "m", DIMS(2, 3), FLOATS(1, 0, 2, 0, 1, 1));
    floats(p, "v", DIMS(2), FLOATS(1, 10));
    onnx_attr_string(onnx_node(p, "Einsum", inputs, "y"), "equation", equation);
    return p;
}

static void einsum_multiplies_transposes_and_sums(void **state)
{
    (void) state;
    expect(einsum("ij,jk->ik", "x,m", DIMS(2, 2)), counted, 6, FLOATS(1, 2, 4, 3, 4, 10));
    expect(einsum("ij,jk->ki", "x,m", DIMS(2, 2)), counted, 6, FLOATS(1, 3, 2, 4, 4, 10));
    expect(einsum("ij,jk", "x,m", DIMS(2, 2)), counted, 6, FLOATS(1, 2, 4, 3, 4, 10));
    expect(einsum("ij,kl->i", "x,m", DIMS(2, 2)), counted, 2, FLOATS(3 * 5, 7 * 5));
    expect(einsum("ij,j,jk->k", "x,v,m", DIMS(2, 2)), counted, 3, FLOATS(4, 60, 68));
    expect(einsum(" b i j , i -> b j ", "x,v", DIMS(2, 2, 2)), counted, 4, FLOATS(31, 42, 75, 86));
}

static void einsum_takes_diagonals_and_ellipses(void **state)
{
    (void) state;
    expect(einsum("ii->i", "x", DIMS(2, 2)), counted, 2, FLOATS(1, 4));
    expect(einsum("iij->j", "x", DIMS(2, 2, 2)), counted, 2, FLOATS(8, 10));
    expect(einsum("...i,i->...", "x,v", DIMS(2, 1, 2)), counted, 2, FLOATS(21, 43));
    expect(einsum("...ij,...jk->...ik", "x,m", DIMS(2, 1, 2)), counted, 6, FLOATS(1, 2, 4, 3, 4, 10));
    expect(einsum("...,...", "x,v", DIMS(2, 1)), counted, 4, FLOATS(1, 10, 2, 20));
}

static void einsum_refuses_what_makes_no_sense(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "", "->", "ij,jk,kl->il", "ij->ij", "ij,jk->iz", "ij,jk->iik", "ij,jk->i.k", "i..j,jk->ik", "ij,ik->jk->",
        "i,jk->", "ij,jk-", "......ij,jk->ik", "ijklmnopq,jk->ik", "\xff,jk->k", "ji,jk->ik,",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refusal(einsum(wrong[i], "x,m", DIMS(2, 2)), counted, "Einsum");
    expect_refusal(einsum("ij,jk->ik", "x,m", DIMS(2, 3)), counted, "differ in a dimension");
    expect_refusal(einsum("ii->i", "x", DIMS(2, 1)), counted, "diagonal");
}

/* ---- normalisation ---- */

static Onnx__ModelProto *group_norm(int opset, int parameters)
{
    Onnx__ModelProto *p = begin(opset, DIMS(1, 4, 2));
    floats(p, "scale", 1, (int64_t[]){parameters}, FLOATS(1, 2, 3, 4));
    floats(p, "bias", 1, (int64_t[]){parameters}, FLOATS(0, 1, 2, 3));
    Onnx__NodeProto *n = onnx_node(p, "GroupNormalization", "x,scale,bias", "y");
    onnx_attr_int(n, "num_groups", 2);
    return p;
}

/* Both groups are 1 or 3 and 5 or 7: one deviation below and above their mean. */
static void group_norm_scales_by_group_then_by_channel(void **state)
{
    (void) state;
    const float x[] = {1, 3, 3, 1, 5, 7, 7, 5};
    expect(group_norm(18, 2), x, 8, FLOATS(-1, 1, 1, -1, -1, 3, 3, -1));
    expect(group_norm(21, 4), x, 8, FLOATS(-1, 1, 3, -1, -1, 5, 7, -1));
    expect_refusal(group_norm(18, 4), x, "2 values");
    expect_refusal(group_norm(21, 2), x, "4 values");
}

static void layer_norm_repeats_a_short_scale(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(17, DIMS(1, 2, 2));
    floats(p, "scale", DIMS(2), FLOATS(1, 10));
    floats(p, "bias", DIMS(2, 1), FLOATS(100, 200));
    onnx_attr_int(onnx_node(p, "LayerNormalization", "x,scale,bias", "y"), "axis", 1);
    expect(p, FLOATS(1, 3, 3, 1), 4, FLOATS(99, 110, 201, 190));
}

/* ---- indices ---- */

static Onnx__ModelProto *scatter(const char *type, const int64_t *index, const char *reduction)
{
    Onnx__ModelProto *p = begin(18, DIMS(2, 2));
    onnx_raw(onnx_tensor_of(p, "index", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 2, (int64_t[]){1, 2}), index,
             2 * sizeof *index);
    bool tuples = !strcmp(type, "ScatterND");
    floats(p, "updates", tuples ? 1 : 2, (int64_t[]){1, 2}, FLOATS(10, 20));
    onnx_attr_string(onnx_node(p, type, "x,index,updates", "y"), "reduction", reduction);
    return p;
}

static void scatter_combines(void **state)
{
    (void) state;
    expect(scatter("ScatterND", (int64_t[]){-1, 0}, "none"), counted, 4, FLOATS(1, 2, 10, 4));
    expect(scatter("ScatterND", (int64_t[]){-1, 0}, "add"), counted, 4, FLOATS(1, 2, 13, 4));
    expect(scatter("ScatterElements", (int64_t[]){1, 0}, "mul"), counted, 4, FLOATS(1, 40, 30, 4));
    expect_refusal(scatter("ScatterND", (int64_t[]){0, 0}, "mean"), counted, "reduction 'mean'");
}

/* An index that only the run knows is checked by whoever uses it. */
static void indices_outside_are_errors(void **state)
{
    (void) state;
    expect_refusal(scatter("ScatterND", (int64_t[]){2, 0}, "none"), counted, NULL);
    expect_refusal(scatter("ScatterElements", (int64_t[]){0, -3}, "none"), counted, NULL);
    Onnx__ModelProto *p = begin(13, DIMS(2, 1));
    floats(p, "data", DIMS(3), counted);
    onnx_attr_int(onnx_node(p, "Cast", "x", "index"), "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    onnx_node(p, "GatherND", "data,index", "y");
    size_t size;
    uint8_t *copy = onnx_bytes(p, &size);
    expect(p, FLOATS(2, -3), 2, FLOATS(3, 1));
    expect_refusal(onnx__model_proto__unpack(NULL, size, copy), FLOATS(3, 0), NULL);
    expect_refusal(onnx__model_proto__unpack(NULL, size, copy), FLOATS(-4, 0), NULL);
    expect_refusal(onnx__model_proto__unpack(NULL, size, copy), FLOATS(INFINITY, 0), NULL);
    free(copy);
}

static Onnx__ModelProto *trilu(int64_t k, int upper)
{
    Onnx__ModelProto *p = begin(14, DIMS(2, 2));
    onnx_ints(p, "k", 1, &k);
    onnx_attr_int(onnx_node(p, "Trilu", "x,k", "y"), "upper", upper);
    return p;
}

static void trilu_takes_any_diagonal(void **state)
{
    (void) state;
    expect(trilu(0, 1), counted, 4, FLOATS(1, 2, 0, 4));
    expect(trilu(-1, 0), counted, 4, FLOATS(0, 0, 3, 0));
    expect(trilu(INT64_MAX, 1), counted, 4, FLOATS(0, 0, 0, 0));
    expect(trilu(INT64_MIN, 1), counted, 4, FLOATS(1, 2, 3, 4));
    expect(trilu(INT64_MAX, 0), counted, 4, FLOATS(1, 2, 3, 4));
}

/* Labels come at run time; one outside the classes is nobody's. */
static void one_hot_marks_from_both_ends(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(11, DIMS(4));
    onnx_ints(p, "depth", 1, (int64_t[]){3});
    floats(p, "values", DIMS(2), FLOATS(0, 1));
    onnx_attr_int(onnx_node(p, "OneHot", "x,depth,values", "y"), "axis", 0);
    expect(p, FLOATS(1, -1, 3, -4), 12, FLOATS(0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0));
}

/* ---- images and signals ---- */

static void columns_become_an_image(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(18, DIMS(1, 4, 2));
    onnx_ints(p, "image", 2, (int64_t[]){2, 3});
    onnx_ints(p, "block", 2, (int64_t[]){2, 2});
    onnx_node(p, "Col2Im", "x,image,block", "y");
    expect(p, counted, 6, FLOATS(1, 2 + 3, 4, 5, 6 + 7, 8));
}

static void crops_and_pads_about_the_centre(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(18, DIMS(2, 4));
    onnx_ints(p, "size", 2, (int64_t[]){1, 3});
    onnx_attr_ints(onnx_node(p, "CenterCropPad", "x,size", "y"), "axes", 2, (int64_t[]){-1, 0});
    expect(p, counted, 3, FLOATS(2, 6, 0));
}

static void fourier_there_and_back(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(20, DIMS(1, 4, 1));
    onnx_attr_int(onnx_node(p, "DFT", "x", "f"), "onesided", 1);
    Onnx__NodeProto *back = onnx_node(p, "DFT", "f", "y");
    onnx_attr_int(back, "onesided", 1);
    onnx_attr_int(back, "inverse", 1);
    expect(p, FLOATS(1, -2, 3, 5), 4, FLOATS(1, -2, 3, 5));
    p = begin(20, DIMS(1, 4, 1));
    onnx_node(p, "DFT", "x", "y");
    expect(p, FLOATS(1, -2, 3, 5), 8, FLOATS(7, 0, -2, 7, 1, 0, -2, -7));
}

static void random_numbers_are_refused(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(15, DIMS(2));
    onnx_node(p, "RandomUniformLike", "x", "y");
    expect_refusal(p, counted, "random numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(einsum_multiplies_transposes_and_sums),
        cmocka_unit_test(einsum_takes_diagonals_and_ellipses),
        cmocka_unit_test(einsum_refuses_what_makes_no_sense),
        cmocka_unit_test(group_norm_scales_by_group_then_by_channel),
        cmocka_unit_test(layer_norm_repeats_a_short_scale),
        cmocka_unit_test(scatter_combines),
        cmocka_unit_test(indices_outside_are_errors),
        cmocka_unit_test(trilu_takes_any_diagonal),
        cmocka_unit_test(one_hot_marks_from_both_ends),
        cmocka_unit_test(columns_become_an_image),
        cmocka_unit_test(crops_and_pads_about_the_centre),
        cmocka_unit_test(fourier_there_and_back),
        cmocka_unit_test(random_numbers_are_refused),
    };
    if (!operator_device())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
