/* The score: what it must do whatever the figures are, and whom it blames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/score.h"

static const struct score_inputs usual = {
    .took_s = 10, .processors = 2, .decoded = 1000, .decode_s = 2, .inferred = 1000, .infer_s = 14,
};

static void near(double want, double got)
{
    if (fabs(want - got) > 1e-9)
        fail_msg("%.12g, should be %.12g", got, want);
}

static void it_is_what_is_needed_over_what_was_taken(void **state)
{
    (void) state;
    near(80, score_of(&usual));
    struct score_inputs in = usual;
    in.took_s *= 2;
    near(40, score_of(&in));                 /* half as fast */
    in = usual;
    in.devices = 1;
    in.device_s = 9;                         /* more than the 8 seconds of the processors */
    near(90, score_of(&in));
    in.devices = 2;
    near(80, score_of(&in));
    in.processors = 4;
    near(45, score_of(&in));
}

static void it_is_never_above_a_hundred(void **state)
{
    (void) state;
    struct score_inputs in = usual;
    double losses[SCORE_REASON_COUNT], sum = 0;
    in.took_s = 7;
    near(100, score_of(&in));
    assert_true(score_needed_s(&in) > in.took_s);
    score_explain(&in, &(struct score_account) {.startup_s = 1, .lost_s = 1}, losses);
    for (int i = 0; i < SCORE_REASON_COUNT; i++)
        sum += losses[i];
    near(0, sum);
}

static void without_work_time_or_limits_there_is_none(void **state)
{
    (void) state;
    struct score_inputs in = usual;
    in.decode_s = in.infer_s = 0;
    assert_true(isnan(score_of(&in)));
    assert_string_equal(score_why_none(&in), "nothing done");
    in = usual;
    in.took_s = 0;
    assert_true(isnan(score_of(&in)));
    in = usual;
    in.unknown = true;
    assert_true(isnan(score_of(&in)));
    assert_string_equal(score_why_none(&in), "no limit known");
}

/* One account, and the reason that it must give. */
struct blame {
    struct score_account account;
    enum score_reason reason;
};

static void the_largest_part_is_the_reason(void **state)
{
    (void) state;
    static const struct blame blames[] = {
        {{.startup_s = 2}, SCORE_STARTUP},
        {{.lost_s = 1.9, .startup_s = 0.1}, SCORE_RETRIES},
        {{.idle_processors_s = {[SCORE_IDLE_DECODE] = 1.5}}, SCORE_DECODE},
        {{.idle_processors_s = {[SCORE_IDLE_CLIPS] = 1.5}}, SCORE_CLIPS},
        {{.idle_devices_s = {[SCORE_IDLE_DECODE] = 9}}, SCORE_REST},      /* there are none */
        {{.small_s = 4, .full_s = 1, .decode_cpu_s = 2}, SCORE_BATCHES},
        {{.small_s = 1, .full_s = 4, .decode_cpu_s = 2}, SCORE_INFERENCE},
        {{.full_s = 1, .decode_cpu_s = 2}, SCORE_REST},                   /* decoders need the processors, too */
        {{.decode_cpu_s = 5}, SCORE_DECODING},
        {{.full_s = 2, .others_cpu_s = 4, .decode_cpu_s = 2}, SCORE_OTHERS},
        {{.own_cpu_s = 3}, SCORE_REST},
        {{0}, SCORE_REST},
    };
    for (size_t i = 0; i < sizeof blames / sizeof *blames; i++) {
        double losses[SCORE_REASON_COUNT], sum = 0;
        score_explain(&usual, &blames[i].account, losses);
        if (score_reason_of(losses) != blames[i].reason)
            fail_msg("%zu: %s, should be %s", i, score_reason_name(score_reason_of(losses)), score_reason_name(blames[i].reason));
        for (int r = 0; r < SCORE_REASON_COUNT; r++)
            sum += losses[r];
        near(2, sum);
    }
}

static void a_device_is_idle_by_itself(void **state)
{
    (void) state;
    const struct score_inputs in = {.took_s = 10, .processors = 2, .devices = 1, .decode_s = 2, .device_s = 4};
    double losses[SCORE_REASON_COUNT];
    score_explain(&in, &(struct score_account) {.idle_devices_s = {5, 0.5}, .idle_processors_s = {0, 9}, .others_cpu_s = 8}, losses);
    assert_int_equal(score_reason_of(losses), SCORE_DECODE);
    near(5, losses[SCORE_DECODE]);
    near(0.5, losses[SCORE_CLIPS]);
    near(0, losses[SCORE_OTHERS]);
}

static void others_harm_where_processors_are_full(void **state)
{
    (void) state;
    near(8, score_harm_s(20, 12, 20));
    near(0, score_harm_s(20, 12, 12));
    near(0, score_harm_s(20, 12, 11));           /* ticks are coarse */
    near(0, score_harm_s(20, 4, 10));            /* half of it was idle */
    near(0, score_harm_s(20, 12, 0));            /* unknown */
    const struct score_inputs in = {.took_s = 10, .processors = 2, .infer_s = 0.4};   /* it hardly wanted any */
    double losses[SCORE_REASON_COUNT];
    score_explain(&in, &(struct score_account) {.full_s = 9.5, .others_cpu_s = 19}, losses);
    assert_int_equal(score_reason_of(losses), SCORE_INFERENCE);
    assert_true(losses[SCORE_OTHERS] < 1);
}

static void parts_never_add_up_to_more_than_is_missing(void **state)
{
    (void) state;
    srand(7);
    for (int round = 0; round < 10000; round++) {
        struct score_inputs in = usual;
        struct score_account a = {0};
        double *fields[] = {&in.took_s, &in.decode_s, &in.infer_s, &in.device_s, &a.startup_s, &a.lost_s, &a.idle_processors_s[0],
                            &a.idle_processors_s[1], &a.idle_devices_s[0], &a.idle_devices_s[1], &a.small_s, &a.full_s,
                            &a.decode_cpu_s, &a.own_cpu_s, &a.others_cpu_s};
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            *fields[i] = rand() % 3 ? 20.0 * rand() / RAND_MAX : 0;
        in.processors = rand() % 3;
        in.devices = rand() % 3;
        double losses[SCORE_REASON_COUNT], sum = 0, missing = fmax(0, in.took_s - score_needed_s(&in));
        score_explain(&in, &a, losses);
        for (int i = 0; i < SCORE_REASON_COUNT; i++) {
            assert_true(losses[i] >= 0);
            sum += losses[i];
        }
        near(missing, sum);
        double score = score_of(&in);
        assert_true(isnan(score) || (score > 0 && score <= 100));
    }
}

static void its_text_fits_and_holds_it(void **state)
{
    (void) state;
    double losses[SCORE_REASON_COUNT];
    char text[SCORE_TEXT];
    struct score_inputs in = {1.23456789e-7, 2000000000, 2000000000, INT64_MAX, INT64_MAX, INT64_MAX, 1.23456789e-100, 1.23456789e-100,
                              1.23456789e-100, true, true};
    for (int i = 0; i < SCORE_REASON_COUNT; i++)
        losses[i] = 1.23456789e-100;
    score_to_text(&in, losses, text);
    assert_string_equal(text + strlen(text) - 2, "}}");
    in = usual;
    score_explain(&in, &(struct score_account) {.startup_s = 1.5, .lost_s = 0.5}, losses);
    score_to_text(&in, losses, text);
    assert_string_equal(text, "{\"formula\":1,\"took_s\":10,\"processors\":2,\"devices\":0,\"decoded\":1000,\"decode_s\":2,\"inferred\":1000,"
                              "\"infer_s\":14,\"on_devices\":0,\"device_s\":0,\"observed\":0,\"unknown\":0,\"reason\":\"start-up\","
                              "\"losses\":{\"start-up\":1.5,\"lost attempts\":0.5}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_is_needed_over_what_was_taken),
        cmocka_unit_test(it_is_never_above_a_hundred),
        cmocka_unit_test(without_work_time_or_limits_there_is_none),
        cmocka_unit_test(the_largest_part_is_the_reason),
        cmocka_unit_test(a_device_is_idle_by_itself),
        cmocka_unit_test(others_harm_where_processors_are_full),
        cmocka_unit_test(parts_never_add_up_to_more_than_is_missing),
        cmocka_unit_test(its_text_fits_and_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
