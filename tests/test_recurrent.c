/* RNN, GRU and LSTM: what ONNX's backend tests leave out. Directions against each other, and cells of one unit
 * against the formulas written out. */
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

enum { LENGTH = 5, BATCH = 2, INPUT = 3, HIDDEN = 4, MAX_GATES = 4 };

static struct device *dev;
static struct cq_log logger = {.level = CQ_ERROR, .name = "test"};

/* A made-up number in -1..1 for each place in a tensor. */
static void fill(float *x, int n, uint32_t seed)
{
    for (int i = 0; i < n; i++)
        x[i] = sinf((float) (seed * 131 + (uint32_t) i * 17));
}

/* Runs and frees the model; the first output goes to y. */
static void run(Onnx__ModelProto *m, const float *x, const int64_t *dim, float *y, int n)
{
    size_t size;
    uint8_t *data = onnx_bytes(m, &size);
    struct model *model;
    struct session *s;
    struct session_input in = {{DT_F32, .rank = 3, .dim = {dim[0], dim[1], dim[2]}}, x};
    const struct session_output *out;
    int n_out;
    assert_int_equal(model_load_memory(&logger, "test", data, size, &model), CQ_OK);
    assert_int_equal(session_create(&logger, dev, model, &(struct session_params){.skip_batch_check = true}, &s), CQ_OK);
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OK);
    assert_int_equal(tensor_elems(&out[0].desc), n);
    memcpy(y, out[0].data, (size_t) n * sizeof *y);
    session_destroy(&s);
    model_destroy(&model);
    free(data);
    onnx_free(m);
}

static void weights(Onnx__ModelProto *m, const char *name, int rank, const int64_t *dim, const float *v)
{
    onnx_raw(onnx_tensor_of(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dim), v,
             (size_t) onnx_count(rank, dim) * sizeof *v);
}

/* ---- directions ---- */

struct kind { const char *type; int gates; bool linear_before_reset; };

/* Directions first..first+count-1 of the same made-up weights. */
static void run_directions(const struct kind *k, const char *way, int first, int count, const float *x, float *y)
{
    static float w[2 * MAX_GATES * HIDDEN * INPUT], r[2 * MAX_GATES * HIDDEN * HIDDEN], b[2 * 2 * MAX_GATES * HIDDEN];
    const int64_t gh = k->gates * HIDDEN, dim[] = {LENGTH, BATCH, INPUT};
    fill(w, 2 * (int) gh * INPUT, 1);
    fill(r, 2 * (int) gh * HIDDEN, 2);
    fill(b, 2 * 2 * (int) gh, 3);
    Onnx__ModelProto *m = onnx_model(14);
    onnx_input(m, "x", 3, dim);
    weights(m, "w", 3, (int64_t[]){count, gh, INPUT}, w + first * gh * INPUT);
    weights(m, "r", 3, (int64_t[]){count, gh, HIDDEN}, r + first * gh * HIDDEN);
    weights(m, "b", 2, (int64_t[]){count, 2 * gh}, b + first * 2 * gh);
    Onnx__NodeProto *n = onnx_node(m, k->type, "x,w,r,b", "y");
    onnx_attr_string(n, "direction", way);
    onnx_attr_int(n, "linear_before_reset", k->linear_before_reset);
    onnx_output(m, "y");
    run(m, x, dim, y, LENGTH * count * BATCH * HIDDEN);
}

static void flip(const float *x, int row, float *y)
{
    for (int t = 0; t < LENGTH; t++)
        memcpy(y + t * row, x + (LENGTH - 1 - t) * row, (size_t) row * sizeof *y);
}

static void assert_same(const float *a, const float *b, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f))
            fail_msg("element %d is %g, not %g", i, (double) a[i], (double) b[i]);
}

/* Backwards is forwards over the flipped sequence; both together are the two side by side. */
static void test_directions(void **state)
{
    (void) state;
    static const struct kind kinds[] = {{"RNN", 1, false}, {"GRU", 3, false}, {"GRU", 3, true}, {"LSTM", 4, false}};
    enum { STATE = BATCH * HIDDEN, ALL = LENGTH * STATE };
    float x[LENGTH * BATCH * INPUT], flipped[LENGTH * BATCH * INPUT];
    float forward[ALL], reverse[ALL], turned[ALL], back[ALL], both[2 * ALL];
    fill(x, LENGTH * BATCH * INPUT, 9);
    flip(x, BATCH * INPUT, flipped);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        run_directions(&kinds[i], "forward", 0, 1, x, forward);
        run_directions(&kinds[i], "reverse", 1, 1, x, reverse);
        run_directions(&kinds[i], "forward", 1, 1, flipped, turned);
        run_directions(&kinds[i], "bidirectional", 0, 2, x, both);
        flip(turned, STATE, back);
        assert_same(reverse, back, ALL);
        for (int t = 0; t < LENGTH; t++) {
            assert_same(both + 2 * t * STATE, forward + t * STATE, STATE);
            assert_same(both + (2 * t + 1) * STATE, reverse + t * STATE, STATE);
        }
    }
}

/* ---- cells of one unit ---- */

static float sigmoid(float v)
{
    return 1 / (1 + expf(-v));
}

static float within(float v, float limit)
{
    return fmaxf(-limit, fminf(v, limit));
}

/* Gates i, o, f, c; peepholes i, o, f; input_forget ties f to i; what enters an activation is clipped. */
static void test_lstm_options(void **state)
{
    (void) state;
    static const float w[4] = {0.9f, -1.4f, 0.3f, 2.1f}, r[4] = {0.5f, 0.8f, -0.7f, -1.2f}, p[3] = {0.4f, -0.6f, 0.2f};
    static const float clip = 0.75f, x[4] = {0.3f, -1.1f, 0.8f, 2.0f};
    float y[4], h = 0, c = 0;
    Onnx__ModelProto *m = onnx_model(14);
    onnx_input(m, "x", 3, (int64_t[]){4, 1, 1});
    weights(m, "w", 3, (int64_t[]){1, 4, 1}, w);
    weights(m, "r", 3, (int64_t[]){1, 4, 1}, r);
    weights(m, "p", 2, (int64_t[]){1, 3}, p);
    Onnx__NodeProto *n = onnx_node(m, "LSTM", "x,w,r,,,,,p", "y");
    onnx_attr_int(n, "input_forget", 1);
    onnx_attr_float(n, "clip", clip);
    onnx_output(m, "y");
    run(m, x, (int64_t[]){4, 1, 1}, y, 4);
    for (int t = 0; t < 4; t++) {
        float i = sigmoid(within(w[0] * x[t] + r[0] * h + p[0] * c, clip));
        float candidate = tanhf(within(w[3] * x[t] + r[3] * h, clip));
        c = (1 - i) * c + i * candidate;
        float o = sigmoid(within(w[1] * x[t] + r[1] * h + p[1] * c, clip));
        h = o * tanhf(c);
        assert_float_equal(y[t], h, 1e-5f);
    }
}

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static void test_refusals(void **state)
{
    (void) state;
    struct cq_log quiet = {.level = CQ_ERROR, .sink = ignore};
    static const int64_t dim[] = {5000, 1, 1};
    static const float one = 1;
    Onnx__ModelProto *m = onnx_model(14);
    onnx_input(m, "x", 3, dim);
    weights(m, "w", 3, (int64_t[]){1, 1, 1}, &one);
    weights(m, "r", 3, (int64_t[]){1, 1, 1}, &one);
    onnx_node(m, "RNN", "x,w,r", "y");
    onnx_output(m, "y");
    size_t size;
    uint8_t *data = onnx_bytes(m, &size);
    struct model *model;
    assert_int_equal(model_load_memory(&quiet, "test", data, size, &model), CQ_UNSUPPORTED);
    assert_non_null(strstr(quiet.last_error, "5000 steps"));
    free(data);
    onnx_free(m);
}

int main(void)
{
    struct device_info info;
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions), cmocka_unit_test(test_lstm_options), cmocka_unit_test(test_refusals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
