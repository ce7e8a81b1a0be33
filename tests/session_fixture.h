/* Small models and sessions for tests: one image input x of [N,8,6,6], random weights, a device for all.
 * The test's main() opens `dev` with open_device(). */
#ifndef CLIPQ_TESTS_SESSION_FIXTURE_H
#define CLIPQ_TESTS_SESSION_FIXTURE_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"
#include "tests/onnx_build.h"

static inline void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static struct cq_log logger = {.level = CQ_INFO, .sink = ignore};
static struct device *dev;

static inline struct model *load_and_free(Onnx__ModelProto *p)
{
    size_t size;
    struct model *m;
    uint8_t *data = onnx_bytes(p, &size);
    if (model_load_memory(&logger, "test", data, size, &m))
        fail_msg("%s", logger.last_error);
    free(data);
    onnx_free(p);
    return m;
}

static inline struct session *open_session(const struct model *m)
{
    struct session *s;
    if (session_create(&logger, dev, m, &(struct session_params){0}, &s))
        fail_msg("%s", logger.last_error);
    return s;
}

static inline Onnx__ModelProto *image_model(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){1, 8, 6, 6});
    return p;
}

static inline void add_conv(Onnx__ModelProto *p, const char *in, const char *out)
{
    char w[40], links[80];
    snprintf(w, sizeof w, "w_%s", out);
    snprintf(links, sizeof links, "%s,%s", in, w);
    onnx_weights(p, w, 4, (int64_t[]){8, 8, 3, 3});
    onnx_attr_ints(onnx_node(p, "Conv", links, out), "pads", 4, (int64_t[]){1, 1, 1, 1});
}

/* Runs x and returns the first output, for the caller to free. */
static inline float *run_floats(struct session *s, int batch, const float *x, size_t *n)
{
    const struct session_output *out;
    int n_out;
    struct session_input in = {{DT_F32, .rank = 4, .dim = {batch, 8, 6, 6}}, x};
    if (session_run_tensors(s, &in, 1, &out, &n_out))
        fail_msg("%s", logger.last_error);
    assert_int_equal(out[0].desc.type, DT_F32);
    *n = (size_t) tensor_elems(&out[0].desc);
    float *copy = malloc(*n * sizeof *copy + 1);
    assert_non_null(copy);
    memcpy(copy, out[0].data, *n * sizeof *copy);
    return copy;
}

enum { IMAGE = 8 * 6 * 6 };

static inline void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = sinf((float) i * 0.37f);
}

static inline bool open_device(void)
{
    struct device_info info;
    device_setup_environment(0);
    return !device_find(&logger, "auto", &info) && !device_open(&logger, &info, &dev);
}

#endif
