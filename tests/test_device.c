/* Devices: what specs mean, what memory keeps, how failures come out, and a program that does not build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/mma.h"
#include "kernels/program.h"

enum { SKIPPED = 77, BYTES = 1000 };

static struct cq_log quiet;
static int said;                /* messages */

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
    said++;
}

static struct device *open_device(void)
{
    struct device_info info;
    struct device *dev = NULL;
    assert_int_equal(device_find(&quiet, "auto", &info), CQ_OK);
    assert_int_equal(device_open(&quiet, &info, &dev), CQ_OK);
    assert_non_null(dev);
    return dev;
}

static void test_list(void **state)
{
    struct device_info all[16];
    int n = -1;
    (void) state;
    assert_int_equal(device_list(&quiet, all, 16, &n), CQ_OK);
    assert_true(n >= 1);
    for (int i = 0; i < n; i++) {
        assert_true(all[i].name[0] != '\0');
        assert_true(all[i].float_width == 4 || all[i].float_width == 8 || all[i].float_width == 16);
        assert_true(all[i].compute_units > 0 && all[i].global_bytes > 0 && all[i].max_alloc_bytes > 0);
        assert_true(all[i].score > 0);
    }
    assert_int_equal(device_list(&quiet, all, 0, &n), CQ_OK);
    assert_int_equal(n, 0);
}

/* Half a device is one of half the units, and can be opened; what is no part is refused. */
static void test_parts(void **state)
{
    static const char *const wrong[] = {"/0/2", "/3/2", "/1", "/1/2x", "/1/2/3", "/1/17", "//2"};
    struct device_info whole, part;
    struct device *dev;
    struct device_mem *mem;
    char spec[32];
    (void) state;
    assert_int_equal(device_find(&quiet, "auto", &whole), CQ_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(spec, sizeof spec, "%s%s", whole.spec, wrong[i]);
        assert_int_equal(device_find(&quiet, spec, &part), CQ_INVALID);
    }
    assert_int_equal(device_find(&quiet, "auto/1/1", &part), CQ_OK);
    assert_string_equal(part.spec, whole.spec);
    if (whole.kind != DEVICE_CPU || whole.compute_units < 2 || whole.compute_units > 16)
        return;
    snprintf(spec, sizeof spec, "%s/2/2", whole.spec);
    assert_int_equal(device_find(&quiet, "auto/2/2", &part), CQ_OK);
    assert_string_equal(part.spec, spec);
    assert_int_equal(part.compute_units, whole.compute_units / 2);
    assert_int_equal(device_open(&quiet, &part, &dev), CQ_OK);
    assert_int_equal(device_units(dev), part.compute_units);
    assert_int_equal(device_alloc(dev, BYTES, &mem), CQ_OK);
    device_free(&mem);
    device_close(&dev);
    snprintf(spec, sizeof spec, "%s/1/%d", whole.spec, whole.compute_units + 1);
    assert_int_equal(device_find(&quiet, spec, &part), CQ_INVALID);
}

static void test_specs(void **state)
{
    struct device_info best, same;
    (void) state;
    assert_int_equal(device_find(&quiet, "auto", &best), CQ_OK);
    assert_int_equal(device_find(&quiet, best.spec, &same), CQ_OK);
    assert_string_equal(best.name, same.name);
    const char *kind = best.kind == DEVICE_CPU ? "cpu" : best.kind == DEVICE_GPU ? "gpu" : best.spec;
    assert_int_equal(device_find(&quiet, kind, &same), CQ_OK);
    assert_int_equal(same.kind, best.kind);

    assert_int_equal(device_find(&quiet, "99:0", &same), CQ_NO_DEVICE);
    assert_int_equal(device_find(&quiet, "0:99", &same), CQ_NO_DEVICE);
    static const char *const wrong[] = {"", "0", "0:", ":0", "0:0x", "-1:0", "0:-1", "fast", "0:0:0", " 0:0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(device_find(&quiet, wrong[i], &same), CQ_INVALID);
    assert_non_null(strstr(quiet.last_error, "clipq devices"));
}

static void test_memory(void **state)
{
    struct device *dev = open_device();
    struct device_mem *mem = NULL;
    uint8_t sent[BYTES], got[BYTES];
    (void) state;
    for (int i = 0; i < BYTES; i++)
        sent[i] = (uint8_t) (i * 7);
    assert_int_equal(device_alloc(dev, BYTES, &mem), CQ_OK);
    assert_int_equal(device_mem_bytes(mem), BYTES);
    assert_int_equal(device_write(dev, mem, 0, sent, BYTES), CQ_OK);
    assert_int_equal(device_write(dev, mem, 10, sent, 5), CQ_OK);
    assert_int_equal(device_write(dev, mem, 0, sent, 0), CQ_OK);
    assert_int_equal(device_read(dev, mem, 0, got, BYTES), CQ_OK);
    memcpy(sent + 10, (uint8_t[]) {0, 7, 14, 21, 28}, 5);
    assert_memory_equal(sent, got, BYTES);
    assert_int_equal(device_read(dev, mem, BYTES - 1, got, 1), CQ_OK);
    assert_int_equal(got[0], sent[BYTES - 1]);
    device_free(&mem);
    assert_null(mem);
    device_free(&mem);
    device_close(&dev);
    assert_null(dev);
    device_close(&dev);
}

/* Copies in different streams at once; each stream's own are in order. */
static void test_streams(void **state)
{
    struct device *dev = open_device();
    struct device_mem *mem[16] = {0};
    uint8_t sent[16][BYTES], got[16][BYTES];
    int n = device_streams(dev), units = device_units(dev);
    (void) state;
    assert_in_range(n, 1, 16);
    assert_true(units >= n);
    for (int i = 0; i < n; i++) {
        device_use_stream(dev, i);
        assert_in_range(device_units(dev), 1, units);
        memset(sent[i], i + 1, BYTES);
        assert_int_equal(device_alloc(dev, BYTES, &mem[i]), CQ_OK);
        assert_int_equal(device_write_later(dev, mem[i], 0, sent[i], BYTES), CQ_OK);
        assert_int_equal(device_read_later(dev, mem[i], 0, got[i], BYTES), CQ_OK);
    }
    assert_int_equal(device_finish_all(dev), CQ_OK);
    assert_int_equal(device_units(dev), units);
    for (int i = 0; i < n; i++) {
        assert_memory_equal(sent[i], got[i], BYTES);
        device_free(&mem[i]);
    }
    device_close(&dev);
}

static void test_errors(void **state)
{
    struct device *dev = open_device();
    struct device_mem *mem = NULL;
    uint8_t byte = 0;
    (void) state;
    assert_int_equal(device_alloc(dev, (size_t) 1 << 60, &mem), CQ_OOM);
    assert_null(mem);
    assert_int_equal(device_alloc(dev, 16, &mem), CQ_OK);
    quiet.last_error[0] = '\0';
    assert_int_equal(device_write(dev, mem, 1 << 20, &byte, 1), CQ_DEVICE);
    assert_non_null(strstr(quiet.last_error, "clEnqueueWriteBuffer"));
    device_free(&mem);
    device_close(&dev);
}

static void test_injected_faults(void **state)
{
    struct device *dev = open_device();
    struct device_mem *mem = NULL, *second = NULL;
    uint8_t byte = 1;
    (void) state;
    device_fail_at(dev, 2, 0);
    assert_int_equal(device_alloc(dev, 16, &mem), CQ_OK);
    assert_int_equal(device_alloc(dev, 16, &second), CQ_OOM);
    assert_null(second);
    assert_int_equal(device_alloc(dev, 16, &second), CQ_OK);

    device_fail_at(dev, 0, 3);
    assert_int_equal(device_write(dev, mem, 0, &byte, 1), CQ_OK);
    assert_int_equal(device_read(dev, mem, 0, &byte, 1), CQ_OK);
    assert_int_equal(device_write(dev, mem, 0, &byte, 1), CQ_OOM);
    assert_int_equal(device_write(dev, mem, 0, &byte, 1), CQ_OK);

    assert_false(device_is_lost(dev));
    device_fail_at(dev, 0, 1);
    device_fail_at(dev, 0, 0);
    assert_int_equal(device_write(dev, mem, 0, &byte, 1), CQ_OK);
    device_free(&mem);
    device_free(&second);
    device_close(&dev);
}

static void test_fault_from_environment(void **state)
{
    struct device_mem *mem = NULL;
    (void) state;
    setenv("CLIPQ_FAULT", "other@1,alloc@2,enqueue@2,resources@2", 1);
    struct device *dev = open_device();
    unsetenv("CLIPQ_FAULT");
    assert_int_equal(device_alloc(dev, 16, &mem), CQ_OK);
    assert_int_equal(device_write(dev, mem, 0, "x", 1), CQ_OOM);      /* the fill was the first */
    assert_true(device_is_lost(dev));
    assert_int_equal(device_write(dev, mem, 0, "x", 1), CQ_OOM);
    device_free(&mem);
    assert_int_equal(device_alloc(dev, 16, &mem), CQ_OOM);
    device_close(&dev);
}

static const unsigned char good_source[] =
    "kernel void add(global int *base, ulong offset, int value, long more, float half_one) {\n"
    "    global int *p = (global int *) ((global char *) base + offset);\n"
    "    p[get_global_id(0)] += value + (int) more + (int) (2 * half_one) + EXTRA;\n"
    "}\n";
static const unsigned char bad_source[] = "kernel void broken(global int *p) { p[0] = no_such_name; }\n";

static const struct program_class good = {"good", {good_source}};
static const struct program_class bad = {"bad", {bad_source}};

static void test_launch(void **state)
{
    struct device *dev = open_device();
    struct device_mem *mem = NULL;
    int32_t v[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    (void) state;
    assert_int_equal(device_alloc(dev, sizeof v, &mem), CQ_OK);
    assert_int_equal(device_write(dev, mem, 0, v, sizeof v), CQ_OK);
    const struct kernel_arg args[] = {
        ARG_REF(((struct mem_ref) {mem, 8})), ARG_INT(10), ARG_LONG(100), ARG_FLOAT(0.5f),
    };
    struct launch l = {
        .program = &good, .kernel = "add", .options = "-DEXTRA=1000", .global = {4}, .dims = 1, .args = args,
        .n_args = 4,
    };
    assert_int_equal(program_run(dev, &l), CQ_OK);
    l.options = "-DEXTRA=20000";
    l.local[0] = 2;
    l.global[0] = 3;    /* rounded up to 4 */
    assert_int_equal(program_run(dev, &l), CQ_OK);
    l.global[0] = 0;    /* nothing to do */
    assert_int_equal(program_run(dev, &l), CQ_OK);
    assert_int_equal(device_read(dev, mem, 0, v, sizeof v), CQ_OK);
    static const int32_t want[8] = {0, 1, 21224, 21225, 21226, 21227, 6, 7};
    assert_memory_equal(v, want, sizeof v);

    device_fail_at(dev, 0, 1);
    l.global[0] = 4;
    assert_int_equal(program_run(dev, &l), CQ_OOM);
    l.n_args = 2;       /* the kernel's last argument keeps its value, but a wrong size does not pass */
    const struct kernel_arg wrong[] = {ARG_REF(((struct mem_ref) {mem, 8})), ARG_LONG(1)};
    l.args = wrong;
    assert_int_equal(program_run(dev, &l), CQ_DEVICE);
    device_free(&mem);
    device_close(&dev);
}

static void test_bad_program(void **state)
{
    struct device *dev = open_device();
    (void) state;
    struct launch l = {.program = &bad, .kernel = "broken", .global = {1}, .dims = 1};
    assert_int_equal(program_run(dev, &l), CQ_DEVICE);
    assert_int_equal(program_run(dev, &l), CQ_DEVICE);
    l.program = &good;
    l.options = "-DEXTRA=0";
    l.kernel = "no_such_kernel";
    assert_int_equal(program_run(dev, &l), CQ_DEVICE);
    device_close(&dev);
}

/* Taken as a GPU: what does not compile here is tried and left alone, without a word; what stands for it gives the
 * answer that the trial asks for. */
static void test_matrix_instructions(void **state)
{
    static const struct { const char *wanted; enum mma found; } cases[] = {
        {"emulate", MMA_EMULATED}, {"ptx", MMA_NONE}, {"0", MMA_NONE}, {NULL, MMA_NONE},
    };
    struct device_info info;
    struct device *dev;
    (void) state;
    assert_int_equal(device_find(&quiet, "cpu", &info), CQ_OK);
    info.simt = true;
    info.float_width = 4;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].wanted)
            setenv("CLIPQ_MMA", cases[i].wanted, 1);
        else
            unsetenv("CLIPQ_MMA");
        said = 0;
        assert_int_equal(device_open(&quiet, &info, &dev), CQ_OK);
        assert_int_equal(device_get_info(dev)->mma, MMA_UNKNOWN);
        mma_find(dev);
        assert_int_equal(device_get_info(dev)->mma, cases[i].found);
        assert_int_equal(said, 0);
        device_close(&dev);
    }
}

static void test_environment(void **state)
{
    (void) state;
    assert_string_equal(getenv("POCL_SIGFPE_HANDLER"), "0");
    assert_string_equal(getenv("POCL_WORK_GROUP_SPECIALIZATION"), "0");
    assert_string_equal(getenv("POCL_MAX_PTHREAD_COUNT"), "2");
    device_setup_environment(7);    /* what is set wins */
    assert_string_equal(getenv("POCL_MAX_PTHREAD_COUNT"), "2");
}

int main(void)
{
    quiet = (struct cq_log) {.level = CQ_ERROR, .sink = swallow};
    unsetenv("POCL_MAX_PTHREAD_COUNT");
    unsetenv("POCL_SIGFPE_HANDLER");
    unsetenv("POCL_WORK_GROUP_SPECIALIZATION");
    unsetenv("CLIPQ_FAULT");
    device_setup_environment(2);
    struct device_info info;
    if (device_find(&quiet, "auto", &info) == CQ_NO_DEVICE) {
        print_message("SKIP: no OpenCL device\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_injected_faults),
        cmocka_unit_test(test_fault_from_environment),
        cmocka_unit_test(test_launch),
        cmocka_unit_test(test_bad_program),
        cmocka_unit_test(test_matrix_instructions),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
