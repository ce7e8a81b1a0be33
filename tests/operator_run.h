/* A model of one operator or a few, run through the engine, and what it must give or say: shared by the tests of
 * operators. */
#ifndef CLIPQ_TESTS_OPERATOR_RUN_H
#define CLIPQ_TESTS_OPERATOR_RUN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session.h"
#include "tests/onnx_build.h"

static inline void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static struct cq_log logger = {.level = CQ_INFO, .sink = ignore};
static struct device *dev;

#define DIMS(...) (int) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
#define FLOATS(...) (const float[]){__VA_ARGS__}

/* A model of one node whose input x has that shape. */
static inline Onnx__ModelProto *begin(int opset, int rank, const int64_t *dim)
{
    Onnx__ModelProto *p = onnx_model(opset);
    onnx_input(p, "x", rank, dim);
    onnx_output(p, "y");
    return p;
}

static inline void floats(Onnx__ModelProto *p, const char *name, int rank, const int64_t *dim, const float *v)
{
    onnx_raw(onnx_tensor_of(p, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dim), v,
             (size_t) onnx_count(rank, dim) * sizeof *v);
}

/* Consumes the model; `out` gets at most `room` floats of the first output. */
static inline enum cq_err run(Onnx__ModelProto *p, const float *x, float *out, int64_t room, int64_t *n)
{
    size_t size;
    uint8_t *data = onnx_bytes(p, &size);
    struct model *m = NULL;
    struct session *s = NULL;
    const struct session_output *got;
    int n_out;
    enum cq_err err = model_load_memory(&logger, "test", data, size, &m);
    if (!err)
        err = session_create(&logger, dev, m, &(struct session_params){.skip_batch_check = true}, &s);
    if (!err) {
        struct session_input in = {.data = x};
        assert_true(model_default_inputs(m, &in.desc));
        err = session_run_tensors(s, &in, 1, &got, &n_out);
    }
    if (!err) {
        *n = tensor_elems(&got->desc);
        assert_int_equal(got->desc.type, DT_F32);
        assert_true(*n <= room);
        memcpy(out, got->data, (size_t) *n * sizeof *out);
    }
    session_destroy(&s);
    model_destroy(&m);
    free(data);
    onnx_free(p);
    return err;
}

static inline void expect(Onnx__ModelProto *p, const float *x, int64_t n_want, const float *want)
{
    float got[64];
    int64_t n;
    if (run(p, x, got, 64, &n))
        fail_msg("%s", logger.last_error);
    assert_int_equal(n, n_want);
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-4f * fmaxf(1, fabsf(want[i]))))
            fail_msg("element %d is %g, not %g", (int) i, (double) got[i], (double) want[i]);
}

static inline void expect_refusal(Onnx__ModelProto *p, const float *x, const char *text)
{
    float got[64];
    int64_t n;
    logger.last_error[0] = '\0';
    assert_int_not_equal(run(p, x, got, 64, &n), CQ_OK);
    if (text && !strstr(logger.last_error, text))
        fail_msg("'%s' does not say '%s'", logger.last_error, text);
}

static const float counted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* Opens the device of all runs. */
static inline bool operator_device(void)
{
    struct device_info info;
    device_setup_environment(0);
    return !device_find(&logger, "auto", &info) && !device_open(&logger, &info, &dev);
}

#endif
