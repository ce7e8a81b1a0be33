/* Answers on the wire: out and back the same; no byte string, cut or twisted, does harm. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/answer/answer.h"

static struct answer full_answer(void)
{
    struct answer a = {.has_quality = 1, .quality = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f}};
    for (int i = 0; i < 9; i++) {
        struct detection d = {.class_id = i, .score = 0.5f, .x0 = 1, .y0 = 2, .x1 = 3, .y1 = (float) i, .n_points = i};
        for (int k = 0; k < i; k++)
            d.point[k][0] = d.point[k][1] = (float) k;
        assert_int_equal(answer_add_detection(&a, &d), CQ_OK);
        assert_int_equal(answer_add_class(&a, i, 1 / (float) (i + 1)), CQ_OK);
    }
    float v[] = {1, 2, 3, 4, 5};
    assert_int_equal(answer_set_embedding(&a, v, 2), CQ_OK);
    assert_int_equal(answer_set_embedding(&a, v, 5), CQ_OK);
    struct artifact f = {"png", "output", "672x672", "files/1-1-0-7-output.png"};
    assert_int_equal(answer_add_artifact(&a, &f), CQ_OK);
    return a;
}

static void out_and_back(void **state)
{
    (void) state;
    struct answer a = full_answer(), b = {0};
    struct cq_buf buf = {0};
    answer_put(&buf, &a);
    assert_int_equal(buf.err, CQ_OK);
    struct cq_rd r = cq_rd_of(buf.data, buf.size);
    assert_int_equal(answer_get(&r, &b), CQ_OK);
    assert_int_equal(r.pos, buf.size);

    assert_int_equal(b.n_detections, 9);
    assert_memory_equal(a.detections, b.detections, 9 * sizeof *a.detections);
    assert_int_equal(b.n_classes, 9);
    assert_memory_equal(a.classes, b.classes, 9 * sizeof *a.classes);
    assert_int_equal(b.dims, 5);
    assert_memory_equal(a.embedding, b.embedding, 5 * sizeof *a.embedding);
    assert_int_equal(b.n_artifacts, 1);
    assert_memory_equal(a.artifacts, b.artifacts, sizeof *a.artifacts);
    assert_true(b.has_quality);
    assert_memory_equal(&a.quality, &b.quality, sizeof a.quality);
    answer_finish(&a);
    answer_finish(&b);
    cq_buf_finish(&buf);
}

static void empty_one(void **state)
{
    (void) state;
    struct answer a = {0}, b = {0};
    struct cq_buf buf = {0};
    answer_put(&buf, &a);
    struct cq_rd r = cq_rd_of(buf.data, buf.size);
    assert_int_equal(answer_get(&r, &b), CQ_OK);
    assert_int_equal(b.n_detections + b.n_classes + b.dims + b.n_artifacts + b.has_quality, 0);
    cq_buf_finish(&buf);
}

static void every_cut_is_refused(void **state)
{
    (void) state;
    struct answer a = full_answer();
    struct cq_buf buf = {0};
    answer_put(&buf, &a);
    for (size_t size = 0; size < buf.size; size++) {
        uint8_t *bytes = malloc(size + !size);     /* of its own, so that a sanitizer sees its end */
        memcpy(bytes, buf.data, size);
        struct cq_rd r = cq_rd_of(bytes, size);
        struct answer b = {0};
        assert_int_equal(answer_get(&r, &b), CQ_PROTOCOL);
        assert_null(b.detections);
        assert_null(b.embedding);
        free(bytes);
    }
    answer_finish(&a);
    cq_buf_finish(&buf);
}

static void twisted_bytes_do_no_harm(void **state)
{
    (void) state;
    struct answer a = full_answer();
    struct cq_buf buf = {0};
    answer_put(&buf, &a);
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t at = (seed >> 8) % buf.size;
        uint8_t kept = buf.data[at];
        buf.data[at] = (uint8_t) seed;
        struct cq_rd r = cq_rd_of(buf.data, buf.size);
        struct answer b = {0};
        if (!answer_get(&r, &b))
            for (int k = 0; k < b.n_detections; k++)
                assert_in_range(b.detections[k].n_points, 0, ANSWER_MAX_POINTS);
        answer_finish(&b);
        buf.data[at] = kept;
    }
    answer_finish(&a);
    cq_buf_finish(&buf);
}

static void long_text_is_refused(void **state)
{
    (void) state;
    struct cq_buf buf = {0};
    for (int i = 0; i < 3; i++)
        cq_put_u32(&buf, 0);
    cq_put_u32(&buf, 1);
    cq_put_str(&buf, "much too long for a kind");
    for (int i = 0; i < 3; i++)
        cq_put_str(&buf, "x");
    cq_put_u8(&buf, 0);
    struct cq_rd r = cq_rd_of(buf.data, buf.size);
    struct answer b = {0};
    assert_int_equal(answer_get(&r, &b), CQ_PROTOCOL);
    assert_int_equal(b.n_artifacts, 0);
    assert_int_equal(answer_set_embedding(&b, NULL, 0), CQ_INVALID);
    cq_buf_finish(&buf);
}

static void not_finite_is_refused(void **state)
{
    (void) state;
    float v[] = {1, NAN};
    struct answer a = {0}, b = {0};
    assert_int_equal(answer_set_embedding(&a, v, 2), CQ_OK);
    struct cq_buf buf = {0};
    answer_put(&buf, &a);
    struct cq_rd r = cq_rd_of(buf.data, buf.size);
    assert_int_equal(answer_get(&r, &b), CQ_PROTOCOL);
    assert_null(b.embedding);
    answer_finish(&a);
    cq_buf_finish(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_back),
        cmocka_unit_test(empty_one),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(twisted_bytes_do_no_harm),
        cmocka_unit_test(long_text_is_refused),
        cmocka_unit_test(not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
