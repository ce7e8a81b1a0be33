/* Decoders of models that suppress inside the graph: rows, lists, queries, chosen indices. */
#include <math.h>
#include <string.h>

#include "tests/answer_frame.h"

/* An integer output in the place of a float one that was just added. */
static void make_int64(struct test_frame *t, int n, const int64_t *v)
{
    struct session_output *o = &t->frame.outputs[t->frame.n_outputs - 1];
    free((void *) o->data);
    int64_t *data = calloc((size_t) n + 1, sizeof *data);
    assert_non_null(data);
    memcpy(data, v, (size_t) n * sizeof *data);
    o->desc.type = DT_I64;
    o->data = data;
}

static struct answer decoded(struct test_frame *t, int awaited)
{
    struct answer a;
    assert_int_equal(test_frame_decode(t, &a), CQ_OK);
    assert_int_equal(a.n_detections, awaited);
    test_frame_finish(t);
    return a;
}

static void rows_of_yolov10(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "rows", FIT_LETTERBOX, 128, 64, 64, 64);       /* half the size, 16 rows of padding above */
    float *v = test_frame_output(&t, "output0", 3, DIMS(1, 4, 6));
    memcpy(v, (float[]) {8, 20, 24, 40, 0.9f, 3}, 6 * sizeof(float));
    memcpy(v + 6, (float[]) {8, 20, 24, 40, 0.8f, 3}, 6 * sizeof(float));      /* the graph let it stand: so do we */
    memcpy(v + 12, (float[]) {8, 20, 24, 40, 0.9f, -1}, 6 * sizeof(float));
    t.card.nms = 1;
    struct answer a = decoded(&t, 2);
    assert_int_equal(a.detections[0].class_id, 3);
    assert_float_equal(a.detections[0].score, 0.9, 1e-6);
    assert_box(a.detections[0], 16, 8, 48, 48);
    answer_finish(&a);
}

static void rows_with_their_image(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "rows", FIT_STRETCH, 64, 64, 64, 64);
    float *v = test_frame_output(&t, "output", 2, DIMS(1, 7));
    memcpy(v, (float[]) {5, 8, 20, 24, 40, 2, 0.7f}, 7 * sizeof(float));
    struct answer a = decoded(&t, 1);
    assert_int_equal(a.detections[0].class_id, 2);
    assert_float_equal(a.detections[0].score, 0.7, 1e-6);
    assert_box(a.detections[0], 8, 20, 24, 40);
    answer_finish(&a);
}

static void rows_of_paddle(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "rows", FIT_STRETCH, 64, 64, 64, 64);
    float *v = test_frame_output(&t, "rows", 2, DIMS(1, 6));
    memcpy(v, (float[]) {4, 0.6f, 8, 20, 24, 40}, 6 * sizeof(float));
    test_frame_output(&t, "count", 1, DIMS(1));
    struct answer a = decoded(&t, 1);
    assert_int_equal(a.detections[0].class_id, 4);
    assert_float_equal(a.detections[0].score, 0.6, 1e-6);
    assert_box(a.detections[0], 8, 20, 24, 40);
    answer_finish(&a);
}

/* torchvision's, whose number of rows is the image's own; classes begin with 1 and keep their number. */
static void lists_in_pixels(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "lists", FIT_STRETCH, 128, 64, 64, 64);
    float *boxes = test_frame_output(&t, "boxes", 2, DIMS(2, 4));
    memcpy(boxes, (float[]) {8, 20, 24, 40, 1, 1, 5, 5}, 8 * sizeof(float));
    test_frame_output(&t, "labels", 1, DIMS(2));
    make_int64(&t, 2, (const int64_t[]) {1, 90});
    float *scores = test_frame_output(&t, "scores", 1, DIMS(2));
    memcpy(scores, (float[]) {0.9f, 0.1f}, 2 * sizeof(float));
    struct answer a = decoded(&t, 1);
    assert_int_equal(a.detections[0].class_id, 1);
    assert_box(a.detections[0], 16, 20, 48, 40);
    answer_finish(&a);
}

static void lists_may_be_empty(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "lists", FIT_STRETCH, 64, 64, 64, 64);
    test_frame_output(&t, "boxes", 2, DIMS(0, 4));
    test_frame_output(&t, "labels", 1, DIMS(0));
    make_int64(&t, 0, (const int64_t[]) {0});
    test_frame_output(&t, "scores", 1, DIMS(0));
    struct answer a = decoded(&t, 0);
    answer_finish(&a);
}

static void lists_of_tensorflow(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "lists", FIT_STRETCH, 200, 100, 64, 64);
    t.card.boxes = BOXES_YXYX;
    t.card.normalised = true;
    float *boxes = test_frame_output(&t, "detection_boxes", 3, DIMS(1, 2, 4));
    memcpy(boxes, (float[]) {0.25f, 0.125f, 0.5f, 0.75f, 0, 0, 1, 1}, 8 * sizeof(float));
    float *classes = test_frame_output(&t, "detection_classes", 2, DIMS(1, 2));
    memcpy(classes, (float[]) {17, 1}, 2 * sizeof(float));
    test_frame_output(&t, "detection_multiclass_scores", 3, DIMS(1, 2, 91));
    float *scores = test_frame_output(&t, "detection_scores", 2, DIMS(1, 2));
    scores[0] = 0.8f;
    test_frame_output(&t, "num_detections", 1, DIMS(1));
    struct answer a = decoded(&t, 1);
    assert_int_equal(a.detections[0].class_id, 17);
    assert_box(a.detections[0], 25, 25, 150, 50);
    answer_finish(&a);
}

static void lists_of_different_lengths(void **state)
{
    (void) state;
    struct test_frame t;
    struct answer a;
    test_frame_init(&t, "lists", FIT_STRETCH, 64, 64, 64, 64);
    test_frame_output(&t, "boxes", 2, DIMS(2, 4));
    test_frame_output(&t, "labels", 1, DIMS(2));
    test_frame_output(&t, "scores", 1, DIMS(3));
    assert_int_equal(test_frame_decode(&t, &a), CQ_UNSUPPORTED);
    test_frame_finish(&t);
}

static void make_queries(struct test_frame *t, enum logits kind)
{
    test_frame_init(t, "detr", FIT_STRETCH, 200, 100, 64, 64);
    t->card.boxes = BOXES_CENTRED;
    t->card.normalised = true;
    t->card.logits = kind;
    float *logits = test_frame_output(t, "logits", 3, DIMS(1, 2, 3));
    memcpy(logits, (float[]) {-1, 2, -3, -2, -2, 5}, 6 * sizeof(float));
    float *boxes = test_frame_output(t, "pred_boxes", 3, DIMS(1, 2, 4));
    memcpy(boxes, (float[]) {0.5f, 0.5f, 0.25f, 0.5f, 0.5f, 0.5f, 1, 1}, 8 * sizeof(float));
}

static void queries_with_softmax(void **state)
{
    (void) state;
    struct test_frame t;
    make_queries(&t, LOGITS_SOFTMAX);
    struct answer a = decoded(&t, 1);       /* of the second the last class, "nothing", is the best */
    assert_int_equal(a.detections[0].class_id, 1);
    assert_float_equal(a.detections[0].score, exp(2) / (exp(-1) + exp(2) + exp(-3)), 1e-6);
    assert_box(a.detections[0], 75, 25, 125, 75);
    answer_finish(&a);
}

static void queries_with_sigmoid(void **state)
{
    (void) state;
    struct test_frame t;
    make_queries(&t, LOGITS_SIGMOID);
    t.card.nms = 1;
    struct answer a = decoded(&t, 2);
    assert_int_equal(a.detections[0].class_id, 2);
    assert_float_equal(a.detections[0].score, 1 / (1 + exp(-5)), 1e-6);
    assert_box(a.detections[0], 0, 0, 200, 100);
    assert_float_equal(a.detections[1].score, 1 / (1 + exp(-2)), 1e-6);
    answer_finish(&a);
}

/* Indices come as data: those out of range choose nothing. */
static void chosen_indices(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "selected", FIT_STRETCH, 64, 64, 64, 64);
    test_frame_output(&t, "selected", 2, DIMS(5, 3));
    make_int64(&t, 15, (const int64_t[]) {0, 1, 2, 0, 0, 0, 0, 2, 1, 0, 1, -1, 0, 1, INT64_MAX});
    float *boxes = test_frame_output(&t, "boxes", 3, DIMS(1, 3, 4));
    memcpy(boxes + 8, (float[]) {8, 20, 24, 40}, 4 * sizeof(float));
    float *scores = test_frame_output(&t, "scores", 3, DIMS(1, 2, 3));
    scores[1 * 3 + 2] = 0.75f;
    struct answer a = decoded(&t, 1);
    assert_int_equal(a.detections[0].class_id, 1);
    assert_float_equal(a.detections[0].score, 0.75, 1e-6);
    assert_box(a.detections[0], 8, 20, 24, 40);
    answer_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_yolov10),
        cmocka_unit_test(rows_with_their_image),
        cmocka_unit_test(rows_of_paddle),
        cmocka_unit_test(lists_in_pixels),
        cmocka_unit_test(lists_may_be_empty),
        cmocka_unit_test(lists_of_tensorflow),
        cmocka_unit_test(lists_of_different_lengths),
        cmocka_unit_test(queries_with_softmax),
        cmocka_unit_test(queries_with_sigmoid),
        cmocka_unit_test(chosen_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
