/* Costs follow what a clip has to be decoded of; speeds follow what was measured, not what stumbled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/cost.h"
#include "runner/speed.h"
#include "stages/media/probe.h"
#include "stages/media/sample.h"

static const struct sample_spec all = {.mode = SAMPLE_EVERY, .every = 1};

static struct probe clip(const char *codec, int w, int h, double seconds)
{
    struct probe p = {.coded_w = w, .coded_h = h, .duration_s = seconds, .fps = 25, .size = (int64_t) (seconds * 500000),
                      .pixel_format = "yuv420p"};
    for (int i = 0; codec[i]; i++)
        p.codec[i] = codec[i];
    return p;
}

static void costs_grow_with_what_is_decoded(void **state)
{
    (void) state;
    struct probe p = clip("h264", 1280, 720, 60), q = clip("h264", 1280, 720, 120);
    double cost = cost_of_clip(&p, &all);
    assert_float_equal(cost_of_clip(&q, &all), 2 * cost, 1e-6);
    p = clip("h264", 1920, 1080, 60);
    assert_true(cost_of_clip(&p, &all) > 1.5 * cost);
    p = clip("vp9", 1280, 720, 60);
    assert_true(cost_of_clip(&p, &all) > cost);
    p = clip("hevc", 1280, 720, 60);
    double eight = cost_of_clip(&p, &all);
    p.pixel_format[7] = '1', p.pixel_format[8] = '0';
    assert_true(cost_of_clip(&p, &all) > 1.5 * eight);
}

static void costs_follow_sampling(void **state)
{
    (void) state;
    struct probe p = clip("h264", 1280, 720, 60);
    double cost = cost_of_clip(&p, &all);
    const struct sample_spec keys = {.mode = SAMPLE_KEYFRAMES}, middle = {.mode = SAMPLE_EVERY, .every = 1, .from_s = 15, .to_s = 45},
                             beyond = {.mode = SAMPLE_EVERY, .every = 1, .from_s = 70};
    assert_true(cost_of_clip(&p, &keys) < 0.8 * cost);
    assert_float_equal(cost_of_clip(&p, &middle), cost / 2, 1e-6);
    assert_true(cost_of_clip(&p, &beyond) < 0.01 * cost);
}

/* Whichever way it is cut, and however little of the first and the last segment is sampled. */
static void segments_cost_what_their_clip_costs(void **state)
{
    (void) state;
    static const double lengths[] = {10, 20, 30};
    struct probe p = clip("h264", 1280, 720, 60);
    double sum = 0, whole = cost_of_clip(&p, &all);
    for (int i = 0; i < 3; i++) {
        struct probe part = p;
        part.duration_s = lengths[i];
        part.frames_claimed = (int64_t) (25 * lengths[i]);
        double cost = cost_of_segment(&part, lengths[i] / 60);
        assert_float_equal(cost, whole * lengths[i] / 60, 1e-6);
        sum += cost;
    }
    assert_float_equal(sum, whole, 1e-6);
}

/* The header may say nothing, or nonsense. */
static void costs_are_positive(void **state)
{
    (void) state;
    struct probe p = {0};
    assert_true(cost_of_clip(&p, &all) > 0);
    p.frames_claimed = INT64_MAX;
    p.coded_w = p.coded_h = INT32_MAX;
    p.duration_s = 1e300;
    assert_in_range(cost_class(cost_of_clip(&p, &all)), COST_CLASSES - 1, COST_CLASSES - 1);
}

static void classes_are_a_quarter_of_a_doubling(void **state)
{
    (void) state;
    assert_int_equal(cost_class(0), 0);
    assert_int_equal(cost_class(0.0011), 0);
    assert_int_equal(cost_class(0.00201), 4);
    assert_int_equal(cost_class(1.05), cost_class(1.15));
    assert_int_equal(cost_class(1.05) + 4, cost_class(2.1));
    assert_int_equal(cost_class(1e300), COST_CLASSES - 1);
}

static void a_speed_is_a_guess_then_what_is_usual(void **state)
{
    (void) state;
    struct speed s = {0};
    assert_float_equal(speed_of(&s, 7), 7, 0);
    speed_add(&s, 10, 5);
    assert_float_equal(speed_of(&s, 7), 2, 1e-9);
    for (int i = 0; i < 3; i++)
        speed_add(&s, 10, 5);
    speed_add(&s, 10, 5000);        /* it stumbled */
    speed_add(&s, 0, 5);            /* tells nothing */
    speed_add(&s, 10, 0);
    assert_float_equal(speed_of(&s, 7), 2, 1e-9);
    for (int i = 0; i < 5; i++)
        speed_add(&s, 10, 20);      /* it has become slower */
    assert_float_equal(speed_of(&s, 7), 0.5, 1e-9);
}

static void what_is_late_is_not_nearly_done(void **state)
{
    (void) state;
    assert_float_equal(speed_left(10, 2, 0), 10, 1e-9);
    assert_float_equal(speed_left(10, 2, 3), 4, 1e-9);
    assert_float_equal(speed_left(10, 2, 5), 2.5, 1e-9);
    assert_float_equal(speed_left(10, 2, 100), 50, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_grow_with_what_is_decoded),
        cmocka_unit_test(costs_follow_sampling),
        cmocka_unit_test(segments_cost_what_their_clip_costs),
        cmocka_unit_test(costs_are_positive),
        cmocka_unit_test(classes_are_a_quarter_of_a_doubling),
        cmocka_unit_test(a_speed_is_a_guess_then_what_is_usual),
        cmocka_unit_test(what_is_late_is_not_nearly_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
