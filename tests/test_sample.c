/* The sampler: which frames of a made-up run of times are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stages/media/sample.h"

/* Shows n times and writes the taken ones as "0 3 6", "." appended when the sampler said that it was done. */
static const char *taken(const struct sample_spec *spec, const double *times, int n, int key_every)
{
    static char text[512];
    struct sampler s;
    sampler_init(&s, spec);
    text[0] = '\0';
    for (int i = 0; i < n; i++) {
        enum sample_answer a = sampler_show(&s, times[i], i % key_every == 0);
        size_t used = strlen(text);
        if (a == SAMPLE_TAKE)
            snprintf(text + used, sizeof text - used, "%s%d", used ? " " : "", i);
        if (a == SAMPLE_DONE) {
            snprintf(text + used, sizeof text - used, ".");
            break;
        }
    }
    return text;
}

static void regular(double *times, int n, double first, double step)
{
    for (int i = 0; i < n; i++)
        times[i] = first + i * step;
}

static void takes_every_nth(void **state)
{
    (void) state;
    double t[10];
    regular(t, 10, 5, 0.04);
    assert_string_equal(taken(&(struct sample_spec) {.every = 1}, t, 4, 99), "0 1 2 3");
    assert_string_equal(taken(&(struct sample_spec) {.every = 3}, t, 10, 99), "0 3 6 9");
    assert_string_equal(taken(&(struct sample_spec) {.every = 0}, t, 3, 99), "0 1 2");
}

static void takes_a_range_counted_from_the_first_frame(void **state)
{
    (void) state;
    double t[10];
    regular(t, 10, 5, 1);
    assert_string_equal(taken(&(struct sample_spec) {.every = 1, .from_s = 2, .to_s = 5}, t, 10, 99), "2 3 4.");
    assert_string_equal(taken(&(struct sample_spec) {.every = 2, .from_s = 3}, t, 10, 99), "3 5 7 9");
    assert_string_equal(taken(&(struct sample_spec) {.every = 1, .from_s = 99}, t, 10, 99), "");
}

/* Ranges that touch give each frame once, also where the border is a frame's rounded time. */
static void ranges_that_touch_share_no_frame(void **state)
{
    (void) state;
    double t[30];
    for (int i = 0; i < 30; i++)
        t[i] = i * 1001 / 30000.0;
    double border = 10 * 1001 / 30000.0;
    struct sample_spec a = {.every = 1, .to_s = border}, b = {.every = 1, .from_s = border};
    assert_string_equal(taken(&a, t, 30, 99), "0 1 2 3 4 5 6 7 8 9.");
    assert_string_equal(taken(&b, t, 13, 99), "10 11 12");
}

static void takes_the_first_frame_at_or_after_each_tick(void **state)
{
    (void) state;
    double t[11];
    regular(t, 11, 100, 0.1);
    struct sample_spec spec = {.mode = SAMPLE_FPS, .fps = 5};
    assert_string_equal(taken(&spec, t, 11, 99), "0 2 4 6 8 10");
    spec.fps = 4;    /* ticks at 0, .25, .5, .75, 1 */
    assert_string_equal(taken(&spec, t, 11, 99), "0 3 5 8 10");
    spec.fps = 1000; /* more ticks than frames: each once */
    assert_string_equal(taken(&spec, t, 4, 99), "0 1 2 3");
}

static void irregular_times_give_one_frame_per_tick_passed(void **state)
{
    (void) state;
    const double t[] = {7, 7.9, 8.05, 8.1, 11.5, 11.9, 12.0};
    struct sample_spec spec = {.mode = SAMPLE_FPS, .fps = 1};
    assert_string_equal(taken(&spec, t, 7, 99), "0 2 4 6");
}

/* i/30 in binary times ten falls just below a whole number for many i. */
static void rounded_times_do_not_miss_their_tick(void **state)
{
    (void) state;
    double t[60];
    for (int i = 0; i < 60; i++)
        t[i] = i / 30.0;
    struct sample_spec spec = {.mode = SAMPLE_FPS, .fps = 10};
    const char *all = taken(&spec, t, 60, 99);
    assert_memory_equal(all, "0 3 6 9 12 15 18 21 24 27 30 33 36 39 42 45 48 51 54 57", strlen(all));
}

static void ticks_do_not_move_with_the_range(void **state)
{
    (void) state;
    double t[21];
    regular(t, 21, 0, 0.1);
    struct sample_spec spec = {.mode = SAMPLE_FPS, .fps = 2, .from_s = 0.7};
    assert_string_equal(taken(&spec, t, 21, 99), "10 15 20");
}

static void takes_key_frames(void **state)
{
    (void) state;
    double t[10];
    regular(t, 10, 0, 1);
    struct sample_spec spec = {.mode = SAMPLE_KEYFRAMES, .from_s = 1};
    assert_string_equal(taken(&spec, t, 10, 4), "4 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_nth),
        cmocka_unit_test(takes_a_range_counted_from_the_first_frame),
        cmocka_unit_test(ranges_that_touch_share_no_frame),
        cmocka_unit_test(takes_the_first_frame_at_or_after_each_tick),
        cmocka_unit_test(irregular_times_give_one_frame_per_tick_passed),
        cmocka_unit_test(rounded_times_do_not_miss_their_tick),
        cmocka_unit_test(ticks_do_not_move_with_the_range),
        cmocka_unit_test(takes_key_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
