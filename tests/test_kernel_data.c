/* Data that a kernel cannot refuse, for it has no way to report an error: indices outside and integer divisors of 0.
 * Nothing outside may be touched, and the numbers beside them must be right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/kernel.h"

enum { SKIPPED = 77, SLOT = 128, MAX_BYTES = 64 };

static struct device *dev;

static struct tensor_desc row_of(enum dtype type, int64_t n)
{
    return (struct tensor_desc) {.type = type, .rank = 1, .dim = {n}};
}

/* Runs `op` of two inputs by the variant named, and expects `want` in the output's bytes. */
static void expect(const char *kernel, const struct op *op, struct tensor_desc a, const void *a_data,
                   struct tensor_desc b, const void *b_data, struct tensor_desc y, const void *want)
{
    struct op_inst inst = {.op = op, .n_in = 2, .n_out = 1, .in = {a, b}, .out = {y}};
    struct kernel_bufs bufs = {0};
    struct device_mem *mem;
    char got[MAX_BYTES];
    const struct kernel_class *k = kernel_find(dev, &inst);
    assert_non_null(k);
    assert_string_equal(k->name, kernel);
    assert_int_equal(device_alloc(dev, 3 * SLOT, &mem), CQ_OK);
    bufs.in[0] = (struct mem_ref) {mem, 0};
    bufs.in[1] = (struct mem_ref) {mem, SLOT};
    bufs.out[0] = (struct mem_ref) {mem, 2 * SLOT};
    assert_int_equal(device_write(dev, mem, 0, a_data, tensor_bytes(&a)), CQ_OK);
    assert_int_equal(device_write(dev, mem, SLOT, b_data, tensor_bytes(&b)), CQ_OK);
    assert_int_equal(k->enqueue(dev, &inst, &bufs), CQ_OK);
    assert_int_equal(device_read(dev, mem, 2 * SLOT, got, tensor_bytes(&y)), CQ_OK);
    assert_memory_equal(got, want, tensor_bytes(&y));
    device_free(&mem);
}

static void integers_over_zero_are_zero(void **state)
{
    static const int64_t a[] = {7, -7, INT64_MIN, 9}, b[] = {0, 2, -1, 0};
    static const struct { enum binary fn; int64_t want[4]; } cases[] = {
        {BIN_DIV, {0, -3, INT64_MIN, 0}}, {BIN_MOD, {0, 1, 0, 0}}, {BIN_FMOD, {0, -1, 0, 0}},
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct op op = {.kind = OP_BINARY, .u.binary = cases[i].fn};
        expect("binary_any", &op, row_of(DT_I64, 4), a, row_of(DT_I64, 4), b, row_of(DT_I64, 4), cases[i].want);
    }
}

static void indices_outside_are_clamped(void **state)
{
    static const float x[] = {1, 2, 3}, want[] = {1, 3, 3, 1, 3};
    static const int64_t indices[] = {INT64_MIN, 3, INT64_MAX, -4, -1};
    (void) state;
    struct op gather = {.kind = OP_GATHER}, elements = {.kind = OP_GATHER_ELEMENTS};
    expect("gather_rows", &gather, row_of(DT_F32, 3), x, row_of(DT_I64, 5), indices, row_of(DT_F32, 5), want);
    expect("gather_elements", &elements, row_of(DT_F32, 3), x, row_of(DT_I64, 5), indices, row_of(DT_F32, 5), want);
}

/* Known at load, such data is refused by the variant; the reference then says what is wrong. */
static void constants_are_refused(void **state)
{
    static const int64_t zero[] = {1, 0}, outside[] = {0, 5};
    (void) state;
    struct op divide = {.kind = OP_BINARY, .u.binary = BIN_DIV}, elements = {.kind = OP_GATHER_ELEMENTS};
    struct op_inst inst = {.op = &divide, .n_in = 2, .n_out = 1};
    inst.in[0] = inst.in[1] = inst.out[0] = row_of(DT_I64, 2);
    inst.constant[1] = zero;
    assert_true(kernel_is_host(kernel_find(dev, &inst)));
    inst.op = &elements;
    inst.constant[1] = outside;
    assert_true(kernel_is_host(kernel_find(dev, &inst)));
}

int main(void)
{
    struct cq_log log = {.level = CQ_WARN, .name = "test_kernel_data"};
    struct device_info info;
    device_setup_environment(0);
    if (device_find(&log, "auto", &info) == CQ_NO_DEVICE)
        return SKIPPED;
    if (device_open(&log, &info, &dev))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_over_zero_are_zero),
        cmocka_unit_test(indices_outside_are_clamped),
        cmocka_unit_test(constants_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
