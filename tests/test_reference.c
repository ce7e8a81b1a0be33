/* The C reference against small cases computed by hand from the definitions of the ONNX operators. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/reference_run.h"

static const float one_to_nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* ---- windows ---------------------------------------------------------------------------------------- */

static void set_window(struct conv_attrs *a, int kernel, int stride, int dilation, int begin, int end)
{
    *a = (struct conv_attrs){.spatial = 2, .group = 1};
    for (int i = 0; i < 2; i++) {
        a->kernel[i] = kernel;
        a->stride[i] = stride;
        a->dilation[i] = dilation;
        a->pad_begin[i] = begin;
        a->pad_end[i] = end;
    }
}

static void conv_adds_window_bias_residual_and_act(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_CONV, .act = ACT_CLIP, .act_a = 0, .act_b = 26}};
    set_window(&r.op.u.conv, 2, 1, 1, 0, 0);
    INPUT(&r, DT_F32, one_to_nine, DIMS(1, 1, 3, 3));
    INPUT(&r, DT_F32, FLOATS(1, 1, 1, 1), DIMS(1, 1, 2, 2));
    INPUT(&r, DT_F32, FLOATS(-1), DIMS(1));
    INPUT(&r, DT_F32, FLOATS(0, 1, 2, 3), DIMS(1, 1, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 2));
    expect_floats(&r, FLOATS(11, 16, 25, 26));
}

static void conv_takes_groups_padding_and_dilation(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_CONV}};
    set_window(&r.op.u.conv, 2, 1, 2, 1, 1);
    r.op.u.conv.group = 2;
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4, 5, 6, 7, 8), DIMS(1, 2, 2, 2));
    INPUT(&r, DT_F32, FLOATS(1, 10, 100, 1000, 1, 1, 1, 1), DIMS(2, 1, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 2, 2, 2));
    /* Taps lie two apart around a 2x2 image: each output sees one pixel, the one diagonal to it. */
    expect_floats(&r, FLOATS(4000, 300, 20, 1, 8, 7, 6, 5));
}

static void conv_transpose_spreads(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_CONV_TRANSPOSE}};
    set_window(&r.op.u.conv, 2, 2, 1, 0, 0);
    INPUT(&r, DT_F32, FLOATS(1, 2), DIMS(1, 1, 1, 2));
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4), DIMS(1, 1, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 4));
    expect_floats(&r, FLOATS(1, 2, 2, 4, 3, 4, 6, 8));
}

static void pooling_ignores_or_counts_padding(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_POOL_MAX}};
    set_window(&r.op.u.conv, 2, 2, 1, 1, 0);
    INPUT(&r, DT_F32, FLOATS(-1, -2, -3, -4, -5, -6, -7, -8, -9), DIMS(1, 1, 3, 3));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 2));
    expect_floats(&r, FLOATS(-1, -2, -4, -5));
    r.op.kind = OP_POOL_AVG;
    expect_floats(&r, FLOATS(-1, -2.5f, -5.5f, -7));
    r.op.u.conv.count_include_pad = true;
    expect_floats(&r, FLOATS(-0.25f, -1.25f, -2.75f, -7));
    r.op.kind = OP_POOL_LP;
    r.op.u.conv.p = 2;
    expect_floats(&r, FLOATS(1, sqrtf(13), sqrtf(65), sqrtf(206)));
}

/* The last window of ceil_mode hangs over the image: what is past the explicit padding is not counted. */
static void pooling_does_not_count_the_overhang(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_POOL_AVG}};
    set_window(&r.op.u.conv, 2, 2, 1, 0, 0);
    r.op.u.conv.count_include_pad = true;
    INPUT(&r, DT_F32, one_to_nine, DIMS(1, 1, 3, 3));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 2, 2));
    expect_floats(&r, FLOATS(3, 4.5f, 7.5f, 9));
}

/* ---- elements --------------------------------------------------------------------------------------- */

static void unary_functions(void **state)
{
    (void) state;
    static const struct {
        enum unary fn;
        float a, b, x, y;
    } cases[] = {
        {UN_ROUND, 0, 0, 2.5f, 2}, {UN_ROUND, 0, 0, 3.5f, 4}, {UN_ROUND, 0, 0, -0.5f, 0},
        {UN_SIGN, 0, 0, -3, -1}, {UN_SIGN, 0, 0, 0, 0}, {UN_RECIPROCAL, 0, 0, 4, 0.25f},
        {UN_LEAKY, 0.1f, 0, -2, -0.2f}, {UN_SIGMOID, 0, 0, 0, 0.5f}, {UN_SILU, 0, 0, 1, 0.7310586f},
        {UN_HARD_SIGMOID, 0.2f, 0.5f, 1, 0.7f}, {UN_HARD_SIGMOID, 0.2f, 0.5f, 9, 1}, {UN_HARD_SWISH, 0, 0, 1, 2.f / 3},
        {UN_HARD_SWISH, 0, 0, -4, 0}, {UN_CLIP, -1, 1, 7, 1}, {UN_ELU, 2, 0, -1, -1.2642411f},
        {UN_SELU, 2, 3, -1, -3.7927234f}, {UN_CELU, 2, 0, -1, -0.7869387f}, {UN_SOFTPLUS, 0, 0, 0, 0.6931472f},
        {UN_SOFTPLUS, 0, 0, 100, 100}, {UN_SOFTSIGN, 0, 0, -3, -0.75f}, {UN_MISH, 0, 0, 1, 0.8650984f},
        {UN_GELU, 0, 0, 1, 0.8413447f}, {UN_GELU_TANH, 0, 0, 1, 0.8411920f}, {UN_ERF, 0, 0, 1, 0.8427008f},
        {UN_THRESHOLDED_RELU, 1, 0, 1, 0}, {UN_SHRINK, 1, 0.5f, -2, -1.5f}, {UN_SHRINK, 1, 0.5f, 0.5f, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = {.op = {.kind = OP_UNARY, .act_a = cases[i].a, .act_b = cases[i].b, .u.unary = cases[i].fn}};
        INPUT(&r, DT_F32, &cases[i].x, DIMS(1));
        OUTPUT(&r, DT_F32, DIMS(1));
        expect_floats(&r, &cases[i].y);
    }
}

static void unary_tests_give_bools(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_UNARY, .u.unary = UN_ISINF, .act_b = 1}};
    INPUT(&r, DT_F32, FLOATS(INFINITY, -INFINITY, NAN, 1), DIMS(4));
    OUTPUT(&r, DT_BOOL, DIMS(4));
    expect_bytes(&r, 0, (const uint8_t[]){1, 0, 0, 0});
    r.op.u.unary = UN_ISNAN;
    expect_bytes(&r, 0, (const uint8_t[]){0, 0, 1, 0});
}

static void binary_broadcasts_both_ways(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_BINARY, .u.binary = BIN_SUB}};
    INPUT(&r, DT_F32, FLOATS(10, 20), DIMS(2, 1));
    INPUT(&r, DT_F32, FLOATS(1, 2, 3), DIMS(3));
    OUTPUT(&r, DT_F32, DIMS(2, 3));
    expect_floats(&r, FLOATS(9, 8, 7, 19, 18, 17));
}

static void integer_arithmetic(void **state)
{
    (void) state;
    static const struct {
        enum binary fn;
        int64_t a, b, y;
    } cases[] = {
        {BIN_DIV, -7, 2, -3}, {BIN_DIV, INT64_MIN, -1, INT64_MIN}, {BIN_MOD, -7, 3, 2}, {BIN_MOD, 7, -3, -2},
        {BIN_FMOD, -7, 3, -1}, {BIN_POW, 3, 4, 81}, {BIN_POW, 2, -1, 0}, {BIN_ADD, INT64_MAX, 1, INT64_MIN},
        {BIN_MIN, -2, 1, -2}, {BIN_SHIFT_LEFT, 3, 4, 48}, {BIN_SHIFT_RIGHT, 48, 4, 3}, {BIN_XOR, 6, 3, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = {.op = {.kind = OP_BINARY, .u.binary = cases[i].fn}};
        INPUT(&r, DT_I64, &cases[i].a, SCALAR);
        INPUT(&r, DT_I64, &cases[i].b, SCALAR);
        OUTPUT(&r, DT_I64, SCALAR);
        expect_bytes(&r, 0, &cases[i].y);
    }
}

static void division_of_integers_by_zero_is_an_error(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_BINARY, .u.binary = BIN_DIV}};
    INPUT(&r, DT_I64, LONGS(1), DIMS(1));
    INPUT(&r, DT_I64, LONGS(0), DIMS(1));
    OUTPUT(&r, DT_I64, DIMS(1));
    assert_int_equal(execute(&r), CQ_INVALID);
}

static void power_of_mixed_types_has_the_base_type(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_BINARY, .u.binary = BIN_POW}};
    INPUT(&r, DT_I32, ((const int32_t[]){2, 9}), DIMS(2));
    INPUT(&r, DT_F32, FLOATS(3, 0.5f), DIMS(2));
    OUTPUT(&r, DT_I32, DIMS(2));
    expect_bytes(&r, 0, (const int32_t[]){8, 3});
}

static void cast_truncates_and_saturates_as_x86(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_CAST}};
    INPUT(&r, DT_F32, FLOATS(-2.9f, 2.9f, 3e9f, NAN), DIMS(4));
    OUTPUT(&r, DT_I32, DIMS(4));
    expect_bytes(&r, 0, (const int32_t[]){-2, 2, INT32_MIN, INT32_MIN});
    r.inst.out[0].type = DT_I64;
    expect_bytes(&r, 0, LONGS(-2, 2, 3000000000, INT64_MIN));
    r.inst.out[0].type = DT_BOOL;
    expect_bytes(&r, 0, (const uint8_t[]){1, 1, 1, 1});
}

static void where_and_prelu_broadcast(void **state)
{
    (void) state;
    struct run where = {.op = {.kind = OP_WHERE}};
    INPUT(&where, DT_BOOL, ((const uint8_t[]){1, 0}), DIMS(2, 1));
    INPUT(&where, DT_F32, FLOATS(1, 2), DIMS(2));
    INPUT(&where, DT_F32, FLOATS(9), SCALAR);
    OUTPUT(&where, DT_F32, DIMS(2, 2));
    expect_floats(&where, FLOATS(1, 2, 9, 9));

    struct run prelu = {.op = {.kind = OP_PRELU}};
    INPUT(&prelu, DT_F32, FLOATS(-1, 2, -3, 4), DIMS(1, 2, 2));
    INPUT(&prelu, DT_F32, FLOATS(0.5f, 0.25f), DIMS(2, 1));
    OUTPUT(&prelu, DT_F32, DIMS(1, 2, 2));
    expect_floats(&prelu, FLOATS(-0.5f, 2, -0.75f, 4));
}

/* ---- products and axes ------------------------------------------------------------------------------ */

static void matmul_broadcasts_batches(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_MATMUL}};
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4), DIMS(2, 1, 2));
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4), DIMS(2, 2));
    OUTPUT(&r, DT_F32, DIMS(2, 1, 2));
    expect_floats(&r, FLOATS(7, 10, 15, 22));
}

static void gemm_transposes_scales_and_adds(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_GEMM, .u.gemm = {.alpha = 2, .beta = 0.5f, .trans_a = true, .trans_b = true}}};
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4), DIMS(2, 2));
    INPUT(&r, DT_F32, FLOATS(1, 0, 1, 1), DIMS(2, 2));
    INPUT(&r, DT_F32, FLOATS(2, 4), DIMS(2));
    OUTPUT(&r, DT_F32, DIMS(2, 2));
    expect_floats(&r, FLOATS(3, 10, 5, 14));
}

static void reductions(void **state)
{
    (void) state;
    static const struct {
        enum reduce fn;
        float y[2];
    } cases[] = {
        {RED_SUM, {6, -2}}, {RED_MEAN, {2, -2.f / 3}}, {RED_MAX, {3, 4}}, {RED_MIN, {1, -5}}, {RED_PROD, {6, 20}},
        {RED_L1, {6, 10}}, {RED_L2, {3.7416574f, 6.4807407f}}, {RED_SUM_SQUARE, {14, 42}},
        {RED_LOG_SUM, {1.7917595f, NAN}}, {RED_LOG_SUM_EXP, {3.4076059f, 4.0068379f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = {.op = {.kind = OP_REDUCE, .u.reduce = {.fn = cases[i].fn, .axes = 1u << 1}}};
        INPUT(&r, DT_F32, FLOATS(1, 2, 3, -1, 4, -5), DIMS(2, 3));
        OUTPUT(&r, DT_F32, DIMS(2));
        expect_floats(&r, cases[i].y);
    }
}

static void reduction_of_nothing(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_REDUCE, .u.reduce = {.fn = RED_PROD, .axes = 1u << 0}}};
    INPUT(&r, DT_F32, FLOATS(0), DIMS(0, 2));
    OUTPUT(&r, DT_F32, DIMS(2));
    expect_floats(&r, FLOATS(1, 1));
}

static void softmax_survives_large_numbers(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_SOFTMAX, .u.axis = {.axis = 0}}};
    INPUT(&r, DT_F32, FLOATS(1000, -1000, 1000, 1000), DIMS(2, 2));
    OUTPUT(&r, DT_F32, DIMS(2, 2));
    expect_floats(&r, FLOATS(0.5f, 0, 0.5f, 1));
    r.op.u.axis.flag = true;
    r.op.u.axis.axis = 1;
    expect_floats(&r, FLOATS(0, -2000, -0.6931472f, -0.6931472f));
}

static void arg_and_topk_take_the_first_of_equals(void **state)
{
    (void) state;
    struct run arg = {.op = {.kind = OP_ARG, .u.axis = {.axis = 1}}};
    INPUT(&arg, DT_F32, FLOATS(1, 3, 3, 2, 0, 0), DIMS(2, 3));
    OUTPUT(&arg, DT_I64, DIMS(2, 1));
    expect_bytes(&arg, 0, LONGS(1, 0));
    arg.op.u.axis.flag = true;
    expect_bytes(&arg, 0, LONGS(0, 1));

    struct run top = {.op = {.kind = OP_TOPK, .u.topk = {.axis = 0, .largest = true, .sorted = true, .k = 3}}};
    INPUT(&top, DT_F32, FLOATS(1, 5, 5, 2), DIMS(4));
    OUTPUT(&top, DT_F32, DIMS(3));
    OUTPUT(&top, DT_I64, DIMS(3));
    expect_floats(&top, FLOATS(5, 5, 2));
    expect_bytes(&top, 1, LONGS(1, 2, 3));
}

static void normalisations(void **state)
{
    (void) state;
    struct run batch = {.op = {.kind = OP_BATCH_NORM, .act = ACT_RELU, .u.norm.epsilon = 1}};
    INPUT(&batch, DT_F32, FLOATS(1, 5, 2, 4), DIMS(1, 2, 2));
    INPUT(&batch, DT_F32, FLOATS(2, 1), DIMS(2));
    INPUT(&batch, DT_F32, FLOATS(1, 0), DIMS(2));
    INPUT(&batch, DT_F32, FLOATS(3, 4), DIMS(2));
    INPUT(&batch, DT_F32, FLOATS(3, 0), DIMS(2));
    OUTPUT(&batch, DT_F32, DIMS(1, 2, 2));
    expect_floats(&batch, FLOATS(0, 3, 0, 0));

    struct run instance = {.op = {.kind = OP_INSTANCE_NORM, .u.norm.epsilon = 3}};
    INPUT(&instance, DT_F32, FLOATS(1, 3, 10, 10), DIMS(1, 2, 2));
    INPUT(&instance, DT_F32, FLOATS(2, 1), DIMS(2));
    INPUT(&instance, DT_F32, FLOATS(5, 7), DIMS(2));
    OUTPUT(&instance, DT_F32, DIMS(1, 2, 2));
    expect_floats(&instance, FLOATS(4, 6, 7, 7));

    struct run layer = {.op = {.kind = OP_LAYER_NORM, .u.norm = {.epsilon = 3, .axis = 1}}};
    INPUT(&layer, DT_F32, FLOATS(1, 3, -5, -7), DIMS(2, 2));
    INPUT(&layer, DT_F32, FLOATS(2, 4), DIMS(2));
    OUTPUT(&layer, DT_F32, DIMS(2, 2));
    expect_floats(&layer, FLOATS(-1, 2, 1, -2));

    struct run lrn = {.op = {.kind = OP_LRN, .u.norm = {.alpha = 3, .beta = 1, .bias = 1, .size = 3}}};
    INPUT(&lrn, DT_F32, FLOATS(1, 2, 3), DIMS(1, 3, 1, 1));
    OUTPUT(&lrn, DT_F32, DIMS(1, 3, 1, 1));
    expect_floats(&lrn, FLOATS(1.f / 6, 2.f / 15, 3.f / 14));
}

/* ---- moving ----------------------------------------------------------------------------------------- */

static void concat_and_split_are_inverse(void **state)
{
    (void) state;
    struct run concat = {.op = {.kind = OP_CONCAT, .u.axis = {.axis = 1}}};
    INPUT(&concat, DT_F32, FLOATS(1, 2), DIMS(2, 1));
    INPUT(&concat, DT_F32, FLOATS(3, 4, 5, 6), DIMS(2, 2));
    OUTPUT(&concat, DT_F32, DIMS(2, 3));
    expect_floats(&concat, FLOATS(1, 3, 4, 2, 5, 6));

    struct run split = {.op = {.kind = OP_SPLIT, .u.axis = {.axis = 1}}};
    INPUT(&split, DT_F32, FLOATS(1, 3, 4, 2, 5, 6), DIMS(2, 3));
    OUTPUT(&split, DT_F32, DIMS(2, 1));
    OUTPUT(&split, DT_F32, DIMS(2, 2));
    expect_bytes(&split, 0, FLOATS(1, 2));
    expect_bytes(&split, 1, FLOATS(3, 4, 5, 6));
}

static void slice_steps_backwards(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_SLICE, .u.slice = {.start = {0, 2}, .step = {2, -2}}}};
    INPUT(&r, DT_F32, one_to_nine, DIMS(3, 3));
    OUTPUT(&r, DT_F32, DIMS(2, 2));
    expect_floats(&r, FLOATS(3, 1, 9, 7));
}

static void transpose_expand_tile_copy(void **state)
{
    (void) state;
    struct run transpose = {.op = {.kind = OP_TRANSPOSE, .u.perm = {2, 0, 1}}};
    INPUT(&transpose, DT_U8, ((const uint8_t[]){1, 2, 3, 4, 5, 6}), DIMS(1, 2, 3));
    OUTPUT(&transpose, DT_U8, DIMS(3, 1, 2));
    expect_bytes(&transpose, 0, (const uint8_t[]){1, 4, 2, 5, 3, 6});

    struct run expand = {.op = {.kind = OP_EXPAND}};
    INPUT(&expand, DT_I64, LONGS(1, 2), DIMS(2, 1));
    OUTPUT(&expand, DT_I64, DIMS(2, 2, 2));
    expect_bytes(&expand, 0, LONGS(1, 1, 2, 2, 1, 1, 2, 2));

    struct run tile = {.op = {.kind = OP_TILE}};
    INPUT(&tile, DT_F32, FLOATS(1, 2), DIMS(1, 2));
    OUTPUT(&tile, DT_F32, DIMS(2, 4));
    expect_floats(&tile, FLOATS(1, 2, 1, 2, 1, 2, 1, 2));

    struct run copy = {.op = {.kind = OP_COPY}};
    INPUT(&copy, DT_F32, FLOATS(1, 2, 3, 4), DIMS(2, 2));
    OUTPUT(&copy, DT_F32, DIMS(4));
    expect_floats(&copy, FLOATS(1, 2, 3, 4));
}

static void pad_modes(void **state)
{
    (void) state;
    static const struct {
        enum pad_mode mode;
        float y[6];
    } cases[] = {
        {PAD_CONSTANT, {9, 9, 1, 2, 3, 9}}, {PAD_REFLECT, {3, 2, 1, 2, 3, 2}}, {PAD_EDGE, {1, 1, 1, 2, 3, 3}},
        {PAD_WRAP, {2, 3, 1, 2, 3, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = {.op = {.kind = OP_PAD, .u.pad = {.mode = cases[i].mode, .begin = {2}, .end = {1}}}};
        INPUT(&r, DT_F32, FLOATS(1, 2, 3), DIMS(3));
        INPUT(&r, DT_F32, FLOATS(9), SCALAR);
        OUTPUT(&r, DT_F32, DIMS(6));
        expect_floats(&r, cases[i].y);
    }
}

static void gather_wraps_negative_indices_and_rejects_others(void **state)
{
    (void) state;
    int64_t indices[] = {2, -3};
    struct run r = {.op = {.kind = OP_GATHER, .u.axis = {.axis = 1}}};
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4, 5, 6), DIMS(2, 3));
    INPUT(&r, DT_I64, indices, DIMS(2));
    OUTPUT(&r, DT_F32, DIMS(2, 2));
    expect_floats(&r, FLOATS(3, 1, 6, 4));
    indices[0] = 3;
    assert_int_equal(execute(&r), CQ_INVALID);

    struct run elements = {.op = {.kind = OP_GATHER_ELEMENTS, .u.axis = {.axis = 0}}};
    INPUT(&elements, DT_F32, FLOATS(1, 2, 3, 4), DIMS(2, 2));
    INPUT(&elements, DT_I64, LONGS(1, -2), DIMS(1, 2));
    OUTPUT(&elements, DT_F32, DIMS(1, 2));
    expect_floats(&elements, FLOATS(3, 2));
}

static void depth_and_space(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_DEPTH_TO_SPACE, .u.axis = {.axis = 2}}};
    INPUT(&r, DT_F32, FLOATS(0, 1, 2, 3, 4, 5, 6, 7), DIMS(1, 8, 1, 1));
    OUTPUT(&r, DT_F32, DIMS(1, 2, 2, 2));
    expect_floats(&r, FLOATS(0, 2, 4, 6, 1, 3, 5, 7));
    r.op.u.axis.flag = true;
    expect_floats(&r, FLOATS(0, 1, 2, 3, 4, 5, 6, 7));

    struct run back = {.op = {.kind = OP_SPACE_TO_DEPTH, .u.axis = {.axis = 2}}};
    INPUT(&back, DT_F32, FLOATS(0, 2, 4, 6, 1, 3, 5, 7), DIMS(1, 2, 2, 2));
    OUTPUT(&back, DT_F32, DIMS(1, 8, 1, 1));
    expect_floats(&back, FLOATS(0, 1, 2, 3, 4, 5, 6, 7));
}

/* ---- images ----------------------------------------------------------------------------------------- */

static struct run resize_of(enum resize_mode mode, enum resize_coord coord, int64_t out)
{
    static const float x[] = {1, 2, 4};
    struct run r = {.op = {.kind = OP_RESIZE}};
    r.op.u.resize = (struct resize_attrs){
        .mode = mode, .coord = coord, .round = NEAREST_FLOOR, .cubic_a = -0.75f, .extrapolation = -9,
        .scale = {(float) out / 3}, .roi = {0.5f, 1.5f},
    };
    INPUT(&r, DT_F32, x, DIMS(3));
    OUTPUT(&r, DT_F32, DIMS(out));
    return r;
}

static void resize_modes(void **state)
{
    (void) state;
    struct run r = resize_of(RESIZE_NEAREST, COORD_ASYMMETRIC, 6);
    expect_floats(&r, FLOATS(1, 1, 2, 2, 4, 4));
    r = resize_of(RESIZE_LINEAR, COORD_HALF_PIXEL, 6);
    expect_floats(&r, FLOATS(1, 1.25f, 1.75f, 2.5f, 3.5f, 4));
    r = resize_of(RESIZE_LINEAR, COORD_ALIGN_CORNERS, 5);
    expect_floats(&r, FLOATS(1, 1.5f, 2, 3, 4));
    r = resize_of(RESIZE_LINEAR, COORD_PYTORCH_HALF_PIXEL, 1);
    expect_floats(&r, FLOATS(1));
    r = resize_of(RESIZE_LINEAR, COORD_TF_CROP, 5);
    expect_floats(&r, FLOATS(2, 3, 4, -9, -9));
    r = resize_of(RESIZE_CUBIC, COORD_ASYMMETRIC, 6);
    /* At 1/2: weights -3/32, 19/32, 19/32, -3/32 of 1, 1, 2, 4. */
    float half = -0.09375f * 1 + 0.59375f * 1 + 0.59375f * 2 - 0.09375f * 4;
    float middle = -0.09375f * 1 + 0.59375f * 2 + 0.59375f * 4 - 0.09375f * 4;
    float last = -0.09375f * 2 + 0.59375f * 4 + 0.59375f * 4 - 0.09375f * 4;
    expect_floats(&r, FLOATS(1, half, 2, middle, 4, last));
}

static void nearest_rounds_ties_as_asked(void **state)
{
    (void) state;
    static const float want[][6] = {
        [NEAREST_PREFER_FLOOR] = {1, 1, 2, 2, 4, 4}, [NEAREST_PREFER_CEIL] = {1, 2, 2, 4, 4, 4},
        [NEAREST_FLOOR] = {1, 1, 2, 2, 4, 4}, [NEAREST_CEIL] = {1, 2, 2, 4, 4, 4},
    };
    for (int i = NEAREST_PREFER_FLOOR; i <= NEAREST_CEIL; i++) {
        struct run r = resize_of(RESIZE_NEAREST, COORD_ASYMMETRIC, 6);
        r.op.u.resize.round = (enum resize_round) i;
        expect_floats(&r, want[i]);
    }
}

static void image_normalises_and_turns_to_planes(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_IMAGE, .u.image = {.mean = {10, 20}, .scale = {0.5f, 2}}}};
    INPUT(&r, DT_U8, ((const uint8_t[]){12, 20, 10, 21}), DIMS(1, 1, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 2, 1, 2));
    expect_floats(&r, FLOATS(1, 0, 0, 2));
    r.op.u.image.nhwc = true;
    expect_floats(&r, FLOATS(1, 0, 0, 2));
    r.in[0] = (const uint8_t[]){12, 20, 14, 21};
    expect_floats(&r, FLOATS(1, 0, 2, 2));
}

static void reorder_fills_pad_lanes_with_zero(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_REORDER}};
    INPUT(&r, DT_F32, FLOATS(1, 2, 3, 4, 5, 6), DIMS(1, 3, 1, 2));
    OUTPUT(&r, DT_F32, DIMS(1, 3, 1, 2));
    r.inst.out[0].layout = LAYOUT_BLOCKED;
    r.inst.out[0].block = 2;
    expect_bytes(&r, 0, FLOATS(1, 3, 2, 4, 5, 0, 6, 0));
}

/* ---- the entrance ----------------------------------------------------------------------------------- */

static void other_kinds_refuse_blocked_tensors(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_UNARY, .u.unary = UN_ABS}};
    INPUT(&r, DT_F32, FLOATS(1), DIMS(1, 1, 1, 1));
    OUTPUT(&r, DT_F32, DIMS(1, 1, 1, 1));
    r.inst.in[0].layout = LAYOUT_BLOCKED;
    assert_int_equal(execute(&r), CQ_UNSUPPORTED);
}

static void names_and_flops(void **state)
{
    (void) state;
    assert_string_equal(op_kind_name(OP_DEPTH_TO_SPACE), "DEPTH_TO_SPACE");
    assert_string_equal(op_kind_name(OP_KIND_COUNT), "UNKNOWN");
    struct run r = {.op = {.kind = OP_CONV}};
    set_window(&r.op.u.conv, 3, 1, 1, 1, 1);
    r.op.u.conv.group = 2;
    INPUT(&r, DT_F32, NULL, DIMS(1, 4, 5, 5));
    INPUT(&r, DT_F32, NULL, DIMS(6, 2, 3, 3));
    OUTPUT(&r, DT_F32, DIMS(1, 6, 5, 5));
    r.inst.op = &r.op;
    assert_float_equal(op_flops(&r.inst), 2.0 * 9 * 2 * 6 * 25, 0);
    r.op.kind = OP_TRANSPOSE;
    assert_float_equal(op_flops(&r.inst), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_adds_window_bias_residual_and_act),
        cmocka_unit_test(conv_takes_groups_padding_and_dilation),
        cmocka_unit_test(conv_transpose_spreads),
        cmocka_unit_test(pooling_ignores_or_counts_padding),
        cmocka_unit_test(pooling_does_not_count_the_overhang),
        cmocka_unit_test(unary_functions),
        cmocka_unit_test(unary_tests_give_bools),
        cmocka_unit_test(binary_broadcasts_both_ways),
        cmocka_unit_test(integer_arithmetic),
        cmocka_unit_test(division_of_integers_by_zero_is_an_error),
        cmocka_unit_test(power_of_mixed_types_has_the_base_type),
        cmocka_unit_test(cast_truncates_and_saturates_as_x86),
        cmocka_unit_test(where_and_prelu_broadcast),
        cmocka_unit_test(matmul_broadcasts_batches),
        cmocka_unit_test(gemm_transposes_scales_and_adds),
        cmocka_unit_test(reductions),
        cmocka_unit_test(reduction_of_nothing),
        cmocka_unit_test(softmax_survives_large_numbers),
        cmocka_unit_test(arg_and_topk_take_the_first_of_equals),
        cmocka_unit_test(normalisations),
        cmocka_unit_test(concat_and_split_are_inverse),
        cmocka_unit_test(slice_steps_backwards),
        cmocka_unit_test(transpose_expand_tile_copy),
        cmocka_unit_test(pad_modes),
        cmocka_unit_test(gather_wraps_negative_indices_and_rejects_others),
        cmocka_unit_test(depth_and_space),
        cmocka_unit_test(resize_modes),
        cmocka_unit_test(nearest_rounds_ties_as_asked),
        cmocka_unit_test(image_normalises_and_turns_to_planes),
        cmocka_unit_test(reorder_fills_pad_lanes_with_zero),
        cmocka_unit_test(other_kinds_refuse_blocked_tensors),
        cmocka_unit_test(names_and_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
