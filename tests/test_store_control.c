/* Retrying and cancelling: what changes, what stays, and that nobody who had the job can change it any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "runner/store_control.h"
#include "tests/store_fixture.h"

static void state_of(struct fixture *f, int64_t job, const char *want)
{
    char ask[160], got[64];
    snprintf(ask, sizeof ask, "SELECT state || ' ' || reason || ' ' || attempts || ' ' || failures || ' ' || (frames / 2) FROM v_jobs "
             "WHERE job_id = %lld", (long long) job);
    fixture_text(f, ask, got, sizeof got);
    assert_string_equal(got, want);
}

static int64_t retry(struct fixture *f, const struct store_filter *filter)
{
    int64_t n;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_retry(f->store, filter, &n), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    return n;
}

/* 10 * pending + running. */
static int64_t cancel(struct fixture *f, const struct store_filter *filter)
{
    int64_t pending, running;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_cancel(f->store, filter, &pending, &running), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    return 10 * pending + running;
}

static void fail_next(struct fixture *f, enum failure why, int max_attempts)
{
    struct store_job j;
    fixture_change(f, "UPDATE jobs SET not_before_ms = 0 WHERE state = 'pending'");
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", why, NULL, max_attempts), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* A partial result of `frames` frames. */
static void take_part(struct fixture *f, int frames)
{
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    for (int i = 0; i < frames; i++)
        assert_int_equal(fixture_add_frame(f->store, &j, i), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_TRUNCATED), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static void retried_jobs_begin_anew_and_keep_their_history(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 3);
    assert_true(fixture_work_one(f->store, "me", 2));
    fail_next(f, FAIL_CRASH, 3);
    fail_next(f, FAIL_CRASH, 3);                             /* it is first in line again */
    fail_next(f, FAIL_DECODE_ERROR, 3);
    state_of(f, 1, "done  1 0 2");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'dead' AND crashes = 2"), 1);

    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_DONE}), 0);
    assert_int_equal(retry(f, &(struct store_filter) {.id = 1}), 0);
    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_DEAD, .reason = "io"}), 0);
    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_DEAD, .reason = "crash"}), 1);
    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_FAILED | JOB_DEAD}), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'pending' AND failures + crashes + lost = 0 AND "
                                    "ended_ms IS NULL AND not_before_ms = 0"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE outcome IN ('retried', 'dead', 'failed')"), 3);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM failure_counts"), 0);
    fail_next(f, FAIL_CRASH, 3);                             /* the first crash again, not the third */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'pending' AND crashes = 1"), 1);
}

static void what_could_not_be_probed_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct probe p = {.failure = FAIL_NOT_MEDIA};
    int64_t job;
    enum store_put what;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_clip_job(f->store, "/text", &p, 0, f->pipeline, 0, &job, &what), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(retry(f, &(struct store_filter) {.id = job}), 0);
    state_of(f, job, "failed not_media 0 0 0");
}

static void partial_results_stay_until_there_are_others(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    fixture_submit_all(f, 1);
    take_part(f, 3);
    state_of(f, 1, "partial truncated 1 0 3");

    assert_int_equal(retry(f, &(struct store_filter) {.id = 1}), 1);
    state_of(f, 1, "pending truncated 1 0 3");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 6);
    assert_int_equal(cancel(f, &(struct store_filter) {0}), 10);
    state_of(f, 1, "partial truncated 1 0 3");

    assert_int_equal(retry(f, &(struct store_filter) {.id = 1}), 1);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_true(j.whole);
    assert_int_equal(cancel(f, &(struct store_filter) {0}), 1);
    state_of(f, 1, "partial truncated 2 0 3");

    assert_int_equal(retry(f, &(struct store_filter) {.id = 1}), 1);
    fail_next(f, FAIL_DECODE_ERROR, 3);
    state_of(f, 1, "partial decode_error 3 1 3");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 6);
    fixture_check_books(f);

    assert_int_equal(retry(f, &(struct store_filter) {.id = 1}), 1);
    assert_true(fixture_work_one(f->store, "me", 5));
    state_of(f, 1, "done  4 0 5");
    assert_false(fixture_claim(f->store, "me", &j));         /* sweeps */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 10);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), 10);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE outcome = 'replaced' AND NOT accepted"), 1);
    bool is_void;
    assert_int_equal(store_attempt_is_void(f->store, 1, 1, &is_void), CQ_OK);
    assert_true(is_void);
}

static void cancelled_jobs_belong_to_nobody(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 4);
    struct store_job a, b, none;
    assert_true(fixture_work_one(f->store, "me", 1));
    assert_true(fixture_claim(f->store, "me", &a));
    assert_true(fixture_claim(f->store, "me", &b));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &a, 0), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);

    bool held;
    assert_int_equal(store_is_held(f->store, "me", a.id, a.attempt, &held), CQ_OK);
    assert_true(held);
    assert_int_equal(cancel(f, &(struct store_filter) {.id = a.id}), 1);
    assert_int_equal(store_is_held(f->store, "me", a.id, a.attempt, &held), CQ_OK);
    assert_false(held);
    assert_int_equal(store_is_held(f->store, "me", b.id, b.attempt, &held), CQ_OK);
    assert_true(held);
    assert_int_equal(store_is_held(f->store, "you", b.id, b.attempt, &held), CQ_OK);
    assert_false(held);

    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &a, 1), CQ_STALE);
    assert_int_equal(fixture_complete(f->store, &a, "me", FAIL_NONE), CQ_STALE);
    assert_int_equal(store_fail_attempt(f->store, a.id, a.attempt, "me", FAIL_IO, NULL, 3), CQ_STALE);
    assert_int_equal(store_release(f->store, "me", a.id), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    state_of(f, a.id, "cancelled  1 0 0");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE outcome = 'cancelled' AND ended IS NOT NULL"), 1);

    assert_int_equal(cancel(f, &(struct store_filter) {.path = "*"}), 11);
    assert_int_equal(cancel(f, &(struct store_filter) {0}), 0);
    state_of(f, 1, "done  1 0 1");
    assert_false(fixture_claim(f->store, "me", &none));
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), 2);

    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_CANCELLED}), 3);
    while (fixture_work_one(f->store, "me", 1))
        ;
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'done'"), 4);
}

static void only_changes_of_others_are_seen(void **state)
{
    struct fixture *f = *state;
    int64_t before, after;
    assert_int_equal(store_version_seen(f->store, &before), CQ_OK);
    fixture_submit_all(f, 1);
    assert_int_equal(store_version_seen(f->store, &after), CQ_OK);
    assert_int_equal(before, after);
    fixture_change(f, "UPDATE jobs SET priority = 3");
    assert_int_equal(store_version_seen(f->store, &after), CQ_OK);
    assert_int_not_equal(before, after);
}

static enum cq_err count_attempt(void *ctx, const struct store_attempt_row *a)
{
    int *n = ctx;
    n[0] += !a->segment;
    n[1] += a->segment > 0;
    return CQ_OK;
}

/* A clip is cancelled and tried again with all its segments, under its own number; who has a segment has it no more. */
static void a_clip_goes_with_its_segments(void **state)
{
    struct fixture *f = *state;
    struct store_job clip, part;
    const struct segment cut[2] = {
        {.to_s = 1, .from_pts = INT64_MIN, .to_pts = 100, .frames = 5, .sampled = 5},
        {.from_s = 1, .to_s = 2, .from_pts = 100, .to_pts = INT64_MAX, .first_seq = 5, .frames = 5, .sampled = 5},
    };
    fixture_submit_all(f, 1);
    assert_true(fixture_claim(f->store, "me", &clip));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_split(f->store, clip.id, clip.attempt, "me", cut, 2), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_true(fixture_claim(f->store, "me", &part));
    assert_int_equal(part.parent_id, clip.id);

    assert_int_equal(cancel(f, &(struct store_filter) {.id = part.id}), 0);    /* by its clip only */
    assert_int_equal(cancel(f, &(struct store_filter) {0}), 1);
    bool held;
    assert_int_equal(store_is_held(f->store, "me", part.id, part.attempt, &held), CQ_OK);
    assert_false(held);
    assert_false(fixture_claim(f->store, "me", &part));
    int n[2] = {0};
    assert_int_equal(store_each_attempt(f->store, clip.id, count_attempt, n), CQ_OK);
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 1);

    assert_int_equal(retry(f, &(struct store_filter) {.states = JOB_CANCELLED}), 1);
    assert_true(fixture_claim(f->store, "me", &part));
    assert_int_equal(part.id, clip.id);
    assert_false(part.whole);
}

static void a_pause_is_the_first_one_until_it_ends(void **state)
{
    struct fixture *f = *state;
    struct store_pause first, p;
    assert_int_equal(store_get_pause(f->store, &p), CQ_OK);
    assert_int_equal(p.since_ms, 0);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_set_pause(f->store, "ann@here"), CQ_OK);
    assert_int_equal(store_get_pause(f->store, &first), CQ_OK);
    assert_int_equal(store_set_pause(f->store, "bob@there"), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_get_pause(f->store, &p), CQ_OK);
    assert_string_equal(p.by, "ann@here");
    assert_true(p.since_ms > 0 && p.since_ms == first.since_ms);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_pause WHERE by = 'ann@here'"), 1);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_end_pause(f->store), CQ_OK);
    assert_int_equal(store_end_pause(f->store), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_get_pause(f->store, &p), CQ_OK);
    assert_int_equal(p.since_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(retried_jobs_begin_anew_and_keep_their_history, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(what_could_not_be_probed_is_left_alone, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(partial_results_stay_until_there_are_others, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(cancelled_jobs_belong_to_nobody, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_clip_goes_with_its_segments, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_pause_is_the_first_one_until_it_ends, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(only_changes_of_others_are_seen, fixture_begin, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
