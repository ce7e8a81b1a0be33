/* Results: staged, accepted, seen through the views; shots, runs, limits, and what status asks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/clock.h"
#include "tests/store_fixture.h"

static void expect(struct fixture *f, const char *sql, const char *want)
{
    char got[512];
    fixture_text(f, sql, got, sizeof got);
    if (strcmp(got, want))
        fail_msg("%s\n  gives %s\n  not   %s", sql, got, want);
}

/* Times of the clock are as they are: RFC 3339, in the right order. */
static void expect_one(struct fixture *f, const char *sql)
{
    if (fixture_int(f, sql) != 1)
        fail_msg("%s is not 1", sql);
}

static void staged_rows_are_not_seen(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), 2);
    static const char *const views[] = {"v_frames", "v_detections", "v_classifications", "v_embeddings", "v_quality",
                                        "v_artifacts", "v_shots", "v_job_summary"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char ask[64];
        snprintf(ask, sizeof ask, "SELECT count(*) FROM %s", views[i]);
        assert_int_equal(fixture_int(f, ask), 0);
    }
}

static void views_tell_what_was_found(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    assert_true(fixture_work_one(f->store, "me", 3));

    expect(f, "SELECT group_concat(job_id || '|' || path || '|' || model || '|' || frame || '|' || seq || '|' || pts || '|' || "
              "printf('%.4f', time_s) || '|' || time_base || '|' || tb_num || '|' || tb_den || '|' || source, ' ') FROM "
              "(SELECT * FROM v_frames WHERE seq = 1 ORDER BY model)",
           "1|/clips/0.mp4|builtin:scene|2|1|7|0.2333|1/30|1|30|inferred "
           "1|/clips/0.mp4|detector.onnx|2|1|7|0.2333|1/30|1|30|inferred");
    expect(f, "SELECT group_concat(frame || '|' || pts || '|' || class_id || '|' || label || '|' || printf('%.3f', score) || '|' || "
              "x0 || '|' || y0 || '|' || x1 || '|' || y1 || '|' || coalesce(landmarks, '-'), ' ') FROM "
              "(SELECT * FROM v_detections WHERE seq = 2 ORDER BY detection)",
           "4|9|0|person|0.900|10.0|20.0|110.0|220.0|[[1.0,2.0],[3.5,4.0]] 4|9|7|7|0.400|1.0|2.0|3.0|4.0|-");
    expect(f, "SELECT json_extract(landmarks, '$[1][0]') FROM v_detections WHERE landmarks IS NOT NULL", "3.5");
    expect(f, "SELECT model || '|' || rank || '|' || label || '|' || printf('%.2f', score) FROM v_classifications",
           "detector.onnx|1|car|0.80");
    expect(f, "SELECT dims || '|' || hex(embedding) FROM v_embeddings WHERE seq = 1", "4|0000803F0000803F0000004000004040");
    expect(f, "SELECT printf('%.2f|%.2f|%.2f', sharpness, exposure, contrast) FROM v_quality WHERE seq = 1", "5.00|0.05|0.10");
    expect(f, "SELECT kind || '|' || name || '|' || shape || '|' || file FROM v_artifacts WHERE seq = 2", "png|image|4x4|out/1.png");
    expect(f, "SELECT state || '|' || reason || '|' || attempts || '|' || frames || '|' || duration_s || '|' || size FROM v_jobs",
           "done||1|6|2.5|1000");
    expect_one(f, "SELECT submitted GLOB '20[0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z' "
                  "AND submitted <= started AND started <= ended FROM v_jobs");
    expect(f, "SELECT display_w || 'x' || display_h || ' ' || rotation || ' ' || time_base FROM v_clips", "480x640 90 1/30");
}

static void frames_say_where_they_come_from(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
    struct store_frame frame = {.seq = 1, .ordinal = 1, .pts = 6, .time_s = 0.2, .source = SOURCE_INHERITED, .source_seq = 0};
    assert_int_equal(store_add_frame(f->store, j.id, j.attempt, &frame), CQ_OK);
    frame = (struct store_frame) {.seq = 2, .ordinal = -1, .pts = 7, .time_s = 0.25, .source = SOURCE_CACHED, .source_seq = -1};
    assert_int_equal(store_add_frame(f->store, j.id, j.attempt, &frame), CQ_OK);
    assert_int_not_equal(store_add_frame(f->store, j.id, j.attempt, &frame), CQ_OK);     /* not twice */
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    expect(f, "SELECT group_concat(coalesce(frame, '-') || ' ' || source || ' ' || coalesce(source_frame, '-'), ', ') FROM "
              "(SELECT * FROM v_frames WHERE model = 'detector.onnx' ORDER BY seq)",
           "0 inferred -, 1 inherited 0, - cached -");
}

static void partial_keeps_and_failed_drops(void **state)
{
    static const struct { enum failure failure; const char *state; int64_t rows; } ends[] = {
        {FAIL_TRUNCATED, "partial truncated", 2}, {FAIL_DAMAGED, "partial damaged", 2}, {FAIL_DECODE_ERROR, "failed decode_error", 0},
    };
    struct fixture *f = *state;
    fixture_submit_all(f, 3);
    for (int i = 0; i < 3; i++) {
        struct store_job j;
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
        assert_int_equal(fixture_complete(f->store, &j, "me", ends[i].failure), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
        char ask[128];
        snprintf(ask, sizeof ask, "SELECT state || ' ' || reason FROM v_failures WHERE job_id = %lld", (long long) j.id);
        expect(f, ask, ends[i].state);
        snprintf(ask, sizeof ask, "SELECT count(*) FROM v_frames WHERE job_id = %lld", (long long) j.id);
        assert_int_equal(fixture_int(f, ask), ends[i].rows);
        snprintf(ask, sizeof ask, "SELECT count(*) FROM v_job_metrics WHERE job_id = %lld", (long long) j.id);
        assert_int_equal(fixture_int(f, ask), METRIC_COUNT);
    }
    struct store_job none;
    assert_false(fixture_claim(f->store, "me", &none));      /* sweeps */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), 4);
}

static void a_class_with_frames_kept_is_partial(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
    struct store_completion *c = calloc(1, sizeof *c);
    *c = (struct store_completion) {.job_id = j.id, .attempt = j.attempt, .owner = "me", .failure = FAIL_IO, .partial = true,
                                    .message = "read error at 12 s"};
    assert_int_equal(store_complete(f->store, c), CQ_OK);
    free(c);
    assert_int_equal(store_commit(f->store), CQ_OK);
    expect(f, "SELECT state || ' ' || reason || ' ' || message FROM v_jobs", "partial io read error at 12 s");
}

static void metrics_per_job_and_stage(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 2);
    fixture_work_one(f->store, "me", 1);
    fixture_work_one(f->store, "me", 1);
    expect(f, "SELECT group_concat(stage || ' ' || count || ' ' || mean_ms || ' ' || max_ms, ', ') FROM v_job_metrics "
              "WHERE job_id = 1 AND stage IN ('probe', 'decode', 'write')",
           "probe 1 2.0 2.0, decode 1 1.0 1.0, write 1 6.0 6.0");
    expect(f, "SELECT device || '|' || wall_s || '|' || frames_decoded || '|' || frames_sampled || '|' || frames_inferred || '|' || "
              "batches || '|' || mean_batch || '|' || frames_per_s FROM v_job_summary WHERE job_id = 2",
           "pocl|2.0|20|10|10|5|4.0|5.0");
    struct histogram *stages = calloc(METRIC_COUNT, sizeof *stages);
    assert_int_equal(store_get_stages(f->store, stages), CQ_OK);
    for (int i = 0; i < METRIC_COUNT; i++)
        assert_int_equal(stages[i].count, 2);
    assert_int_equal(stages[METRIC_WRITE].max_ns, 6000000);
    assert_true(fabs(histogram_percentile_ms(&stages[METRIC_INFER], 0.5) - 4) < 0.36);
    free(stages);
}

/* They are gathered over several transactions: what is rolled back is not among them, and closing writes them. */
static void stage_totals_are_whole_in_the_end(void **state)
{
    enum { WORKED = 40 };
    struct fixture *f = *state;
    struct store_job j;
    fixture_submit_all(f, WORKED + 1);
    for (int i = 0; i < WORKED; i++)
        assert_true(fixture_work_one(f->store, "me", 1));
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    store_rollback(f->store);
    assert_in_range(fixture_int(f, "SELECT count FROM stage_totals WHERE stage = 1"), 1, WORKED - 1);
    fixture_close(f);
    assert_int_equal(fixture_int(f, "SELECT count FROM stage_totals WHERE stage = 1"), WORKED);
}

/* ---- shots ---- */

struct seen { int n; int64_t last_seq; float first; };

static enum cq_err see(void *ctx, const float *v, int dims, int64_t seq, double time_s)
{
    struct seen *s = ctx;
    assert_int_equal(dims, 4);
    assert_true(v[0] == (float) seq && time_s > 0);
    assert_true(s->n == 0 || seq > s->last_seq);
    s->last_seq = seq;
    return ++s->n == 5 ? CQ_CANCELLED : CQ_OK;
}

static void embeddings_come_in_order_and_shots_go_back(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    for (int i = 9; i >= 0; i--)                              /* sampled frames 0, 3, 6 ...: others have no embedding */
        assert_int_equal(fixture_add_frame(f->store, &j, i * 3), CQ_OK);
    struct seen seen = {0};
    assert_int_equal(store_each_embedding(f->store, j.id, j.attempt, 1, see, &seen), CQ_CANCELLED);
    seen.n = -100;
    seen.last_seq = -1;
    assert_int_equal(store_each_embedding(f->store, j.id, j.attempt, 1, see, &seen), CQ_OK);
    assert_int_equal(seen.n, -90);
    seen.n = 0;
    assert_int_equal(store_each_embedding(f->store, j.id, j.attempt, 0, see, &seen), CQ_OK);
    assert_int_equal(seen.n, 0);

    const struct shot shots[2] = {{.first = 0, .last = 3, .start_s = 0.1, .end_s = 0.7},
                                  {.first = 4, .last = 9, .start_s = 0.9, .end_s = 2, .cut_score = 0.5f}};
    struct signature sig = {.dims = 4, .v = {1}, .duration_s = 2};
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, shots, 2, &sig), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    /* Embedding 4 is sampled frame 12, which is frame 24 of the clip. */
    expect(f, "SELECT group_concat(shot || ' ' || first_frame || '-' || last_frame || ' ' || start_s || '-' || end_s || ' ' || "
              "cut_score, ', ') FROM v_shots", "0 0-18 0.1-0.7 0.0, 1 24-54 0.9-2.0 0.5");
}

static void shots_beyond_the_frames_are_refused(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 1);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    struct shot shot = {.first = 0, .last = 1};
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, &shot, 1, NULL), CQ_INVALID);
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, &shot, 0, NULL), CQ_OK);
    assert_int_equal(fixture_add_frame(f->store, &j, 0), CQ_OK);
    assert_int_equal(store_add_shots(f->store, j.id, j.attempt, 1, &shot, 1, NULL), CQ_INVALID);
    store_rollback(f->store);
}

/* ---- runs, limits, looking ---- */

static enum cq_err keep_run(void *ctx, const struct store_run_row *r)
{
    *(struct store_run_row *) ctx = *r;
    return CQ_OK;
}

static void a_run_from_start_to_end(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 2);
    int64_t id;
    int n;
    struct store_job j;
    struct store_run_row r = {0};
    const struct store_run run = {.workers = 4, .devices = "pocl", .options = "{\"processors\":6}", .host = "here", .pid = 42};
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_start_run(f->store, &run, &id), CQ_OK);
    assert_int_equal(store_claim(f->store, "me", id, 1000, 1, &j, &n), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "me", FAIL_NONE), CQ_OK);
    assert_int_equal(store_heartbeat(f->store, "me", 1000), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_each_run(f->store, 1, keep_run, &r), CQ_OK);
    assert_true(r.active && r.id == id && r.jobs == 1 && r.frames_sampled == 10 && r.ended_ms == 0);
    expect(f, "SELECT end_reason || ' ' || host || ' ' || workers FROM v_runs", "running here 4");

    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_heartbeat(f->store, "me", -1), CQ_OK);      /* silent for longer than a lease */
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_each_run(f->store, 1, keep_run, &r), CQ_OK);
    assert_false(r.active);

    struct store_run_end *e = calloc(1, sizeof *e);
    *e = (struct store_run_end) {.frames_inferred = 77, .batches = 11, .worker_restarts = 1, .media_s = 5, .end_reason = "drained",
                                  .engines = 2, .prepare_s = 1.5, .devices = "one, two"};
    for (int i = METRIC_DECODE; i <= METRIC_POSTPROCESS; i++)
        histogram_add(&e->stages[i], (int64_t) 1000000 << i);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_worker(f->store, id, &(struct store_worker) {.role = "decode", .state = "idle", .cpu_s = 1}), CQ_OK);
    assert_int_equal(store_put_worker(f->store, id, &(struct store_worker) {.role = "decode", .state = "idle", .slot = 1,
                                                                            .cpu_s = 2}), CQ_OK);
    assert_int_equal(store_put_worker(f->store, id, &(struct store_worker) {.role = "engine", .state = "idle", .cpu_s = 4}), CQ_OK);
    assert_int_equal(store_end_run(f->store, id, e), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    free(e);
    assert_int_equal(store_each_run(f->store, 1, keep_run, &r), CQ_OK);
    assert_true(!r.active && r.ended_ms >= r.started_ms && r.frames_inferred == 77 && r.worker_restarts == 1 && r.media_s == 5);
    assert_string_equal(r.end_reason, "drained");
    assert_true(r.engines == 2 && r.prepare_s == 1.5);
    assert_float_equal(r.decode_s, 0.002 + 0.004, 1e-9);     /* decode and scale */
    assert_float_equal(r.infer_s, 0.016 + 0.032, 1e-9);      /* infer and postprocess */
    assert_string_equal(r.devices, "one, two");
    assert_true(r.processors == 6 && r.decode_cpu_s == 3 && r.engine_cpu_s == 4 && r.own_cpu_s == 0);
    expect(f, "SELECT end_reason || ' ' || mean_batch || ' ' || devices FROM v_runs", "drained 7.0 one, two");
    assert_int_equal(fixture_int(f, "SELECT sum(count) FROM run_stages"), 5);
}

static void limits_are_remembered(void **state)
{
    struct fixture *f = *state;
    int batch = -1;
    assert_int_equal(store_get_device_limit(f->store, "d", "h", "s", &batch), CQ_OK);
    assert_int_equal(batch, 0);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_device_limit(f->store, "d", "h", "s", 16), CQ_OK);
    assert_int_equal(store_put_device_limit(f->store, "d", "h", "s", 8), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_get_device_limit(f->store, "d", "h", "s", &batch), CQ_OK);
    assert_int_equal(batch, 8);
}

static enum cq_err keep_tuning(void *ctx, const struct store_tuning_row *row)
{
    struct store_tuning_row *last = ctx;
    assert_true(strcmp(row->key, last->key) > 0);
    *last = *row;
    return CQ_OK;
}

static void tunings_are_remembered(void **state)
{
    struct fixture *f = *state;
    struct store_tuning_row last = {0};
    struct store_tuning t = {"d", "1", "k", "a", "CONV", "conv_tile", "conv_winograd", "{\"conv_tile\":1.5,\"conv_winograd\":3}"};
    assert_int_equal(store_each_tuning(f->store, "k", keep_tuning, &last), CQ_OK);
    assert_string_equal(last.key, "");
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_tuning(f->store, &t), CQ_OK);
    t.kernels = "older";
    assert_int_equal(store_put_tuning(f->store, &t), CQ_OK);
    t.kernels = "k";
    t.key = "b";
    assert_int_equal(store_put_tuning(f->store, &t), CQ_OK);
    t.variant = "conv_winograd";
    assert_int_equal(store_put_tuning(f->store, &t), CQ_OK);        /* again: the newest counts */
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_each_tuning(f->store, "k", keep_tuning, &last), CQ_OK);
    assert_string_equal(last.key, "b");
    assert_string_equal(last.variant, "conv_winograd");
    assert_true(!strcmp(last.device, "d") && !strcmp(last.driver, "1"));
    expect(f, "SELECT ms || ' ' || heuristic_ms FROM v_tunings WHERE variant = 'conv_tile' AND kernels = 'k'", "1.5 3");
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_drop_old_tunings(f->store, "other", "1", "k"), CQ_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM tunings"), 3);
    assert_int_equal(store_drop_old_tunings(f->store, "d", "1", "k"), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM tunings"), 2);
}

/* What the store gives for a limit of 8 that was put `hours` ago. */
static int limit_after(struct fixture *f, double hours)
{
    char sql[128];
    int batch = -1;
    snprintf(sql, sizeof sql, "UPDATE device_limits SET batch = 8, updated_ms = %lld",
             (long long) cq_utc_ms() - (long long) (hours * 3600 * 1000));
    fixture_change(f, sql);
    assert_int_equal(store_get_device_limit(f->store, "d", "h", "s", &batch), CQ_OK);
    return batch;
}

static void old_limits_grow(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_device_limit(f->store, "d", "h", "s", 8), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(limit_after(f, 23.9), 8);
    assert_int_equal(limit_after(f, 24.1), 16);
    assert_int_equal(limit_after(f, 48.1), 32);
    assert_int_equal(limit_after(f, 24 * 1000), 8 << 12);   /* no overflow */
    assert_int_equal(limit_after(f, -100), 8);              /* the clock was set back */
}

static enum cq_err keep_class(void *ctx, const struct store_failure_class *c)
{
    *(struct store_failure_class *) ctx = *c;
    return CQ_CANCELLED;                         /* the first only; an error ends the walk and is given back */
}

static enum cq_err keep_model(void *ctx, const struct store_model_row *m)
{
    struct store_model_row **at = ctx;
    *(*at)++ = *m;
    return CQ_OK;
}

static enum cq_err keep_running(void *ctx, const struct store_running_row *r)
{
    *(struct store_running_row *) ctx = *r;
    return CQ_OK;
}

static void what_status_and_report_ask(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, 4);
    fixture_work_one(f->store, "me", 3);
    struct store_job j;
    fixture_claim(f->store, "me", &j);
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", FAIL_MODEL, "no such operator", 3), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    fixture_claim(f->store, "me", &j);

    struct store_counts c;
    assert_int_equal(store_get_counts(f->store, &c), CQ_OK);
    assert_true(c.submitted == 4 && c.done == 1 && c.failed == 1 && c.running == 1 && c.pending == 1);
    assert_true(c.partial == 0 && c.dead == 0 && c.cancelled == 0 && c.frames == 6);
    assert_true(c.media_s_total == 10 && c.media_s_left == 5);

    struct store_failure_class why;
    assert_int_equal(store_each_failure_class(f->store, keep_class, &why), CQ_CANCELLED);
    assert_string_equal(why.name, "model");
    assert_string_equal(why.example_message, "no such operator");
    assert_string_equal(why.example_path, "/clips/1.mp4");
    assert_int_equal(why.count, 1);

    struct store_model_row models[4], *end = models;
    assert_int_equal(store_each_model(f->store, keep_model, &end), CQ_OK);
    assert_int_equal(end - models, 2);
    assert_string_equal(models[0].name, "detector.onnx");
    assert_true(models[0].frames == 3 && models[0].detections == 6 && models[0].classifications == 3 && models[0].embeddings == 0);
    assert_true(models[1].frames == 3 && models[1].detections == 0 && models[1].embeddings == 3 && models[1].artifacts == 3);

    struct store_running_row running = {0};
    assert_int_equal(store_each_running(f->store, keep_running, &running), CQ_OK);
    assert_int_equal(running.job_id, j.id);
    assert_string_equal(running.path, "/clips/2.mp4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(staged_rows_are_not_seen, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(views_tell_what_was_found, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(frames_say_where_they_come_from, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(partial_keeps_and_failed_drops, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_class_with_frames_kept_is_partial, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(metrics_per_job_and_stage, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(stage_totals_are_whole_in_the_end, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(embeddings_come_in_order_and_shots_go_back, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(shots_beyond_the_frames_are_refused, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_run_from_start_to_end, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(limits_are_remembered, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(tunings_are_remembered, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(old_limits_grow, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(what_status_and_report_ask, fixture_begin, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
