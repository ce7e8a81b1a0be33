/* Clips in segments: putting them in the queue in their clip's place, and ending the clip when the last has ended.
 *
 * What is not here is done by triggers (schema/007_segments.sql), so that whoever retries or cancels a clip need not know
 * of segments. A clip that waits is pending or running without an owner, and its own attempt has the outcome `split`.
 */
#include <stdlib.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

/* ---- splitting ---- */

static enum cq_err add_segment(struct store *s, int64_t clip_job, const struct segment *g, int number)
{
    const struct sampler_state *at = &g->sampler;
    int64_t ms = (int64_t) ((g->to_s - g->from_s) * 1e3);
    enum cq_err err = sql_exec(s,
        "INSERT INTO jobs (clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, probe_ns, "
        "media_ms, parent_id) SELECT clip_id, pipeline_id, 'pending', '', '', priority, -1000, submitted_ms, 0, ?, id "
        "FROM jobs WHERE id = ?", "II", ms, clip_job);
    if (err)
        return err;
    return sql_exec(s,
        "INSERT INTO segments VALUES (?, ?, ?, ?, nullif(?, -9223372036854775808), nullif(?, 9223372036854775807), nullif(?, -1), "
        "?, ?, ?, ?, ?, ?, ?)", "IiddIIIIdIIIII", sql_last_id(s), number, g->from_s, g->to_s, g->from_pts, g->to_pts,
        g->first_ordinal, g->first_seq, at->first_s, at->seen, at->next_tick, g->frames, (int64_t) g->digest, g->sampled);
}

enum cq_err store_split(struct store *s, int64_t job_id, int attempt, const char *owner, const struct segment *parts, int n)
{
    store_forget_attempts(s);
    enum cq_err err = sql_exec(s,
        "UPDATE jobs SET state = 'pending', owner = NULL, lease_until_ms = NULL, not_before_ms = 9223372036854775807, segments = ? "
        "WHERE id = ? AND attempt = ? AND owner = ? AND state = 'running' AND parent_id IS NULL", "iIit", n, job_id, attempt, owner);
    if (!err && !sql_changes(s))
        return CQ_STALE;
    if (!err)
        err = sql_exec(s, "UPDATE attempts SET outcome = 'split' WHERE " ATTEMPT_ID("?1", "?2"), "Ii", job_id, attempt);
    for (int i = 0; i < n && !err; i++)
        err = add_segment(s, job_id, &parts[i], i + 1);
    return err;
}

static int64_t int_or(sqlite3_stmt *row, int column, int64_t none)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? none : sqlite3_column_int64(row, column);
}

enum cq_err store_read_segment(struct store *s, struct store_job *out)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT from_s, to_s, from_pts, to_pts, first_ordinal, first_seq, first_s, seen, next_tick, "
                                         "frames, digest, sampled FROM segments WHERE job_id = ?", "I", out->id);
    if (err)
        return err == CQ_EOF ? CQ_CORRUPT : err;
    int c = 0;
    struct segment *g = &out->segment;
    g->from_s = sqlite3_column_double(row, c++);
    g->to_s = sqlite3_column_double(row, c++);
    g->from_pts = int_or(row, c++, INT64_MIN);
    g->to_pts = int_or(row, c++, INT64_MAX);
    g->first_ordinal = int_or(row, c++, -1);
    g->first_seq = sqlite3_column_int64(row, c++);
    g->sampler.first_s = sqlite3_column_double(row, c++);
    g->sampler.seen = sqlite3_column_int64(row, c++);
    g->sampler.next_tick = sqlite3_column_int64(row, c++);
    g->sampler.started = g->from_pts != INT64_MIN;
    g->frames = sqlite3_column_int64(row, c++);
    g->digest = (uint64_t) sqlite3_column_int64(row, c++);
    g->sampled = sqlite3_column_int64(row, c);
    sql_done(row);
    double length = g->to_s - g->from_s;
    out->share = length > 0 && length < out->probe.duration_s ? length / out->probe.duration_s : 1;
    out->probe.duration_s = length;
    out->probe.frames_claimed = g->frames;
    return CQ_OK;
}

enum cq_err store_unsplit(struct store *s, int64_t segment_id, int attempt, const char *owner, const char *message)
{
    store_forget_attempts(s);
    int64_t clip_job;
    enum cq_err err = sql_int(s, &clip_job, "SELECT parent_id FROM jobs WHERE id = ? AND attempt = ? AND owner = ? "
                                            "AND state = 'running'", "Iit", segment_id, attempt, owner);
    if (err)
        return err == CQ_EOF ? CQ_STALE : err;
    err = sql_exec(s, "UPDATE attempts SET outcome = 'released', message = ?, ended_ms = ? WHERE " ATTEMPT_ID("?3", "?4"), "tIIi",
                   message, cq_utc_ms(), segment_id, attempt);
    if (err)
        return err;
    s->tidied_ns = 0;                /* the next claim sweeps what they had */
    /* First in the queue, as its segments were: it is long. */
    return sql_exec(s, "UPDATE jobs SET state = 'pending', segments = 0, whole = 1, not_before_ms = -1000, attempts = attempts - 1 "
                       "WHERE id = ?", "I", clip_job);
}

/* ---- the end ---- */

enum cq_err store_split_is_done(struct store *s, int64_t clip_job, int *attempt)
{
    int64_t found = 0;
    enum cq_err err = sql_int(s, &found,
        "SELECT attempt FROM jobs j WHERE id = ? AND segments > 0 AND state = 'pending' AND segments = "
        "(SELECT count(*) FROM jobs p WHERE p.job_id = j.id AND p.parent_id IS NOT NULL AND p.state = 'done')", "I", clip_job);
    *attempt = (int) found;
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_parts(struct store *s, int64_t job_id, int64_t attempt_id, int64_t *ids, int *n)
{
    *n = 0;
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT p.attempt_id FROM jobs j JOIN jobs p ON p.job_id = j.id AND p.parent_id IS NOT NULL "
                                         "JOIN segments g ON g.job_id = p.id WHERE j.id = ? AND j.segments > 0 AND p.state = 'done' "
                                         "ORDER BY g.number", "I", job_id);
    for (; !err && *n < SEGMENTS_MAX; err = sql_next(s, row))
        ids[(*n)++] = sqlite3_column_int64(row, 0);
    sql_done(row);
    if (!*n)
        ids[(*n)++] = attempt_id;
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_keep_stages(struct store *s, int64_t segment_id, const struct histogram stages[METRIC_COUNT])
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < METRIC_COUNT && !err; i++) {
        const struct histogram *h = &stages[i];
        char *text = h->count ? histogram_to_text(h) : NULL;
        if (!h->count)
            continue;
        err = !text ? CQ_NOMEM
                    : sql_exec(s, "INSERT INTO segment_stages VALUES (?, ?, ?, ?, ?, ?)", "IiIIIt", segment_id, i, h->count, h->sum_ns,
                               h->max_ns, text);
        free(text);
    }
    return err;
}

/* One stage of all segments together. */
static enum cq_err sum_stage(struct store *s, int64_t clip_job, int stage, struct histogram *sum)
{
    struct histogram *h = calloc(1, sizeof *h);
    if (!h)
        return CQ_NOMEM;
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT t.histogram, t.count, t.sum_ns, t.max_ns FROM jobs p JOIN segment_stages t "
                                         "ON t.job_id = p.id AND t.stage = ? WHERE p.job_id = ? AND p.parent_id IS NOT NULL", "iI",
                                stage, clip_job);
    for (; !err; err = sql_next(s, row)) {
        *h = (struct histogram) {0};
        err = histogram_from_text((const char *) sqlite3_column_text(row, 0), h);
        if (err)
            break;
        h->count = sqlite3_column_int64(row, 1);
        h->sum_ns = sqlite3_column_int64(row, 2);
        h->max_ns = sqlite3_column_int64(row, 3);
        histogram_merge(sum, h);
    }
    sql_done(row);
    free(h);
    return err == CQ_EOF ? CQ_OK : err;
}

static enum cq_err merge_stages(struct store *s, int64_t clip_job, int64_t attempt_id, int64_t probe_ns)
{
    struct histogram *sums = calloc(METRIC_COUNT, sizeof *sums);
    char text[STAGES_TEXT];
    enum cq_err err = sums ? CQ_OK : CQ_NOMEM;
    for (int i = 0; i < METRIC_COUNT && !err; i++)
        err = sum_stage(s, clip_job, i, &sums[i]);
    if (!err) {
        store_add_stages(s, sums, probe_ns, text);
        err = sql_exec(s, "UPDATE attempts SET stages = ? WHERE id = ?", "tI", text, attempt_id);
    }
    free(sums);
    if (err)
        return err;
    return sql_exec(s, "DELETE FROM segment_stages WHERE job_id IN (SELECT id FROM jobs WHERE job_id = ? AND parent_id IS NOT NULL)",
                    "I", clip_job);
}

/* Counters are sums; the time is from the first look at the clip to now. */
static enum cq_err end_attempt(struct store *s, int64_t clip_job, int64_t attempt_id, int64_t now)
{
    return sql_exec(s,
        "UPDATE attempts SET outcome = 'done', ended_ms = ?1, wall_ns = (?1 - started_ms) * 1000000, device = t.device, "
        "frames_decoded = t.decoded, frames_sampled = t.sampled, frames_inferred = t.inferred, batches = t.batches, "
        "mean_batch = t.batch_frames / max(t.batches, 1), oom_halvings = t.halvings, frames_cached = t.cached, "
        "cache_misses = t.misses, cache_evictions = t.evictions, cache_saved_ns = t.saved "
        "FROM (SELECT max(a.device) AS device, sum(a.frames_decoded) AS decoded, sum(a.frames_sampled) AS sampled, "
        "sum(a.frames_inferred) AS inferred, sum(a.batches) AS batches, total(a.mean_batch * a.batches) AS batch_frames, "
        "sum(a.oom_halvings) AS halvings, sum(a.frames_cached) AS cached, sum(a.cache_misses) AS misses, "
        "sum(a.cache_evictions) AS evictions, sum(a.cache_saved_ns) AS saved FROM jobs p JOIN attempts a ON a.id = p.attempt_id "
        "WHERE p.job_id = ?2 AND p.parent_id IS NOT NULL AND p.state = 'done') t WHERE attempts.id = ?3", "III", now, clip_job,
        attempt_id);
}

static enum cq_err end_clip(struct store *s, int64_t clip_job, int64_t now)
{
    enum cq_err err = sql_exec(s, "UPDATE jobs SET accepted_id = attempt_id WHERE job_id = ? AND parent_id IS NOT NULL "
                                  "AND state = 'done'", "I", clip_job);
    if (err)
        return err;
    return sql_exec(s,
        "UPDATE jobs SET state = 'done', reason = '', message = '', ended_ms = ?, not_before_ms = 0, accepted_id = attempt_id, "
        "frame_rows = (SELECT sum(p.frame_rows) FROM jobs p WHERE p.job_id = jobs.id AND p.parent_id IS NOT NULL "
        "AND p.state = 'done') WHERE id = ?", "II", now, clip_job);
}

enum cq_err store_complete_split(struct store *s, int64_t clip_job)
{
    store_forget_attempts(s);
    int64_t now = cq_utc_ms();
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT attempt_id, probe_ns FROM jobs WHERE id = ?", "I", clip_job);
    if (err)
        return err == CQ_EOF ? CQ_CORRUPT : err;
    int64_t attempt_id = sqlite3_column_int64(row, 0), probe_ns = sqlite3_column_int64(row, 1);
    sql_done(row);
    err = end_attempt(s, clip_job, attempt_id, now);
    if (!err)
        err = end_clip(s, clip_job, now);
    if (!err)
        err = merge_stages(s, clip_job, attempt_id, probe_ns);
    if (!err)
        err = store_score_split(s, clip_job, attempt_id);
    if (!err)
        err = sql_exec(s, "UPDATE signatures SET matched = 0 WHERE attempt_id = ?", "I", attempt_id);
    if (!err && s->run_id)
        err = sql_exec(s, "UPDATE runs SET jobs = jobs + 1 WHERE id = ? AND ended_ms IS NULL", "I", s->run_id);
    return err;
}
