/* The queue: order, races, fencing, leases, and what becomes of failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/clock.h"
#include "tests/store_fixture.h"

static void state_of(struct fixture *f, int64_t job, const char *want)
{
    char ask[128], got[64];
    snprintf(ask, sizeof ask, "SELECT state || ' ' || reason || ' ' || attempts FROM v_jobs WHERE job_id = %lld", (long long) job);
    fixture_text(f, ask, got, sizeof got);
    assert_string_equal(got, want);
}

/* A claim with a lease that has run out before it began. */
static void claim_and_lose(struct fixture *f, struct store_job *out)
{
    int n;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_claim(f->store, "lost", 0, -1000, 1, out, &n), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(n, 1);
}

static enum cq_err fail_job(struct fixture *f, const struct store_job *j, enum failure why, int max_attempts)
{
    assert_int_equal(store_begin(f->store), CQ_OK);
    enum cq_err err = store_fail_attempt(f->store, j->id, j->attempt, "me", why, "why it failed", max_attempts);
    assert_int_equal(store_commit(f->store), CQ_OK);
    return err;
}

/* Lets the back-off pass without waiting for it. */
static void skip_backoff(struct fixture *f)
{
    fixture_change(f, "UPDATE jobs SET not_before_ms = 1 WHERE state = 'pending' AND not_before_ms > 1");
}

static void priority_then_age(void **state)
{
    struct fixture *f = *state;
    static const int priorities[] = {0, 5, 0, 9, 5, -1};
    static const int64_t order[] = {4, 2, 5, 1, 3, 6};
    assert_int_equal(store_begin(f->store), CQ_OK);
    for (int i = 0; i < 6; i++) {
        struct probe p = fixture_probe(i);
        char path[32];
        int64_t job;
        enum store_put what;
        snprintf(path, sizeof path, "/%d", i);
        assert_int_equal(store_put_clip_job(f->store, path, &p, 0, f->pipeline, priorities[i], &job, &what), CQ_OK);
    }
    assert_int_equal(store_commit(f->store), CQ_OK);

    struct store_job *jobs = calloc(8, sizeof *jobs);
    int n;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_claim(f->store, "me", 0, 60000, 8, jobs, &n), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(n, 6);
    for (int i = 0; i < n; i++)
        assert_int_equal(jobs[i].id, order[i]);
    free(jobs);
}

static void put_clip(struct fixture *f, int number, double seconds, int priority)
{
    struct probe p = fixture_probe(number);
    char path[32];
    int64_t job;
    enum store_put what;
    p.duration_s = seconds;
    snprintf(path, sizeof path, "/%d", number);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_clip_job(f->store, path, &p, 0, f->pipeline, priority, &job, &what), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* A clip that takes much longer goes before older ones of its priority, also when it has been handed back. */
static void long_clips_first_within_a_priority(void **state)
{
    struct fixture *f = *state;
    static const double seconds[] = {2, 3600, 2, 7200, 2};
    static const int64_t order[] = {5, 4, 2, 1, 3};
    struct store_job j;
    for (int i = 0; i < 5; i++)
        put_clip(f, i, seconds[i], i == 4);
    for (int i = 0; i < 2; i++)
        assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(j.id, 4);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_release(f->store, "me", 0), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    for (int i = 0; i < 5; i++) {
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(j.id, order[i]);
        assert_int_equal(j.priority, i == 0);
    }
}

/* Processes race for the jobs: each job is worked on by exactly one, and none is left. */
static void no_job_is_claimed_twice(void **state)
{
    struct fixture *f = *state;
    enum { JOBS = 400, PROCESSES = 4 };
    fixture_submit_all(f, JOBS);
    fixture_close(f);
    pid_t pids[PROCESSES];
    int start[2];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        char owner[16], none;
        snprintf(owner, sizeof owner, "p%d", i);
        struct store *s;
        if (store_open(&f->log, f->db, STORE_WRITE, &s))
            _exit(1);
        /* All begin together and let go of the lock between jobs, or the first may have them all. */
        close(start[1]);
        if (read(start[0], &none, 1) != 0)
            _exit(2);
        while (fixture_work_one(s, owner, 1))
            usleep(500);
        store_close(&s);
        _exit(0);
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'done' AND attempt = 1"), JOBS);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM attempts"), JOBS);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 2 * JOBS);
    assert_true(fixture_int(f, "SELECT count(DISTINCT owner) FROM attempts") > 1);
}

static void late_and_second_completions_change_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job old, new;
    claim_and_lose(f, &old);
    assert_true(fixture_claim(f->store, "me", &new));        /* the lease had run out */
    assert_int_equal(new.id, old.id);
    assert_int_equal(new.attempt, old.attempt + 1);

    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &old, 0), CQ_STALE);
    assert_int_equal(fixture_add_frame(f->store, &new, 0), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &old, "lost", FAIL_NONE), CQ_STALE);
    assert_int_equal(fixture_complete(f->store, &new, "somebody", FAIL_NONE), CQ_STALE);
    assert_int_equal(store_fail_attempt(f->store, old.id, old.attempt, "lost", FAIL_CRASH, NULL, 3), CQ_STALE);
    assert_int_equal(fixture_complete(f->store, &new, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &new, "me", FAIL_NONE), CQ_STALE);
    assert_int_equal(fixture_add_frame(f->store, &new, 1), CQ_STALE);
    assert_int_equal(store_commit(f->store), CQ_OK);
    state_of(f, new.id, "done  2");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE outcome = 'lost'"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE accepted AND outcome = 'done'"), 1);
}

static void heartbeats_keep_the_lease(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 2);
    struct store_job mine, other, none;
    assert_true(fixture_claim(f->store, "me", &mine));
    claim_and_lose(f, &other);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_heartbeat(f->store, "me", 90000), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_true(fixture_int(f, "SELECT lease_until_ms FROM jobs WHERE owner = 'me'") > cq_utc_ms() + 80000);
    assert_true(fixture_claim(f->store, "me", &none));
    assert_int_equal(none.id, other.id);                     /* only that one came back */
    assert_false(fixture_claim(f->store, "me", &none));
}

static void handing_back_costs_no_attempt(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 3);
    struct store_job a, b, c;
    assert_true(fixture_claim(f->store, "me", &a));
    assert_true(fixture_claim(f->store, "me", &b));
    assert_true(fixture_claim(f->store, "you", &c));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &a, 0), CQ_OK);
    assert_int_equal(store_release(f->store, "me", a.id), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &a, 1), CQ_STALE);
    assert_int_equal(store_commit(f->store), CQ_OK);
    state_of(f, a.id, "pending  0");
    state_of(f, b.id, "running  1");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM detections"), 0);

    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_release(f->store, "me", 0), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    state_of(f, b.id, "pending  0");
    state_of(f, c.id, "running  1");
    assert_true(fixture_claim(f->store, "me", &a));
    assert_int_equal(a.attempt, 2);                          /* the fencing number is not used again */
}

static void failures_follow_their_class(void **state)
{
    static const struct { enum failure why; int max; const char *want; } rules[] = {
        {FAIL_DECODE_ERROR, 3, "failed decode_error 1"},     /* no retry */
        {FAIL_MODEL,        3, "failed model 1"},
        {FAIL_IO,           3, "pending io 1"},
        {FAIL_IO,           1, "dead io 1"},
        {FAIL_CRASH,        3, "pending crash 1"},
        {FAIL_HANG,         3, "pending hang 1"},
        {FAIL_DEVICE,       3, "pending device 1"},
    };
    struct fixture *f = *state;
    int n = (int) (sizeof rules / sizeof *rules);
    fixture_submit_all(f, n);
    for (int i = 0; i < n; i++) {
        struct store_job j;
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(fail_job(f, &j, rules[i].why, rules[i].max), CQ_OK);
        state_of(f, j.id, rules[i].want);
        assert_int_equal(fail_job(f, &j, rules[i].why, rules[i].max), CQ_STALE);
    }
    struct store_job none;
    assert_false(fixture_claim(f->store, "me", &none));      /* the pending ones wait out their delay */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'pending' AND not_before_ms NOT BETWEEN "
                                    "started_ms + 500 AND started_ms + 5000"), 0);
}

static void the_second_crash_is_enough(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(fail_job(f, &j, FAIL_CRASH, 9), CQ_OK);
    state_of(f, j.id, "pending crash 1");
    skip_backoff(f);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(fail_job(f, &j, FAIL_HANG, 9), CQ_OK);
    state_of(f, j.id, "dead hang 2");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE message = 'why it failed'"), 2);
}

static void failures_end_at_the_cap(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    for (int i = 1; i <= 3; i++) {
        skip_backoff(f);
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(fail_job(f, &j, FAIL_IO, 3), CQ_OK);
    }
    state_of(f, j.id, "dead io 3");
    assert_false(fixture_claim(f->store, "me", &j));
}

/* Two of one class and two of another are no three of either, and a crash is counted with crashes only. */
static void each_class_counts_for_itself(void **state)
{
    static const struct { enum failure why; const char *want; } days[] = {
        {FAIL_IO,       "pending io 1"},
        {FAIL_DEVICE,   "pending device 2"},
        {FAIL_IO,       "pending io 3"},
        {FAIL_CRASH,    "pending crash 4"},
        {FAIL_DEVICE,   "pending device 5"},
        {FAIL_VANISHED, "pending vanished 6"},
        {FAIL_IO,       "dead io 7"},
    };
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        struct store_job j;
        skip_backoff(f);
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(fail_job(f, &j, days[i].why, 3), CQ_OK);
        state_of(f, j.id, days[i].want);
    }
    assert_int_equal(fixture_int(f, "SELECT failures * 10 + crashes FROM jobs"), 71);
}

/* Clips that failed together come back one by one, later each time. */
static void pauses_grow_and_are_scattered(void **state)
{
    struct fixture *f = *state;
    enum { JOBS = 40 };
    fixture_submit_all(f, JOBS);
    int64_t mean[3];
    for (int round = 0; round < 3; round++) {
        skip_backoff(f);
        for (int i = 0; i < JOBS; i++) {
            struct store_job j;
            assert_true(fixture_claim(f->store, "me", &j));
            assert_int_equal(fail_job(f, &j, FAIL_IO, 9), CQ_OK);
        }
        mean[round] = fixture_int(f, "SELECT avg(j.not_before_ms - a.ended_ms) FROM jobs j JOIN attempts a ON a.id = j.attempt_id");
        assert_true(fixture_int(f, "SELECT count(DISTINCT (j.not_before_ms - a.ended_ms) / 10) FROM jobs j "
                                   "JOIN attempts a ON a.id = j.attempt_id") > JOBS / 2);
    }
    assert_in_range(mean[0], 500, 1500);
    assert_in_range(mean[1], 1000, 3000);
    assert_in_range(mean[2], 2000, 6000);
    assert_true(mean[0] < mean[1] && mean[1] < mean[2]);
}

static void a_clip_that_loses_every_run_is_set_aside(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    for (int i = 0; i < 10; i++)
        claim_and_lose(f, &j);
    assert_false(fixture_claim(f->store, "me", &j));
    state_of(f, j.id, "dead crash 10");
}

/* More rows than one sweep takes: claims carry it on until nothing is left. */
static void lost_rows_are_swept_in_pieces(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    claim_and_lose(f, &j);
    assert_int_equal(store_begin(f->store), CQ_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fixture_add_frame(f->store, &j, i), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), 0);

    assert_true(fixture_claim(f->store, "me", &j));
    int64_t left = fixture_int(f, "SELECT (SELECT count(*) FROM frames) + (SELECT count(*) FROM detections)");
    assert_true(left > 0 && left < 4000);
    for (int i = 0; i < 10; i++) {
        struct store_job none;
        assert_false(fixture_claim(f->store, "me", &none));
    }
    static const char *const tables[] = {"frames", "detections", "classifications", "embeddings", "quality", "artifacts"};
    for (int i = 0; i < 6; i++) {
        char ask[64];
        snprintf(ask, sizeof ask, "SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(fixture_int(f, ask), 0);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM attempts WHERE sweep"), 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MANY_JOBS = 5000 };
#else
enum { MANY_JOBS = 100000 };
#endif

/* Printed, not judged: a test may share its machine. */
static void speed_of_the_queue(void **state)
{
    struct fixture *f = *state;
    enum { JOBS = MANY_JOBS, GROUP = 256 };
    int64_t start = cq_now_ns();
    fixture_submit_all(f, JOBS);
    double submit_us = (double) (cq_now_ns() - start) / 1e3 / JOBS;

    struct store_job *jobs = calloc(GROUP, sizeof *jobs);
    int n, total = 0;
    start = cq_now_ns();
    do {
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(store_claim(f->store, "me", 0, 600000, GROUP, jobs, &n), CQ_OK);
        for (int i = 0; i < n; i++)
            assert_int_equal(fixture_complete(f->store, &jobs[i], "me", FAIL_NONE), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
        total += n;
    } while (n);
    double cycle_us = (double) (cq_now_ns() - start) / 1e3 / JOBS;
    assert_int_equal(total, JOBS);
    free(jobs);

    struct store_counts counts;
    start = cq_now_ns();
    assert_int_equal(store_get_counts(f->store, &counts), CQ_OK);
    double counts_us = (double) (cq_now_ns() - start) / 1e3;
    assert_int_equal(counts.done, JOBS);
    print_message("%d jobs: submit %.1f us each, claim and complete %.1f us each (groups of %d), counts %.0f us\n", JOBS,
                  submit_us, cycle_us, GROUP, counts_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(priority_then_age, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(long_clips_first_within_a_priority, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(no_job_is_claimed_twice, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(late_and_second_completions_change_nothing, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(heartbeats_keep_the_lease, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(handing_back_costs_no_attempt, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(failures_follow_their_class, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(the_second_crash_is_enough, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(failures_end_at_the_cap, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(each_class_counts_for_itself, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(pauses_grow_and_are_scattered, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_clip_that_loses_every_run_is_set_aside, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(lost_rows_are_swept_in_pieces, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(speed_of_the_queue, fixture_begin, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
