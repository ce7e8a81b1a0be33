/* What is printed: figures, names that are no text, and advice that follows from the numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/common.h"
#include "cmd/report_facts.h"

static void counts(void **state)
{
    (void) state;
    char f[FIGURE_SIZE];
    assert_string_equal(text_count(0, f), "0");
    assert_string_equal(text_count(999, f), "999");
    assert_string_equal(text_count(1000, f), "1,000");
    assert_string_equal(text_count(-1234567, f), "-1,234,567");
    assert_string_equal(text_count(-100, f), "-100");
    assert_string_equal(text_count(INT64_MIN, f), "-9,223,372,036,854,775,808");
}

static void amounts(void **state)
{
    (void) state;
    char f[FIGURE_SIZE];
    assert_string_equal(text_bytes(1023, f), "1023 B");
    assert_string_equal(text_bytes(1536, f), "1.5 KiB");
    assert_string_equal(text_bytes(200.0 * 1024 * 1024, f), "200 MiB");
    assert_string_equal(text_seconds(0.123, f), "0.12 s");
    assert_string_equal(text_seconds(59.94, f), "59.9 s");
    assert_string_equal(text_seconds(245, f), "4 min 05 s");
    assert_string_equal(text_seconds(3600 * 2 + 13 * 60, f), "2 h 13 min");
    assert_string_equal(text_seconds(86400 * 3 + 3600, f), "3 d 01 h");
    assert_string_equal(text_seconds(NAN, f), "?");
    assert_string_equal(text_ms(0.0421, f), "0.042");
    assert_string_equal(text_ms(12.34, f), "12.3");
    assert_string_equal(text_ms(1234.4, f), "1,234");
}

static void names_that_are_no_text(void **state)
{
    (void) state;
    char out[64], small[12];
    assert_string_equal(text_safe("a\n\033[2J\xc3\xa9", out, sizeof out), "a\\x0a\\x1b[2J\xc3\xa9");
    assert_true(strlen(text_safe("abcdefghijklmnop", small, sizeof small)) < sizeof small);
    json_t *j = json_text("caf\xc3\xa9");
    assert_string_equal(json_string_value(j), "caf\xc3\xa9");
    json_decref(j);
    j = json_text("\xff\xc3\xa9.mp4");
    assert_string_equal(json_string_value(j), "\\xff\\xc3\\xa9.mp4");
    json_decref(j);
    j = json_object();
    field_figure(j, "nan", NAN);
    field_figure(j, "rounded", 1.23456);
    field_time(j, "never", 0);
    field_time(j, "time", 951782400001);
    char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12));
    assert_string_equal(text, "{\"nan\":null,\"rounded\":1.235,\"never\":null,\"time\":\"2000-02-29T00:00:00.001Z\"}");
    free(text);
    json_decref(j);
}

static void codes(void **state)
{
    (void) state;
    assert_int_equal(common_exit(CQ_OK, true), EXIT_FINE);
    assert_int_equal(common_exit(CQ_NO_DEVICE, false), EXIT_NO_DEVICE);
    assert_int_equal(common_exit(CQ_BUSY, false), EXIT_DATABASE);
    assert_int_equal(common_exit(CQ_IO, true), EXIT_DATABASE);
    assert_int_equal(common_exit(CQ_IO, false), EXIT_FATAL);
}

static void devices_are_told_from_other_text(void **state)
{
    (void) state;
    static const char *const good[] = {"auto", "cpu", "gpu", "0:0", "12:3"};
    static const char *const bad[] = {"", "aut", "autox", "0", "0:", ":0", "0:0:0", "0:0x", "cpu ", "-1:0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(common_is_device(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(common_is_device(bad[i], strlen(bad[i])));
    assert_true(common_is_device("0:1,cpu", 3));
    assert_false(common_is_device("0:1,cpu", 4));
    assert_true(common_is_device("cpu,0:1", 3));
}

/* ---- advice ---- */

static char said[4096];

static void hear(void *ctx, const char *text)
{
    (void) ctx;
    strncat(said, text, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static void assert_advice(const struct report *r, const char *part, bool expected)
{
    said[0] = '\0';
    report_advise(r, hear, NULL);
    if (!strstr(said, part) == expected)
        fail_msg("'%s' is %s in: %s", part, expected ? "not" : "wrongly", said);
}

static struct report report_with(enum resource busiest, double share)
{
    struct report r = {.busiest = (int) busiest, .mean_batch = 8, .wall_s = 10};
    r.loads[busiest].share = share;
    r.runs[r.n_runs++] = (struct store_run_row) {.workers = 3, .jobs = 9, .ended_ms = 1};
    return r;
}

static void the_slowest_resource_is_named(void **state)
{
    (void) state;
    struct report r = report_with(RESOURCE_INFER, 0.95);
    assert_advice(&r, "inference sets the pace (95 % busy)", true);
    assert_advice(&r, "batches hold", false);
    r.mean_batch = 1.5;
    assert_advice(&r, "batches hold 1.5 frames", true);
    r = report_with(RESOURCE_DECODE, 0.9);
    assert_advice(&r, "more --workers than 3", true);
    assert_advice(&r, "inference sets", false);
    r.runs[0].jobs = 1;
    assert_advice(&r, "more --workers do not help", true);
    assert_advice(&r, "more --workers than", false);
    r.runs[r.n_runs++] = r.runs[0];
    r.runs[0].jobs = 0;                  /* what found nothing to do says nothing about the workers */
    r.runs[1].jobs = 9;
    assert_advice(&r, "more --workers than 3", true);
    r = report_with(RESOURCE_DECODE, 0.3);
    assert_advice(&r, "nothing was busy more than 30 %", true);
    assert_advice(&r, "sets the pace", false);
    assert_advice(&r, "preparing engines", false);
    r.prepare_s = 8;
    assert_advice(&r, "80 % of the time went into preparing engines", true);
    assert_advice(&r, "recorded", false);
    histogram_add(&r.stages[METRIC_WRITE], 2000000000);
    assert_advice(&r, "until they were recorded (p95)", true);
    r.busiest = -1;
    assert_advice(&r, "busy", false);
}

static void full_processors_are_named(void **state)
{
    (void) state;
    struct report r = report_with(RESOURCE_PROCESSORS, 0.93);
    r.loads[RESOURCE_PROCESSORS].busy_s = 10;
    r.engine_cpu_s = 8;
    r.decode_cpu_s = 1.5;
    assert_advice(&r, "the processors set the pace (93 % busy, 80 % of that with inference, 15 % with decoding)", true);
    assert_advice(&r, "a GPU", true);
    assert_advice(&r, "more --workers than", false);
    r.engine_cpu_s = 2;
    r.decode_cpu_s = 7;
    assert_advice(&r, "submit --keyframes", true);
    assert_advice(&r, "a GPU", false);
}

static void accidents_and_leftovers_are_named(void **state)
{
    (void) state;
    struct report r = report_with(RESOURCE_INFER, 0.9);
    assert_advice(&r, "halved", false);
    r.halvings = 2;
    r.engine_restarts = 3;
    r.worker_restarts = 4;
    assert_advice(&r, "halved 2 times", true);
    assert_advice(&r, "engine was started again 3 times", true);
    assert_advice(&r, "workers died 4 times", true);
    r.counts.pending = 5;
    assert_advice(&r, "5 clips are left", true);
    r.runs[0].active = true;
    assert_advice(&r, "clips are left", false);
}

/* Every class but "none" tells a user what to do. */
static void every_failure_has_a_remedy(void **state)
{
    (void) state;
    for (int f = FAIL_NONE + 1; f < FAIL_COUNT; f++) {
        struct store_failure_class class = {.count = 7};
        struct report r = {.busiest = -1, .classes = &class, .n_classes = 1};
        char start[64];
        snprintf(class.name, sizeof class.name, "%s", failure_name((enum failure) f));
        snprintf(start, sizeof start, "7 %s: ", class.name);
        assert_advice(&r, start, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(amounts),
        cmocka_unit_test(names_that_are_no_text),
        cmocka_unit_test(codes),
        cmocka_unit_test(devices_are_told_from_other_text),
        cmocka_unit_test(the_slowest_resource_is_named),
        cmocka_unit_test(full_processors_are_named),
        cmocka_unit_test(accidents_and_leftovers_are_named),
        cmocka_unit_test(every_failure_has_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
