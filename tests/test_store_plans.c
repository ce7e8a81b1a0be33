/* How SQLite finds what the store asks for: by an index, never by looking through the jobs, of which there are a million.
 *
 * Every call of the queue is made once; then the store's own statements, as it keeps them, are explained. The same without
 * one of the indexes must show a scan: that is how this test is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "runner/store_control.h"
#include "runner/store_sqlite.h"
#include "tests/store_fixture.h"

static enum cq_err skip_class(void *ctx, const struct store_failure_class *c) { (void) ctx; (void) c; return CQ_OK; }
static enum cq_err skip_run(void *ctx, const struct store_run_row *r) { (void) ctx; (void) r; return CQ_OK; }
static enum cq_err skip_model(void *ctx, const struct store_model_row *m) { (void) ctx; (void) m; return CQ_OK; }
static enum cq_err skip_running(void *ctx, const struct store_running_row *r) { (void) ctx; (void) r; return CQ_OK; }
static enum cq_err skip_worker(void *ctx, const struct store_worker_row *r) { (void) ctx; (void) r; return CQ_OK; }
static enum cq_err skip_job(void *ctx, const struct store_job_row *r) { (void) ctx; (void) r; return CQ_OK; }
static enum cq_err skip_attempt(void *ctx, const struct store_attempt_row *a) { (void) ctx; (void) a; return CQ_OK; }
static enum cq_err skip_stage(void *ctx, const struct store_stage_row *r) { (void) ctx; (void) r; return CQ_OK; }

static bool everybody_is_dead(const char *owner)
{
    (void) owner;
    return true;
}

/* Claims of lost, failed, postponed, released and split jobs, and their completion. */
static void work(struct fixture *f)
{
    struct store *s = f->store;
    struct store_job j[5];
    int n, attempt;
    const struct segment parts[2] = {{.from_s = 0, .to_s = 1, .to_pts = 5}, {.from_s = 1, .to_s = 2, .from_pts = 5}};
    assert_int_equal(store_claim(s, "dead", 0, 1000, 1, j, &n), CQ_OK);
    assert_int_equal(store_expire_owners(s, everybody_is_dead), CQ_OK);
    assert_int_equal(store_claim(s, "me", 0, 1000, 5, j, &n), CQ_OK);
    assert_int_equal(n, 5);
    assert_int_equal(store_heartbeat(s, "me", 1000), CQ_OK);
    assert_int_equal(store_fail_attempt(s, j[0].id, j[0].attempt, "me", FAIL_IO, "gone", 1), CQ_OK);
    assert_int_equal(store_postpone(s, "me", j[1].id, 1000, FAIL_IO, "away"), CQ_OK);
    assert_int_equal(store_split(s, j[2].id, j[2].attempt, "me", parts, 2), CQ_OK);
    assert_int_equal(fixture_add_frame(s, &j[3], 0), CQ_OK);
    assert_int_equal(fixture_complete(s, &j[3], "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_release(s, "me", 0), CQ_OK);
    assert_int_equal(store_claim(s, "me", 0, 1000, 2, j, &n), CQ_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(fixture_complete(s, &j[i], "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_split_is_done(s, j[0].parent_id, &attempt), CQ_OK);
    assert_int_equal(attempt, 1);
    assert_int_equal(store_complete_split(s, j[0].parent_id), CQ_OK);
}

/* What `clipq status`, `report`, `show ID` and `log ID` ask. */
static void look(struct store *s)
{
    struct store_counts counts;
    struct probe probe;
    struct store_score_row score;
    const struct store_filter one = {.id = 1};
    int64_t n;
    bool held;
    assert_int_equal(store_get_counts(s, &counts), CQ_OK);
    struct store_segment_sums sums;
    assert_int_equal(store_sum_segments(s, &sums), CQ_OK);
    assert_int_equal(store_each_failure_class(s, skip_class, NULL), CQ_OK);
    assert_int_equal(store_each_run(s, 5, skip_run, NULL), CQ_OK);
    assert_int_equal(store_each_model(s, skip_model, NULL), CQ_OK);
    assert_int_equal(store_each_running(s, skip_running, NULL), CQ_OK);
    assert_int_equal(store_each_worker(s, skip_worker, NULL), CQ_OK);
    assert_int_equal(store_each_job(s, &one, 0, 1, skip_job, NULL), CQ_OK);
    assert_int_equal(store_count_jobs(s, &one, &n), CQ_OK);
    assert_int_equal(store_each_job(s, &(struct store_filter) {.reason = "io"}, 0, 9, skip_job, NULL), CQ_OK);
    assert_int_equal(store_count_jobs(s, &(struct store_filter) {.reason = "io"}, &n), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_get_probe(s, 1, &probe), CQ_OK);
    assert_int_equal(store_each_attempt(s, 1, skip_attempt, NULL), CQ_OK);
    assert_int_equal(store_each_job_stage(s, 1, skip_stage, NULL), CQ_OK);
    assert_int_equal(store_get_job_score(s, 1, &score), CQ_OK);
    assert_int_equal(store_get_run_score(s, 1, &score), CQ_OK);
    assert_int_equal(store_is_held(s, "me", 1, 1, &held), CQ_OK);
}

/* `clipq list`, `retry` and `cancel` with filters. */
static void choose(struct store *s)
{
    const struct store_filter aside = {.states = JOB_FAILED | JOB_DEAD}, io = {.reason = "io"}, tried = {.states = JOB_FAILED, .run = 1},
                              running = {.states = JOB_RUNNING, .pipeline = "x"};
    int64_t n, more;
    assert_int_equal(store_each_job(s, &aside, 0, 9, skip_job, NULL), CQ_OK);
    assert_int_equal(store_count_jobs(s, &aside, &n), CQ_OK);
    assert_int_equal(store_count_jobs(s, &tried, &n), CQ_OK);
    assert_int_equal(store_count_jobs(s, &(struct store_filter) {.states = JOB_DONE}, &n), CQ_OK);
    assert_true(n > 0);
    assert_int_equal(store_retry(s, &io, &n), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_cancel(s, &io, &n, &more), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_retry(s, &(struct store_filter) {.states = JOB_CANCELLED}, &n), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_cancel(s, &running, &n, &more), CQ_OK);
    assert_int_equal(more, 0);
    assert_int_equal(store_cancel(s, &(struct store_filter) {0}, &n, &more), CQ_OK);
    assert_true(n > 0);
}

static void do_everything(struct fixture *f)
{
    int64_t run;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_start_run(f->store, &(struct store_run) {.workers = 1}, &run), CQ_OK);
    for (int i = 0; i < 8; i++)
        fixture_submit(f->store, f->pipeline, i % 7);
    work(f);
    look(f->store);
    choose(f->store);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* All names that statements have for the large tables. `p` is a pipeline, too; a list by path, model or run is not here. */
static bool is_bad(const char *step)
{
    static const char *const large[] = {"jobs", "j", "p", "r", "attempts", "clips", "c"};
    /* What holds only that which is pending, running, failed or to be swept may be looked through. */
    static const char *const small[] = {"jobs_queue", "jobs_failed", "jobs_set_aside", "attempts_sweep", "autoindex_pipelines"};
    int name = (int) strcspn(step + strlen("SCAN "), " ");
    bool bad = false;
    for (int i = 0; i < (int) (sizeof large / sizeof *large); i++)
        bad = bad || ((int) strlen(large[i]) == name && !strncmp(step + strlen("SCAN "), large[i], (size_t) name));
    for (int i = 0; i < (int) (sizeof small / sizeof *small); i++)
        bad = bad && !strstr(step, small[i]);
    return bad && !strncmp(step, "SCAN ", 5);
}

static bool begins_with(const char *sql, const char *word) { return !strncmp(sql, word, strlen(word)); }

/* Steps that look through a table, of one statement. */
static int bad_steps(sqlite3 *db, const char *sql, bool tell)
{
    char explain[8192];
    sqlite3_stmt *plan;
    int bad = 0;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &plan, NULL), SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *step = (const char *) sqlite3_column_text(plan, 3);
        bad += is_bad(step);
        if (tell && is_bad(step))
            print_message("%s\n  %s\n", step, sql);
    }
    sqlite3_finalize(plan);
    return bad;
}

static int bad_plans(const struct fixture *f, int *looked_at, bool tell)
{
    sqlite3 *db;
    int bad = 0;
    *looked_at = 0;
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    for (int i = 0; i < SQL_CACHE; i++) {
        const char *sql = f->store->cache[i].sql;
        if (!sql || !(begins_with(sql, "SELECT") || begins_with(sql, "UPDATE") || begins_with(sql, "DELETE")))
            continue;
        bad += bad_steps(db, sql, tell);
        ++*looked_at;
    }
    sqlite3_close(db);
    return bad;
}

static void nothing_looks_through_the_jobs(void **state)
{
    struct fixture *f = *state;
    int looked_at;
    do_everything(f);
    assert_int_equal(bad_plans(f, &looked_at, true), 0);
    assert_in_range(looked_at, 40, SQL_CACHE);

    static const char *const indexes[] = {"jobs_queue", "jobs_failed", "jobs_set_aside", "jobs_results", "jobs_of_clip",
                                          "clips_unreadable"};
    for (int i = 0; i < (int) (sizeof indexes / sizeof *indexes); i++) {
        char make[512], drop[64], ask[128];
        snprintf(ask, sizeof ask, "SELECT sql FROM sqlite_schema WHERE name = '%s'", indexes[i]);
        fixture_text(f, ask, make, sizeof make);
        snprintf(drop, sizeof drop, "DROP INDEX %s", indexes[i]);
        fixture_change(f, drop);
        if (!bad_plans(f, &looked_at, false))
            fail_msg("without %s all is as before", indexes[i]);
        fixture_change(f, make);
    }
    assert_int_equal(bad_plans(f, &looked_at, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_looks_through_the_jobs, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
