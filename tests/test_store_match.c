/* Near-duplicates: every pair is compared once, whatever the order and the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "runner/store_control.h"
#include "tests/store_fixture.h"

/* Works the next clip off; its signature points along axis `axis`. */
static void work_off_as(struct fixture *f, int axis, enum failure failure)
{
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    struct signature sig = {.dims = SIGNATURE_MAX, .duration_s = 10};
    sig.v[axis] = 1;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, NULL, 0, &sig), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", failure), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static void work_off(struct fixture *f, int axis)
{
    work_off_as(f, axis, FAIL_NONE);
}

static int match_all(struct fixture *f)
{
    int calls = 0;
    for (bool more = true; more; calls++) {
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(store_match_signatures(f->store, SIGNATURE_DUPLICATE, &more), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
    }
    return calls;
}

static void alike_are_found_and_others_not(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 4);
    work_off(f, 0);
    work_off(f, 1);
    work_off(f, 0);
    assert_int_equal(match_all(f), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates WHERE job_a = 1 AND job_b = 3 AND similarity > 0.99 "
                                    "AND path_a = '/clips/0.mp4' AND path_b = '/clips/2.mp4'"), 1);
    work_off(f, 1);                                          /* comes later: only it is compared */
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), 2);
    assert_int_equal(fixture_int(f, "SELECT job_a * 10 + job_b FROM v_duplicates WHERE job_a > 1"), 24);
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM duplicates"), 2);
}

static void an_unaccepted_signature_is_not_compared(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 2);
    work_off(f, 0);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    struct signature sig = {.dims = SIGNATURE_MAX, .duration_s = 10, .v = {1}};
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, NULL, 0, &sig), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM duplicates"), 0);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), 1);
}

/* A partial clip that is done anew has another signature: its pairs are found again. */
static void pairs_outlive_a_retry(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    fixture_submit_all(f, 2);
    work_off_as(f, 0, FAIL_TRUNCATED);
    work_off(f, 0);
    match_all(f);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_retry(f->store, &(struct store_filter) {.states = JOB_PARTIAL}, &n), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), 1);
    work_off(f, 0);
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates WHERE job_a = 1 AND job_b = 2"), 1);
    struct store_job none;
    assert_false(fixture_claim(f->store, "me", &none));      /* sweeps what was replaced */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM signatures"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), 1);
}

/* 300 clips along 60 axes: five in each group, ten pairs each. */
static void every_pair_once_in_many_blocks(void **state)
{
    struct fixture *f = *state;
    enum { CLIPS = 300, AXES = 60 };
    fixture_submit_all(f, CLIPS);
    for (int i = 0; i < CLIPS; i++) {
        work_off(f, i * 7 % AXES);
        if (i % 7 == 0 && i < 30)
            match_all(f);                       /* then more than a block */
    }
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), AXES * 10);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates WHERE job_a >= job_b"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM signatures WHERE matched IS NOT 1"), 0);
}

/* Forty that look alike: each knows sixteen of those before it, through however many calls. */
static void a_crowd_is_no_square_of_pairs(void **state)
{
    struct fixture *f = *state;
    enum { CLIPS = 40, KNOWN = 16 };
    fixture_submit_all(f, CLIPS);
    for (int i = 0; i < CLIPS; i++) {
        work_off(f, 0);
        if (i == 10 || i == 30)
            match_all(f);
    }
    match_all(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), KNOWN * (KNOWN - 1) / 2 + (CLIPS - KNOWN) * KNOWN);
    assert_int_equal(fixture_int(f, "SELECT max(n) FROM (SELECT count(*) AS n FROM duplicates GROUP BY clip_b)"), KNOWN);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM signatures WHERE matched IS NOT 1"), 0);
}

/* More compared ones than one call streams: the block waits in the database between calls, and one that is
 * accepted meanwhile neither joins it half way nor is forgotten. */
static void a_long_stream_goes_on_where_it_stopped(void **state)
{
    struct fixture *f = *state;
    enum { OLD = 5000 };
    fixture_submit_all(f, 3);
    work_off(f, 0);
    match_all(f);
    char many[512];
    snprintf(many, sizeof many,
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO signatures (attempt_id, model, clip_id, model_hash, duration_s, matched, v) "
             "SELECT 1000 + i, 1, 1000 + i, 'bbbb', 10, 1, zeroblob(2048) FROM n", OLD);
    fixture_change(f, many);
    work_off(f, 0);
    bool more;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_match_signatures(f->store, SIGNATURE_DUPLICATE, &more), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_true(more);
    work_off(f, 0);
    assert_true(match_all(f) >= 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_duplicates"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alike_are_found_and_others_not, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(an_unaccepted_signature_is_not_compared, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(pairs_outlive_a_retry, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(every_pair_once_in_many_blocks, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_crowd_is_no_square_of_pairs, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_long_stream_goes_on_where_it_stopped, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
