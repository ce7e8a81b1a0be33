/* Order statistics against values worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/bench_spread.h"

static void test_one(void **state)
{
    double v[] = {3.5};
    (void) state;
    struct bench_spread s = bench_spread_of(v, 1);
    assert_int_equal(s.n, 1);
    assert_true(s.min == 3.5 && s.median == 3.5 && s.iqr == 0);
}

static void test_odd(void **state)
{
    double v[] = {9, 1, 5, 3, 7};
    (void) state;
    struct bench_spread s = bench_spread_of(v, 5);
    assert_true(s.min == 1 && s.median == 5 && s.iqr == 4);
}

static void test_between(void **state)
{
    double v[] = {4, 1, 3, 2};
    (void) state;
    struct bench_spread s = bench_spread_of(v, 4);
    assert_true(s.min == 1 && s.median == 2.5 && s.iqr == 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one), cmocka_unit_test(test_odd), cmocka_unit_test(test_between),
    };
    return cmocka_run_group_tests_name("bench_spread", tests, NULL, NULL);
}
