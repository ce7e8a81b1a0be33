/* Cuts and signatures on made-up embeddings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/answer/shots.h"

enum { DIMS = 8 };

/* A scene is a point; a frame is the point with a little motion. */
static void frame_of(int scene, int number, float out[DIMS])
{
    for (int k = 0; k < DIMS; k++)
        out[k] = (float) ((scene * 7 + k * 3) % 5) + 0.02f * sinf((float) (number * (k + 1)));
}

static struct shots *push_scenes(const int *lengths, int n, double fps)
{
    struct shots *s;
    assert_int_equal(shots_create(DIMS, &s), CQ_OK);
    int number = 0;
    for (int scene = 0; scene < n; scene++)
        for (int i = 0; i < lengths[scene]; i++, number++) {
            float v[DIMS];
            frame_of(scene, number, v);
            assert_int_equal(shots_push(s, v, 1.5 + number / fps), CQ_OK);
        }
    return s;
}

static void assert_shots(struct shots *s, const int *lengths, int n)
{
    const struct shot *shot;
    int found, first = 0;
    assert_int_equal(shots_end(s, &shot, &found), CQ_OK);
    assert_int_equal(found, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(shot[i].first, first);
        assert_int_equal(shot[i].last, first + lengths[i] - 1);
        assert_true(fabs(shot[i].start_s - (1.5 + first / 10.0)) < 1e-9);
        assert_true(i == 0 ? shot[i].cut_score == 0 : shot[i].cut_score > 0.5f);
        first += lengths[i];
    }
}

static void finds_cuts_where_they_are(void **state)
{
    (void) state;
    static const int lengths[][4] = {{30, 3, 40, 25}, {1, 1, 1, 20}, {9, 8, 7, 6}, {200, 300, 2, 1}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct shots *s = push_scenes(lengths[i], 4, 10);
        assert_shots(s, lengths[i], 4);
        shots_destroy(&s);
    }
}

static void one_frame_is_one_shot(void **state)
{
    (void) state;
    struct shots *s = push_scenes((const int[]) {1}, 1, 10);
    assert_shots(s, (const int[]) {1}, 1);
    struct signature sig;
    shots_signature(s, &sig);
    assert_int_equal(sig.dims, DIMS * SIGNATURE_PARTS);
    assert_true(signature_similarity(&sig, &sig) > 0.999);
    shots_destroy(&s);
}

static void no_frame_is_no_shot(void **state)
{
    (void) state;
    struct shots *s = push_scenes(NULL, 0, 10);
    assert_shots(s, NULL, 0);
    struct signature sig;
    shots_signature(s, &sig);
    assert_int_equal(sig.dims, 0);
    assert_true(signature_similarity(&sig, &sig) == 0);
    shots_destroy(&s);
}

static void a_flash_is_no_cut(void **state)
{
    (void) state;
    struct shots *s;
    assert_int_equal(shots_create(DIMS, &s), CQ_OK);
    for (int i = 0; i < 40; i++) {
        float v[DIMS];
        frame_of(i == 20 ? 3 : 0, i, v);
        assert_int_equal(shots_push(s, v, i / 25.0), CQ_OK);
    }
    const struct shot *shot;
    int n;
    assert_int_equal(shots_end(s, &shot, &n), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(shot[0].last, 39);
    shots_destroy(&s);
}

static void steady_fast_motion_is_no_cut(void **state)
{
    (void) state;
    struct shots *s;
    assert_int_equal(shots_create(DIMS, &s), CQ_OK);
    for (int i = 0; i < 60; i++) {
        float v[DIMS] = {0};
        v[0] = 0.8f * (float) i;      /* every step over the absolute limit */
        assert_int_equal(shots_push(s, v, i), CQ_OK);
    }
    const struct shot *shot;
    int n;
    assert_int_equal(shots_end(s, &shot, &n), CQ_OK);
    assert_int_equal(n, 1);
    shots_destroy(&s);
}

static void signature_of(const int *lengths, int n, double fps, struct signature *out)
{
    struct shots *s = push_scenes(lengths, n, fps);
    shots_signature(s, out);
    shots_destroy(&s);
}

static void copies_match_others_do_not(void **state)
{
    (void) state;
    struct signature a, slower, other, longer;
    signature_of((const int[]) {300, 200, 400}, 3, 30, &a);
    signature_of((const int[]) {100, 67, 133}, 3, 10, &slower);       /* a third of the frames, same times */
    signature_of((const int[]) {400, 200, 300}, 3, 30, &other);
    signature_of((const int[]) {600, 400, 800}, 3, 30, &longer);
    assert_true(signature_similarity(&a, &slower) > SIGNATURE_DUPLICATE);
    assert_true(signature_similarity(&a, &other) < SIGNATURE_DUPLICATE);
    assert_true(signature_similarity(&a, &longer) == 0);
    assert_true(signature_similarity(&a, &other) == signature_similarity(&other, &a));
}

static void refuses_what_does_not_fit(void **state)
{
    (void) state;
    struct shots *s = NULL;
    assert_int_equal(shots_create(SIGNATURE_MAX, &s), CQ_INVALID);
    assert_null(s);
    assert_int_equal(shots_create(DIMS, &s), CQ_OK);
    float v[DIMS] = {0};
    assert_int_equal(shots_push(s, v, NAN), CQ_INVALID);
    shots_destroy(&s);
    shots_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_cuts_where_they_are), cmocka_unit_test(one_frame_is_one_shot),
        cmocka_unit_test(no_frame_is_no_shot),       cmocka_unit_test(a_flash_is_no_cut),
        cmocka_unit_test(steady_fast_motion_is_no_cut), cmocka_unit_test(copies_match_others_do_not),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
