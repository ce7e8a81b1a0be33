/* A machine on which the OpenCL loader finds no platform: no devices, no error, and a message that helps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"

static struct cq_log quiet;

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
}

static void test_none(void **state)
{
    struct device_info info;
    int n = -1;
    (void) state;
    assert_int_equal(device_list(&quiet, &info, 1, &n), CQ_OK);
    assert_int_equal(n, 0);
    assert_string_equal(quiet.last_error, "");
    assert_int_equal(device_find(&quiet, "auto", &info), CQ_NO_DEVICE);
    assert_non_null(strstr(quiet.last_error, "pocl-opencl-icd"));
    assert_int_equal(device_find(&quiet, "0:0", &info), CQ_NO_DEVICE);
}

int main(void)
{
    quiet = (struct cq_log) {.level = CQ_ERROR, .sink = swallow};
    /* ocl-icd looks for platforms here, and only here when it is set. */
    setenv("OCL_ICD_VENDORS", "/nonexistent/", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
