/* Jobs one by one: filters, pages, and the history of attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/store_jobs.h"
#include "tests/store_fixture.h"

/* Numbers of the jobs that came, as " 1 2 3". */
static enum cq_err add_number(void *ctx, const struct store_job_row *r)
{
    char *list = ctx;
    size_t at = strlen(list);
    snprintf(list + at, 256 - at, " %lld", (long long) r->id);
    return CQ_OK;
}

static void lists(struct fixture *f, const struct store_filter *filter, int64_t offset, int64_t limit, const char *want)
{
    char got[256] = "";
    assert_int_equal(store_each_job(f->store, filter, offset, limit, add_number, got), CQ_OK);
    assert_string_equal(got, want);
}

static void fail_one(struct fixture *f, enum failure why, const char *words)
{
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    const struct store_attempt_note n = {.job_id = j.id, .attempt = j.attempt, .pid = 77, .device = "pocl", .last_words = words,
                                         .frames_decoded = 5, .frames_sampled = 4, .frames_inferred = 3};
    assert_int_equal(store_note_attempt(f->store, &n), CQ_OK);
    assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", why, "why it failed", 3), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* 1 done, 2 failed, 3 dead, 4 partial, 5 to 8 pending. */
static void fill(struct fixture *f)
{
    struct store_job j;
    fixture_submit_all(f, 4);
    assert_true(fixture_work_one(f->store, "me", 2));
    fail_one(f, FAIL_DECODE_ERROR, "");
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", FAIL_IO, NULL, 1), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_TRUNCATED), CQ_OK);
    for (int i = 4; i < 8; i++)
        fixture_submit(f->store, f->pipeline, i);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static void filters_choose_and_pages_follow(void **state)
{
    struct fixture *f = *state;
    fill(f);
    lists(f, &(struct store_filter) {0}, 0, 100, " 1 2 3 4 5 6 7 8");
    lists(f, &(struct store_filter) {0}, 2, 3, " 3 4 5");
    lists(f, &(struct store_filter) {0}, 8, 3, "");
    lists(f, &(struct store_filter) {.states = JOB_FAILED | JOB_DEAD | JOB_PARTIAL}, 0, 100, " 2 3 4");
    lists(f, &(struct store_filter) {.states = JOB_PENDING}, 1, 2, " 6 7");
    lists(f, &(struct store_filter) {.states = JOB_RUNNING | JOB_CANCELLED}, 0, 100, "");
    lists(f, &(struct store_filter) {.reason = "io"}, 0, 100, " 3");
    lists(f, &(struct store_filter) {.id = 6}, 0, 100, " 6");
    lists(f, &(struct store_filter) {.id = 6, .states = JOB_DONE}, 0, 100, "");
    lists(f, &(struct store_filter) {.path = "*/3.mp4"}, 0, 100, " 4");
    lists(f, &(struct store_filter) {.model = "*scene*"}, 0, 3, " 1 2 3");
    lists(f, &(struct store_filter) {.model = "scene"}, 0, 3, "");
    lists(f, &(struct store_filter) {.pipeline = "p"}, 0, 1, " 1");
    lists(f, &(struct store_filter) {.pipeline = "p2"}, 0, 1, "");
    lists(f, &(struct store_filter) {.run = 4}, 0, 100, "");
    fixture_change(f, "UPDATE attempts SET run_id = 4 WHERE job_id IN (2, 3)");
    lists(f, &(struct store_filter) {.run = 4, .reason = "io"}, 0, 100, " 3");
    int64_t n;
    assert_int_equal(store_count_jobs(f->store, &(struct store_filter) {.states = JOB_PENDING}, &n), CQ_OK);
    assert_int_equal(n, 4);

    /* A copy of a clip is found by its own name. */
    struct probe p = fixture_probe(0);
    int64_t job;
    enum store_put what;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_clip_job(f->store, "/copies/zero.mp4", &p, 0, f->pipeline, 0, &job, &what), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    lists(f, &(struct store_filter) {.path = "/copies/*"}, 0, 100, " 1");
    assert_int_equal(store_get_probe(f->store, 1, &p), CQ_OK);
    assert_string_equal(p.codec, "h264");
    assert_int_equal(store_get_probe(f->store, 99, &p), CQ_NOT_FOUND);
}

struct history {
    struct store_attempt_row a[4];
    int n;
};

static enum cq_err add_attempt(void *ctx, const struct store_attempt_row *a)
{
    struct history *h = ctx;
    h->a[h->n++] = *a;
    return CQ_OK;
}

static void the_history_keeps_everything(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    fail_one(f, FAIL_IO, "h264: error one\nh264: error two\n");
    fixture_change(f, "UPDATE jobs SET not_before_ms = 0");
    fail_one(f, FAIL_CRASH, "");
    fixture_change(f, "UPDATE jobs SET not_before_ms = 0");
    assert_true(fixture_work_one(f->store, "me", 2));

    struct history *h = calloc(1, sizeof *h);
    assert_non_null(h);
    assert_int_equal(store_each_attempt(f->store, 1, add_attempt, h), CQ_OK);
    assert_int_equal(h->n, 3);
    assert_string_equal(h->a[0].outcome, "retried");
    assert_string_equal(h->a[0].reason, "io");
    assert_string_equal(h->a[0].message, "why it failed");
    assert_string_equal(h->a[0].last_words, "h264: error one\nh264: error two\n");
    assert_string_equal(h->a[0].device, "pocl");
    assert_int_equal(h->a[0].pid, 77);
    assert_int_equal(h->a[0].frames_sampled, 4);
    assert_true(h->a[0].ended_ms && h->a[0].wall_s >= 0);
    assert_string_equal(h->a[1].reason, "crash");
    assert_string_equal(h->a[1].last_words, "");
    assert_false(h->a[0].accepted || h->a[1].accepted);
    assert_string_equal(h->a[2].outcome, "done");
    assert_true(h->a[2].accepted);

    /* Before the column was there. */
    fixture_change(f, "DROP VIEW v_attempts; ALTER TABLE attempts DROP COLUMN last_words");
    h->n = 0;
    assert_int_equal(store_each_attempt(f->store, 1, add_attempt, h), CQ_OK);
    assert_int_equal(h->n, 3);
    assert_string_equal(h->a[0].last_words, "");
    free(h);
}

static enum cq_err count_stage(void *ctx, const struct store_stage_row *r)
{
    assert_true(r->count > 0 && r->max_ms > 0);
    ++*(int *) ctx;
    return CQ_OK;
}

static void stages_are_those_of_the_accepted_attempt(void **state)
{
    struct fixture *f = *state;
    int n = 0;
    fixture_submit_all(f, 1);
    assert_true(fixture_work_one(f->store, "me", 2));
    assert_int_equal(store_each_job_stage(f->store, 1, count_stage, &n), CQ_OK);
    assert_int_equal(n, fixture_int(f, "SELECT count(*) FROM attempts a JOIN json_each(a.stages)"));
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters_choose_and_pages_follow, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(the_history_keeps_everything, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(stages_are_those_of_the_accepted_attempt, fixture_begin, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
