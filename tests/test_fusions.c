/* What exporters spell out in single steps: GELU, HardSwish and layer normalisation in the forms that occur become one
 * step, with the results of the formulas, and forms that only look alike stay what they are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"
#include "tests/onnx_build.h"

enum { ROWS = 5, COLUMNS = 9, ALL = ROWS * COLUMNS };

static struct device *dev;
static struct cq_log logger = {.level = CQ_ERROR, .name = "test"};
static float input[ALL];

static void count(void *ctx, const char *text)
{
    (void) text;
    ++*(int *) ctx;
}

/* Runs and frees the model; the first output goes to y. Gives the number of steps in its plan. */
static int run(Onnx__ModelProto *m, float *y)
{
    size_t size;
    uint8_t *data = onnx_bytes(m, &size);
    struct model *model;
    struct session *s;
    struct session_input in = {{DT_F32, .rank = 2, .dim = {ROWS, COLUMNS}}, input};
    const struct session_output *out;
    int n_out, steps = 0;
    assert_int_equal(model_load_memory(&logger, "test", data, size, &model), CQ_OK);
    assert_int_equal(session_create(&logger, dev, model, &(struct session_params){.skip_batch_check = true}, &s), CQ_OK);
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OK);
    assert_int_equal(tensor_elems(&out[0].desc), ALL);
    memcpy(y, out[0].data, sizeof input);
    assert_int_equal(session_describe(s, 1, count, &steps), CQ_OK);
    session_destroy(&s);
    model_destroy(&model);
    free(data);
    onnx_free(m);
    return steps;
}

static Onnx__ModelProto *begin(void)
{
    Onnx__ModelProto *m = onnx_model(13);
    onnx_input(m, "x", 2, (int64_t[]){ROWS, COLUMNS});
    onnx_output(m, "y");
    return m;
}

/* ---- GELU ---- */

/* `order`: which product comes last; `add`: what is added to the error function. */
static int run_gelu(int order, bool divide, float add, float *y)
{
    Onnx__ModelProto *m = begin();
    onnx_float(m, "half", 0.5f);
    onnx_float(m, "one", add);
    onnx_float(m, "root", divide ? 1.41421354f : 0.707106769f);
    onnx_node(m, divide ? "Div" : "Mul", "x,root", "scaled");
    onnx_node(m, "Erf", "scaled", "erf");
    onnx_node(m, "Add", "erf,one", "gate");
    if (order == 0) {
        onnx_node(m, "Mul", "x,gate", "product");
        onnx_node(m, "Mul", "product,half", "y");
    } else if (order == 1) {
        onnx_node(m, "Mul", "half,x", "product");
        onnx_node(m, "Mul", "product,gate", "y");
    } else {
        onnx_node(m, "Mul", "gate,half", "product");
        onnx_node(m, "Mul", "x,product", "y");
    }
    return run(m, y);
}

static void test_gelu(void **state)
{
    (void) state;
    float y[ALL];
    for (int form = 0; form < 6; form++) {
        assert_int_equal(run_gelu(form / 2, form % 2, 1, y), 1);
        for (int i = 0; i < ALL; i++)
            assert_float_equal(y[i], 0.5f * input[i] * (1 + erff(input[i] * 0.707106781f)), 1e-6f);
    }
    assert_true(run_gelu(0, true, 1.01f, y) > 1);
    for (int i = 0; i < ALL; i++)
        assert_float_equal(y[i], 0.5f * input[i] * (1.01f + erff(input[i] * 0.707106781f)), 1e-6f);
}

/* ---- HardSwish ---- */

/* x*clip(x + 3, 0, 6)/6, the division or multiplication first or last. */
static void test_hard_swish(void **state)
{
    (void) state;
    float y[ALL];
    for (int form = 0; form < 4; form++) {
        bool divide = form & 1, first = form & 2;
        Onnx__ModelProto *m = begin();
        onnx_float(m, "three", 3);
        onnx_float(m, "zero", 0);
        onnx_float(m, "six", 6);
        onnx_float(m, "by", divide ? 6 : 1.0f / 6);
        onnx_node(m, "Add", "three,x", "sum");
        onnx_node(m, "Clip", "sum,zero,six", "gate");
        onnx_node(m, first ? (divide ? "Div" : "Mul") : "Mul", first ? "gate,by" : "x,gate", "half_way");
        onnx_node(m, first ? "Mul" : (divide ? "Div" : "Mul"), first ? "half_way,x" : "half_way,by", "y");
        assert_int_equal(run(m, y), 1);
        for (int i = 0; i < ALL; i++)
            assert_float_equal(y[i], input[i] * fmaxf(0, fminf(input[i] + 3, 6)) / 6, 1e-6f);
    }
}

/* ---- layer normalisation ---- */

struct norm { bool power, scale, bias, shared; };

static int run_norm(const struct norm *n, float *y)
{
    static const char *const names[] = {"y", "z", "w"};
    Onnx__ModelProto *m = begin();
    const char *last = names[n->scale + n->bias + n->shared];
    onnx_float(m, "two", 2);
    onnx_float(m, "epsilon", 1e-3f);
    onnx_weights(m, "scale", 1, (int64_t[]){COLUMNS});
    onnx_weights(m, "bias", 2, (int64_t[]){1, COLUMNS});
    onnx_attr_ints(onnx_node(m, "ReduceMean", "x", "mean"), "axes", 1, (int64_t[]){-1});
    onnx_node(m, "Sub", "x,mean", "d");
    onnx_node(m, n->power ? "Pow" : "Mul", n->power ? "d,two" : "d,d", "squares");
    onnx_attr_ints(onnx_node(m, "ReduceMean", "squares", "variance"), "axes", 1, (int64_t[]){-1});
    onnx_node(m, "Add", "variance,epsilon", "sum");
    onnx_node(m, "Sqrt", "sum", "root");
    onnx_node(m, "Div", "d,root", last);
    if (n->scale)
        onnx_node(m, "Mul", n->bias ? "w,scale" : "z,scale", n->bias ? "z" : "y");
    if (n->bias)
        onnx_node(m, "Add", "bias,z", "y");
    if (n->shared)
        onnx_node(m, "Add", "z,d", "y");
    return run(m, y);
}

static void expect_norm(const struct norm *n, const float *y)
{
    float weights[COLUMNS];
    uint32_t seed = 12345;
    for (int i = 0; i < COLUMNS; i++) {          /* as onnx_weights */
        seed = seed * 1664525u + 1013904223u;
        weights[i] = (float) (int32_t) seed * 0x1p-31f;
    }
    for (int row = 0; row < ROWS; row++) {
        const float *x = input + row * COLUMNS;
        double mean = 0, variance = 0;
        for (int i = 0; i < COLUMNS; i++)
            mean += (double) x[i] / COLUMNS;
        for (int i = 0; i < COLUMNS; i++)
            variance += ((double) x[i] - mean) * ((double) x[i] - mean) / COLUMNS;
        for (int i = 0; i < COLUMNS; i++) {
            double d = (double) x[i] - mean, want = d / sqrt(variance + 1e-3);
            want = (n->scale ? want * (double) weights[i] : want) + (n->bias ? (double) weights[i] : 0);
            assert_float_equal(y[row * COLUMNS + i], (float) (n->shared ? want + d : want), 1e-5f);
        }
    }
}

static void test_layer_norm(void **state)
{
    (void) state;
    static const struct norm whole[] = {
        {.power = true}, {.power = false}, {.power = true, .scale = true}, {.bias = true},
        {.power = true, .scale = true, .bias = true},
    };
    float y[ALL];
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        assert_int_equal(run_norm(&whole[i], y), 1);
        expect_norm(&whole[i], y);
    }
    const struct norm shared = {.power = true, .shared = true};
    assert_true(run_norm(&shared, y) > 2);
    expect_norm(&shared, y);
}

int main(void)
{
    struct device_info info;
    for (int i = 0; i < ALL; i++)
        input[i] = 3 * sinf((float) (i * 7));
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gelu), cmocka_unit_test(test_hard_swish), cmocka_unit_test(test_layer_norm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
