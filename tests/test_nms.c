/* Suppression: which boxes stay, in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/answer/nms.h"

static void add(struct answer *a, int class_id, float score, float x0, float y0, float x1, float y1)
{
    struct detection d = {.class_id = class_id, .score = score, .x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1};
    assert_int_equal(answer_add_detection(a, &d), CQ_OK);
}

static void weaker_of_two_goes(void **state)
{
    (void) state;
    struct answer a = {0};
    add(&a, 0, 0.5f, 0, 0, 10, 10);
    add(&a, 0, 0.9f, 0, 0, 10, 8);        /* IoU 0.8 */
    add(&a, 1, 0.4f, 0, 0, 10, 10);       /* another class */
    add(&a, 0, 0.3f, 0, 5, 10, 15);       /* IoU with the best: 3/15 */
    nms(&a, 0.5, 100);
    assert_int_equal(a.n_detections, 3);
    assert_float_equal(a.detections[0].score, 0.9f, 0);
    assert_float_equal(a.detections[1].score, 0.4f, 0);
    assert_float_equal(a.detections[2].score, 0.3f, 0);
    answer_finish(&a);
}

/* The middle box falls to the first; the last overlaps only the middle one, so it stays. */
static void the_suppressed_do_not_suppress(void **state)
{
    (void) state;
    struct answer a = {0};
    add(&a, 0, 0.9f, 0, 0, 10, 10);
    add(&a, 0, 0.8f, 3, 0, 13, 10);
    add(&a, 0, 0.7f, 6, 0, 16, 10);
    nms(&a, 0.4, 100);
    assert_int_equal(a.n_detections, 2);
    assert_float_equal(a.detections[1].x0, 6, 0);
    answer_finish(&a);
}

static void iou_of_one_suppresses_nothing(void **state)
{
    (void) state;
    struct answer a = {0};
    for (int i = 0; i < 5; i++)
        add(&a, 0, 0.5f, 1, 1, 2, 2);
    nms(&a, 1, 100);
    assert_int_equal(a.n_detections, 5);
    nms(&a, 0.99, 100);
    assert_int_equal(a.n_detections, 1);
    answer_finish(&a);
}

static void limit_keeps_the_best(void **state)
{
    (void) state;
    struct answer a = {0};
    for (int i = 0; i < 50; i++)
        add(&a, 0, (float) ((i * 7) % 50) / 50, (float) (20 * i), 0, (float) (20 * i + 10), 10);
    nms(&a, 0.5, 10);
    assert_int_equal(a.n_detections, 10);
    for (int i = 0; i < 10; i++)
        assert_float_equal(a.detections[i].score, (float) (49 - i) / 50, 1e-6);
    answer_finish(&a);
}

static void ties_come_by_class_then_place(void **state)
{
    (void) state;
    struct answer a = {0};
    add(&a, 1, 0.5f, 0, 0, 1, 1);
    add(&a, 0, 0.5f, 50, 0, 51, 1);
    add(&a, 0, 0.5f, 20, 0, 21, 1);
    nms(&a, 0.5, 10);
    assert_float_equal(a.detections[0].x0, 20, 0);
    assert_float_equal(a.detections[1].x0, 50, 0);
    assert_int_equal(a.detections[2].class_id, 1);
    answer_finish(&a);
}

static void nothing_stays_nothing(void **state)
{
    (void) state;
    struct answer a = {0};
    nms(&a, 0.5, 10);
    assert_int_equal(a.n_detections, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weaker_of_two_goes),
        cmocka_unit_test(the_suppressed_do_not_suppress),
        cmocka_unit_test(iou_of_one_suppresses_nothing),
        cmocka_unit_test(limit_keeps_the_best),
        cmocka_unit_test(ties_come_by_class_then_place),
        cmocka_unit_test(nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
