/* Looking: what status and report ask. Counts come from the trigger-kept totals, so they cost the same for a
 * million jobs as for ten.
 */
#include <stdlib.h>

#include <sqlite3.h>

#include "runner/store_sqlite.h"

enum cq_err store_get_counts(struct store *s, struct store_counts *out)
{
    /* An older version's totals have two rows for what is open. */
#define OPEN(sum) sum " FILTER (WHERE state IN ('open', 'pending', 'running'))"
#define STATE(name) "sum(jobs) FILTER (WHERE state = '" name "'), "
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT sum(jobs), " OPEN("sum(jobs)") ", (SELECT count(*) FROM jobs WHERE state = 'running' AND +parent_id IS NULL), " STATE("done") STATE("partial") STATE("failed") STATE("dead")
        STATE("cancelled") "sum(frame_rows), sum(media_ms) / 1000.0, "
        OPEN("sum(media_ms)") " / 1000.0 FROM totals", "");
#undef OPEN
#undef STATE
    *out = (struct store_counts) {0};
    if (err)
        return err;
    int c = 0;
    out->submitted = sqlite3_column_int64(row, c++);
    out->pending = sqlite3_column_int64(row, c++);
    out->running = sqlite3_column_int64(row, c++);
    out->pending -= out->running;
    out->done = sqlite3_column_int64(row, c++);
    out->partial = sqlite3_column_int64(row, c++);
    out->failed = sqlite3_column_int64(row, c++);
    out->dead = sqlite3_column_int64(row, c++);
    out->cancelled = sqlite3_column_int64(row, c++);
    out->frames = sqlite3_column_int64(row, c++);
    out->media_s_total = sqlite3_column_double(row, c++);
    out->media_s_left = sqlite3_column_double(row, c);
    sql_done(row);
    return CQ_OK;
}

enum cq_err store_each_failure_class(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_failure_class *c), void *ctx)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT g.reason, g.n, c.path, j.message FROM (SELECT reason, count(*) AS n, min(id) AS id FROM jobs "
        "WHERE reason <> '' AND state IN ('failed', 'dead', 'partial') AND parent_id IS NULL GROUP BY reason) g "
        "JOIN jobs j ON j.id = g.id JOIN clips c ON c.id = j.clip_id ORDER BY g.n DESC, g.reason", "");
    for (; !err; err = sql_next(s, row)) {
        struct store_failure_class f;
        sql_text(row, 0, f.name, sizeof f.name);
        f.count = sqlite3_column_int64(row, 1);
        sql_text(row, 2, f.example_path, sizeof f.example_path);
        sql_text(row, 3, f.example_message, sizeof f.example_message);
        err = fn(ctx, &f);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_get_stages(struct store *s, struct histogram out[METRIC_COUNT])
{
    for (int i = 0; i < METRIC_COUNT; i++)
        out[i] = (struct histogram) {0};
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT stage, histogram, count, sum_ns, max_ns FROM stage_totals", "");
    for (; !err; err = sql_next(s, row)) {
        int stage = sqlite3_column_int(row, 0);
        if (stage < 0 || stage >= METRIC_COUNT)
            continue;
        err = histogram_from_text((const char *) sqlite3_column_text(row, 1), &out[stage]);
        if (err)
            break;
        out[stage].count = sqlite3_column_int64(row, 2);
        out[stage].sum_ns = sqlite3_column_int64(row, 3);
        out[stage].max_ns = sqlite3_column_int64(row, 4);
    }
    sql_done(row);
    for (int i = 0; i < METRIC_COUNT; i++)
        histogram_merge(&out[i], &s->kept_stages[i]);
    return err == CQ_EOF ? CQ_OK : err;
}

static void read_run(sqlite3_stmt *row, struct store_run_row *r)
{
    int c = 0;
    r->id = sqlite3_column_int64(row, c++);
    r->started_ms = sqlite3_column_int64(row, c++);
    r->ended_ms = sqlite3_column_int64(row, c++);
    r->workers = sqlite3_column_int(row, c++);
    sql_text(row, c++, r->devices, sizeof r->devices);
    sql_text(row, c++, r->end_reason, sizeof r->end_reason);
    r->jobs = sqlite3_column_int64(row, c++);
    r->frames_decoded = sqlite3_column_int64(row, c++);
    r->frames_sampled = sqlite3_column_int64(row, c++);
    r->frames_inferred = sqlite3_column_int64(row, c++);
    r->batches = sqlite3_column_int64(row, c++);
    r->oom_halvings = sqlite3_column_int64(row, c++);
    r->worker_restarts = sqlite3_column_int64(row, c++);
    r->engine_restarts = sqlite3_column_int64(row, c++);
    r->media_s = sqlite3_column_double(row, c++);
    r->prepare_s = sqlite3_column_double(row, c++);
    r->engines = sqlite3_column_int(row, c++);
    r->decode_s = sqlite3_column_double(row, c++);
    r->infer_s = sqlite3_column_double(row, c++);
    r->processors = sqlite3_column_int(row, c++);
    r->decode_cpu_s = sqlite3_column_double(row, c++);
    r->engine_cpu_s = sqlite3_column_double(row, c++);
    r->own_cpu_s = sqlite3_column_double(row, c++);
    r->active = sqlite3_column_int(row, c);
}

enum cq_err store_each_run(struct store *s, int newest, enum cq_err (*fn)(void *ctx, const struct store_run_row *r), void *ctx)
{
    int64_t now;
    bool has_workers;
    enum cq_err err = store_queue_ms_seen(s, &now);
    if (!err)
        err = sql_has_table(s, "workers", &has_workers);
    if (err)
        return err;
#define BUSY_S(stages) "(SELECT total(count * mean_ms) / 1e3 FROM run_stages WHERE run_id = runs.id AND stage IN " stages "), "
#define CPU_S(role) "(SELECT total(cpu_s) FROM workers w WHERE w.run_id = runs.id AND w.role = '" role "'), "
#define RUNS(processors) \
        "SELECT id, started_ms, coalesce(ended_ms, 0), workers, devices, end_reason, jobs, frames_decoded, frames_sampled, " \
        "frames_inferred, batches, oom_halvings, worker_restarts, engine_restarts, media_s, prepare_s, engines, " \
        BUSY_S("(1, 2)") BUSY_S("(4, 5)") processors \
        "ended_ms IS NULL AND alive_until_ms >= ? FROM runs ORDER BY id DESC LIMIT ?"
    sqlite3_stmt *row;
    err = sql_query(s, &row, has_workers ? RUNS("iif(json_valid(options), options ->> 'processors', 0), "
                                                CPU_S("decode") CPU_S("engine") CPU_S("supervisor"))
                                         : RUNS("0, 0, 0, 0, "), "Ii", now, newest);
#undef BUSY_S
#undef CPU_S
#undef RUNS
    for (; !err; err = sql_next(s, row)) {
        struct store_run_row r;
        read_run(row, &r);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

static void read_model(sqlite3_stmt *row, struct store_model_row *m)
{
    sql_text(row, 0, m->name, sizeof m->name);
    sql_text(row, 1, m->decoder, sizeof m->decoder);
    m->frames = sqlite3_column_int64(row, 2);
    m->detections = sqlite3_column_int64(row, 3);
    m->classifications = sqlite3_column_int64(row, 4);
    m->embeddings = sqlite3_column_int64(row, 5);
    m->shots = sqlite3_column_int64(row, 6);
    m->artifacts = sqlite3_column_int64(row, 7);
}

enum cq_err store_each_model(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_model_row *m), void *ctx)
{
#define SUM(table) "total(t." table "), "
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT m.name, m.decoder, " SUM("frames") SUM("detections") SUM("classifications") SUM("embeddings") SUM("shots")
        SUM("artifacts") "m.id FROM models m JOIN pipeline_models pm ON pm.model_id = m.id "
        "JOIN model_totals t ON t.pipeline_id = pm.pipeline_id AND t.model = pm.position GROUP BY m.id ORDER BY m.id", "");
#undef SUM
    for (; !err; err = sql_next(s, row)) {
        struct store_model_row m;
        read_model(row, &m);
        err = fn(ctx, &m);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_each_running(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_running_row *r), void *ctx)
{
    sqlite3_stmt *row;
    bool has_segments;
    enum cq_err err = sql_has_table(s, "segments", &has_segments);
    if (err)
        return err;
    /* The plus signs leave only the index over running jobs to be used. */
    err = sql_query(s, &row, has_segments
        ? "SELECT j.id, j.attempt, c.path, j.started_ms, j.segments, (SELECT count(*) FROM jobs p WHERE p.job_id = j.id AND "
          "p.parent_id IS NOT NULL AND p.state = 'done' AND j.segments > 0) FROM jobs j JOIN clips c ON c.id = j.clip_id "
          "WHERE j.state = 'running' AND +j.parent_id IS NULL ORDER BY +j.id"
        : "SELECT j.id, j.attempt, c.path, j.started_ms, 0, 0 FROM jobs j JOIN clips c ON c.id = j.clip_id "
          "WHERE j.state = 'running' ORDER BY +j.id", "");
    for (; !err; err = sql_next(s, row)) {
        struct store_running_row r;
        r.job_id = sqlite3_column_int64(row, 0);
        r.attempt = sqlite3_column_int(row, 1);
        sql_text(row, 2, r.path, sizeof r.path);
        r.since_ms = sqlite3_column_int64(row, 3);
        r.segments = sqlite3_column_int(row, 4);
        r.segments_done = sqlite3_column_int(row, 5);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}
