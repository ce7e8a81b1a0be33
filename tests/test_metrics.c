/* Histograms: percentiles within the promised 9 %, merging, and the way through text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/metrics.h"

static void percentiles_are_near(void **state)
{
    (void) state;
    struct histogram h = {0};
    for (int i = 1; i <= 10000; i++)
        histogram_add(&h, (int64_t) i * 10000);             /* 0.01 .. 100 ms, evenly */
    for (double p = 0.05; p <= 1; p += 0.05) {
        double truth = p * 100, got = histogram_percentile_ms(&h, p);
        if (got < truth * 0.91 || got > truth * 1.09)
            fail_msg("p%.0f: %g, should be %g", p * 100, got, truth);
    }
    assert_true(histogram_mean_ms(&h) > 50.004 && histogram_mean_ms(&h) < 50.006);
    assert_int_equal(h.max_ns, 100000000);
}

static void extremes_have_a_bucket(void **state)
{
    (void) state;
    static const int64_t durations[] = {-5, 0, 1, 999, 1000, 1001, 7999, 3600000000000, INT64_MAX / 8};
    struct histogram h = {0};
    uint64_t counted = 0;
    int n = (int) (sizeof durations / sizeof *durations);
    for (int i = 0; i < n; i++)
        histogram_add(&h, durations[i]);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        counted += h.bucket[i];
    assert_int_equal(counted, n);
    assert_int_equal(h.count, n);
}

static void nothing_is_zero(void **state)
{
    (void) state;
    struct histogram h = {0};
    assert_true(histogram_mean_ms(&h) == 0);
    assert_true(histogram_percentile_ms(&h, 0.95) == 0);
}

static void one_value_is_its_own_percentile(void **state)
{
    (void) state;
    struct histogram h = {0};
    histogram_add(&h, 3100000);
    double got = histogram_percentile_ms(&h, 0.5);
    assert_true(got > 3.1 * 0.91 && got <= 3.1);
}

static void merging_is_adding(void **state)
{
    (void) state;
    struct histogram a = {0}, b = {0}, both = {0};
    for (int i = 0; i < 500; i++) {
        int64_t ns = (int64_t) i * i * 1000;
        histogram_add(i % 3 ? &a : &b, ns);
        histogram_add(&both, ns);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

static void text_brings_back_the_buckets(void **state)
{
    (void) state;
    struct histogram h = {0}, back;
    for (int i = 0; i < 1000; i++)
        histogram_add(&h, (int64_t) i * 123457);
    char *text = histogram_to_text(&h);
    assert_non_null(text);
    assert_int_equal(histogram_from_text(text, &back), CQ_OK);
    assert_memory_equal(back.bucket, h.bucket, sizeof h.bucket);
    assert_int_equal(back.count, h.count);
    free(text);

    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        h.bucket[i] = UINT32_MAX;                            /* the longest text there is */
    text = histogram_to_text(&h);
    assert_int_equal(histogram_from_text(text, &back), CQ_OK);
    assert_memory_equal(back.bucket, h.bucket, sizeof h.bucket);
    free(text);
}

static void bad_text_is_refused(void **state)
{
    (void) state;
    static const char *const bad[] = {"x", "1", "1:", "1:x", "320:1", "-1:1", "1:2;3:4", "1:4294967296", "1:2,,3:4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct histogram h;
        if (histogram_from_text(bad[i], &h) != CQ_CORRUPT)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(h.count, 0);
    }
    struct histogram h;
    assert_int_equal(histogram_from_text("", &h), CQ_OK);
}

static void stages_have_their_names(void **state)
{
    (void) state;
    assert_string_equal(metric_name(METRIC_PROBE), "probe");
    assert_string_equal(metric_name(METRIC_WRITE), "write");
    assert_string_equal(metric_name(METRIC_COUNT), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_near),
        cmocka_unit_test(extremes_have_a_bucket),
        cmocka_unit_test(nothing_is_zero),
        cmocka_unit_test(one_value_is_its_own_percentile),
        cmocka_unit_test(merging_is_adding),
        cmocka_unit_test(text_brings_back_the_buckets),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(stages_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
