/* examples/queries.sql: each of the eleven questions gets an answer from a database that holds one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/store_fixture.h"

/* Two alike with people and shots, one in which nothing is found, one that fails. */
static void fill(struct fixture *f)
{
    fixture_submit_all(f, 4);
    struct store_job j;
    const struct shot shots[2] = {{.first = 0, .last = 4, .end_s = 0.4}, {.first = 5, .last = 9, .start_s = 0.5, .end_s = 1}};
    const struct signature sig = {.dims = 4, .v = {1}, .duration_s = 1};
    for (int clip = 0; clip < 2; clip++) {
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(store_begin(f->store), CQ_OK);
        for (int i = 0; i < 10; i++)
            assert_int_equal(fixture_add_frame(f->store, &j, i < 5 ? i : i + 100), CQ_OK);
        assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, shots, 2, &sig), CQ_OK);
        assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
    }
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    struct store_frame nothing = {.source_seq = -1};
    assert_int_equal(store_add_frame(f->store, j.id, j.attempt, &nothing), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);

    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_DECODE_ERROR), CQ_OK);
    bool more;
    assert_int_equal(store_match_signatures(f->store, SIGNATURE_DUPLICATE, &more), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* A run that lost time in two ways. */
static void score_one(struct fixture *f)
{
    const struct store_score score = {
        .inputs = {.took_s = 3, .processors = 1, .decoded = 1, .decode_s = 1}, .losses = {[SCORE_DECODE] = 1.5, [SCORE_REST] = 0.5},
    };
    int64_t run;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_start_run(f->store, &(struct store_run) {.workers = 1}, &run), CQ_OK);
    assert_int_equal(store_put_run_score(f->store, run, &score), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static char *read_queries(void)
{
    FILE *file = fopen("examples/queries.sql", "rb");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* Rows of the statement at `*at`, which moves to the next; -1 at the end. */
static int run_next(sqlite3 *db, const char **at)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, *at, -1, &stmt, at))
        fail_msg("%s", sqlite3_errmsg(db));
    if (!stmt)
        return -1;
    int rows = 0, rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        rows++;
    if (rc != SQLITE_DONE)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    return rows;
}

static void each_question_has_an_answer(void **state)
{
    (void) state;
    struct fixture f;
    fixture_setup(&f);
    fill(&f);
    /* By hand: 2 states; 1 failure; 2 clips with people, each in two appearances; person and class 7; 1 empty
     * clip; 1 pair; 2 clips with shots; both dark in every other frame; 7 stages; 2 reasons. */
    static const int want[] = {2, 1, 2, 4, 2, 1, 1, 2, 2, 7, 2};
    char *text = read_queries();
    const char *at = text;
    score_one(&f);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f.db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    int n = 0;
    for (int rows; (rows = run_next(db, &at)) >= 0; n++)
        if (n < 11 && rows != want[n])
            fail_msg("question %d gives %d rows, not %d", n + 1, rows, want[n]);
    assert_int_equal(n, 11);
    sqlite3_close(db);
    free(text);
    fixture_teardown(&f);
}

/* Every view runs on an empty database too, and each has the columns that the page about it promises. */
static void views_keep_their_columns(void **state)
{
    (void) state;
    static const char *const promised[] = {
        "SELECT job_id, path, state, reason, attempts, message, priority, submitted, started, ended, duration_s, size, frames FROM v_jobs",
        "SELECT job_id, path, model, frame, seq, pts, time_s, time_base, tb_num, tb_den, source, source_frame FROM v_frames",
        "SELECT job_id, path, model, frame, pts, time_s, class_id, label, score, x0, y0, x1, y1, landmarks FROM v_detections",
        "SELECT job_id, path, model, frame, pts, time_s, rank, class_id, label, score FROM v_classifications",
        "SELECT job_id, path, model, frame, pts, time_s, dims, embedding FROM v_embeddings",
        "SELECT job_id, path, model, frame, pts, time_s, sharpness, exposure, contrast, clipped_dark, clipped_bright FROM v_quality",
        "SELECT job_id, path, model, frame, pts, time_s, kind, name, shape, file FROM v_artifacts",
        "SELECT job_id, path, model, shot, first_frame, last_frame, start_s, end_s, cut_score FROM v_shots",
        "SELECT job_a, path_a, job_b, path_b, similarity FROM v_duplicates",
        "SELECT job_id, path, wall_s, stage, count, mean_ms, p50_ms, p95_ms, max_ms FROM v_job_metrics",
        "SELECT job_id, path, frames_decoded, frames_sampled, frames_inferred, batches, mean_batch, device, frames_per_s FROM v_job_summary",
        "SELECT job_id, path, frames_sampled, frames_inferred, frames_cached, cache_misses, cache_evictions, saved_ms FROM v_job_cache",
        "SELECT run_id, started, ended, end_reason, host, pid, workers, devices, jobs, frames_per_s, times_real_time FROM v_runs",
        "SELECT clip_id, path, fingerprint, container, codec, display_w, display_h, rotation, time_base, stream_reason FROM v_clips",
        "SELECT job_id, path, attempt, outcome, reason, message, owner, host, pid, device, started, ended, accepted, wall_s, "
        "frames_decoded, frames_sampled, frames_inferred, batches, mean_batch, oom_halvings, last_words, supervisor_pid FROM v_attempts",
        "SELECT job_id, path, state, reason, message, frames_kept FROM v_failures",
        "SELECT path, job_id, state, reason, is_other_path FROM v_paths",
        "SELECT device, driver, operator, variant, heuristic, ms, heuristic_ms, tuned FROM v_tunings",
        "SELECT run_id, host, role, slot, pid, state, restarts, clips, frames, frames_per_s, cpu_s, rss, last_frame, job_id, path, "
        "updated FROM v_workers",
        "SELECT since, by FROM v_pause",
        "SELECT run_id, slot, spec, device, chosen, batches, frames, share, busy_s, frames_per_s, speed_share FROM v_engines",
        "SELECT host, kind, device, driver, units, subject, shape, source, batch, unit_s, measured FROM v_limits",
        "SELECT scope, run_id, job_id, path, score, recomputed, formula, took_s, needed_s, resource, processors, devices, decoded, decode_s, "
        "inferred, infer_s, on_devices, device_s, observed, unknown, reason, advice, losses FROM v_scores",
        "SELECT job_id, path, segment, state, reason, attempts, message, from_s, to_s, first_frame, frames, sampled FROM v_segments",
    };
    struct fixture f;
    fixture_setup(&f);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f.db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    int n = (int) (sizeof promised / sizeof *promised);
    for (int i = 0; i < n; i++)
        if (sqlite3_exec(db, promised[i], NULL, NULL, NULL))
            fail_msg("%s: %s", promised[i], sqlite3_errmsg(db));
    sqlite3_close(db);
    assert_int_equal(fixture_int(&f, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), n);
    fixture_teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_has_an_answer),
        cmocka_unit_test(views_keep_their_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
