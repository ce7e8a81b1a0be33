/* The registry of kernels: names, order, and instances that no kernel may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/kernel.h"

enum { SKIPPED = 77 };

static struct cq_log quiet;
static struct device *dev;

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
}

static struct tensor_desc image(int64_t n, int64_t c, int64_t h, int64_t w, bool blocked)
{
    return (struct tensor_desc) {
        .type = DT_F32, .rank = 4, .dim = {n, c, h, w}, .layout = blocked ? LAYOUT_BLOCKED : LAYOUT_PLAIN,
        .block = blocked ? device_get_info(dev)->float_width : 0,
    };
}

/* 3x3, 16 to 32 channels, on 10x10 pixels. */
static void convolution(struct op *op, struct op_inst *inst, bool blocked)
{
    static const float weights[32 * 16 * 9], bias[32];
    *op = (struct op) {.kind = OP_CONV};
    op->u.conv = (struct conv_attrs) {
        .spatial = 2, .group = 1, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1},
        .pad_end = {1, 1},
    };
    *inst = (struct op_inst) {.op = op, .n_in = 3, .n_out = 1};
    inst->in[0] = image(1, 16, 10, 10, blocked);
    inst->in[1] = image(32, 16, 3, 3, false);
    inst->in[2] = (struct tensor_desc) {.type = DT_F32, .rank = 1, .dim = {32}};
    inst->out[0] = image(1, 32, 10, 10, blocked);
    inst->constant[1] = weights;
    inst->constant[2] = bias;
}

static void test_names(void **state)
{
    (void) state;
    int n = 0;
    for (; kernel_classes[n]; n++) {
        const struct kernel_class *k = kernel_classes[n];
        assert_ptr_equal(kernel_by_name(k->name), k);
        assert_non_null(k->serves);
        assert_non_null(k->enqueue);
        assert_true((k->packed_bytes != NULL) == (k->pack != NULL));
    }
    assert_true(n > 1);
    assert_true(kernel_is_host(kernel_classes[n - 1]));
    assert_false(kernel_is_host(kernel_classes[0]));
    assert_null(kernel_by_name("no such kernel"));
}

static void test_choice(void **state)
{
    struct op op;
    struct op_inst inst;
    (void) state;
    convolution(&op, &inst, true);
    assert_string_equal(kernel_find(dev, &inst)->name, "winograd_4x4");
    op.u.conv.dilation[0] = op.u.conv.pad_begin[0] = op.u.conv.pad_end[0] = 2;
    bool wide = device_get_info(dev)->float_width == 16;      /* conv_strip pays there for fewer channels */
    assert_string_equal(kernel_find(dev, &inst)->name, wide ? "conv_strip" : "conv_tile");
    convolution(&op, &inst, false);
    assert_string_equal(kernel_find(dev, &inst)->name, "conv_generic");
    convolution(&op, &inst, true);
    op.u.conv.kernel[0] = op.u.conv.kernel[1] = 1;
    op.u.conv.pad_begin[0] = op.u.conv.pad_begin[1] = op.u.conv.pad_end[0] = op.u.conv.pad_end[1] = 0;
    inst.in[1] = image(32, 16, 1, 1, false);
    assert_string_equal(kernel_find(dev, &inst)->name, "conv_pointwise");
    inst.constant[1] = NULL;
    assert_null(kernel_find(dev, &inst));
}

/* Shapes that contradict each other must not reach a kernel, which would read past its weights. */
static void test_contradictions(void **state)
{
    struct op op;
    struct op_inst inst;
    (void) state;
    for (int what = 0; what < 8; what++) {
        convolution(&op, &inst, true);
        switch (what) {
        case 0: inst.in[1].dim[0] = 31; break;
        case 1: inst.in[1].dim[1] = 15; break;
        case 2: inst.in[1].dim[3] = 2; break;
        case 3: inst.in[2].dim[0] = 16; break;
        case 4: op.u.conv.group = 3; break;
        case 5: op.u.conv.stride[1] = 0; break;
        case 6: inst.n_in = 4; inst.in[3] = image(1, 32, 9, 10, true); break;
        case 7: inst.in[1].rank = 3; break;
        }
        assert_null(kernel_find(dev, &inst));
    }
}

static float run_mean(const struct kernel_class *k, const struct op_inst *inst, const float *x)
{
    struct kernel_bufs bufs = {0};
    float y = 0;
    size_t bytes = tensor_bytes(&inst->in[0]);
    assert_int_equal(device_alloc(dev, bytes, &bufs.in[0].mem), CQ_OK);
    assert_int_equal(device_alloc(dev, sizeof y, &bufs.out[0].mem), CQ_OK);
    assert_int_equal(device_write(dev, bufs.in[0].mem, 0, x, bytes), CQ_OK);
    assert_int_equal(k->enqueue(dev, inst, &bufs), CQ_OK);
    assert_int_equal(device_read(dev, bufs.out[0].mem, 0, &y, sizeof y), CQ_OK);
    device_free(&bufs.in[0].mem);
    device_free(&bufs.out[0].mem);
    return y;
}

/* Thousands of equal terms, each of which rounds the same way in a single sum. */
static void test_long_sums(void **state)
{
    enum { SIDE = 256 };
    static float x[SIDE * SIDE];
    struct op op = {.kind = OP_POOL_AVG};
    struct op_inst inst = {.op = &op, .n_in = 1, .n_out = 1};
    int ran = 0;
    (void) state;
    for (int i = 0; i < SIDE * SIDE; i++)
        x[i] = 0.376543f;
    op.u.conv = (struct conv_attrs) {
        .spatial = 2, .group = 1, .kernel = {SIDE, SIDE}, .stride = {1, 1}, .dilation = {1, 1},
    };
    inst.in[0] = image(1, 1, SIDE, SIDE, false);
    inst.out[0] = image(1, 1, 1, 1, false);
    for (int i = 0; kernel_classes[i]; i++) {
        const struct kernel_class *k = kernel_classes[i];
        if (k->kind != op.kind || kernel_is_host(k) || !k->serves(dev, &inst))
            continue;
        float error = run_mean(k, &inst, x) / x[0] - 1;
        if (!(error > -1e-5f && error < 1e-5f))
            fail_msg("%s: relative error %.3g", k->name, (double) error);
        ran++;
    }
    assert_true(ran >= 2);
}

int main(void)
{
    struct device_info info;
    quiet = (struct cq_log) {.level = CQ_ERROR, .sink = swallow};
    device_setup_environment(0);
    if (device_find(&quiet, "auto", &info) || device_open(&quiet, &info, &dev)) {
        print_message("SKIP: no OpenCL device\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_contradictions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
