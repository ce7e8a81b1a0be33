/* Accepting an attempt: in one transaction its rows become the job's results, its state becomes final, the
 * lease goes, and what it cost is recorded. A completion by anyone but the holder changes nothing.
 */
#include <string.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

static const char *state_of(const struct store_completion *c)
{
    if (c->failure == FAIL_NONE)
        return "done";
    return c->partial || c->failure == FAIL_TRUNCATED || c->failure == FAIL_DAMAGED ? "partial" : "failed";
}

struct accepted { int64_t attempt_id, run_id, probe_ns, media_ms, parent_id; bool has_signatures; };

/* The guard: finds the job only where (job, attempt, owner) still holds, and nobody can change that before the commit. */
static enum cq_err find_job(struct store *s, const struct store_completion *c, struct accepted *out)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT attempt_id, coalesce(run_id, 0), probe_ns, media_ms, parent_id, "
        "EXISTS (SELECT 1 FROM signatures g WHERE g.attempt_id = jobs.attempt_id) FROM jobs "
        "WHERE id = ? AND attempt = ? AND owner = ? AND state = 'running'", "Iit", c->job_id, c->attempt, c->owner);
    if (err)
        return err == CQ_EOF ? CQ_STALE : err;
    *out = (struct accepted) {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                              sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 4), sqlite3_column_int(row, 5)};
    sql_done(row);
    return CQ_OK;
}

static enum cq_err settle_job(struct store *s, const struct store_completion *c, const char *state, const char *message, int64_t now)
{
    bool keep = state[0] != 'f';
    return sql_exec(s,
        "UPDATE jobs SET state = ?, reason = ?, message = ?, ended_ms = ?, owner = NULL, lease_until_ms = NULL, "
        "accepted_id = CASE WHEN ?5 AND parent_id IS NULL THEN attempt_id END, "
        "frame_rows = CASE WHEN ?5 THEN (SELECT count(*) FROM frames f WHERE f.attempt_id = jobs.attempt_id) ELSE 0 END "
        "WHERE id = ?", "tttIiI", state, failure_name(c->failure), message, now, (int) keep, c->job_id);
}

/* Of a partial job that was tried again: what it had until now. */
static enum cq_err drop_earlier_results(struct store *s, const struct store_completion *c)
{
    return sql_exec(s,
        "UPDATE attempts SET outcome = 'replaced', sweep = 1 WHERE id = (SELECT accepted_id FROM jobs WHERE id = ?)", "I", c->job_id);
}

static enum cq_err settle_attempt(struct store *s, const struct store_completion *c, const char *state, const char *message,
                                  int64_t now, int64_t attempt_id, const char *stages)
{
    struct store_score score = c->score;
    struct score_columns columns;
    enum cq_err err = c->attempt > 1 ? store_add_lost_attempts(s, c->job_id, attempt_id, &score) : CQ_OK;
    if (err)
        return err;
    bool has_score = state[0] != 'f' && store_score_text(&score, &columns);
    return sql_exec(s,
        "UPDATE attempts SET outcome = ?, reason = ?, message = ?, ended_ms = ?, sweep = ?, pid = nullif(?, 0), device = ?, "
        "wall_ns = ?, frames_decoded = ?, frames_sampled = ?, frames_inferred = ?, batches = ?, mean_batch = ?, "
        "oom_halvings = ?, stages = ?, score = CAST(nullif(?, '') AS REAL), score_inputs = ?, frames_cached = ?, "
        "cache_misses = ?, cache_evictions = ?, cache_saved_ns = ? WHERE id = ?", "tttIiitIIIIIdItttIIIII",
        state, failure_name(c->failure), message, now, state[0] == 'f', c->host_pid, c->device, c->wall_ns, c->frames_decoded,
        c->frames_sampled, c->frames_inferred, c->batches, c->mean_batch, c->oom_halvings, stages, has_score ? columns.score : NULL,
        has_score ? columns.inputs : NULL, c->cache.hits, c->cache.misses, c->cache.evictions, c->cache.saved_ns, attempt_id);
}

static enum cq_err add_to_run(struct store *s, const struct store_completion *c, const struct accepted *a)
{
    if (!a->run_id)
        return CQ_OK;
    return sql_exec(s,
        "UPDATE runs SET jobs = jobs + ?, frames_decoded = frames_decoded + ?, frames_sampled = frames_sampled + ?, "
        "frames_inferred = frames_inferred + ?, media_s = media_s + ? / 1000.0, frames_cached = frames_cached + ?, "
        "cache_misses = cache_misses + ?, cache_evictions = cache_evictions + ?, cache_saved_ns = cache_saved_ns + ? "
        "WHERE id = ? AND ended_ms IS NULL", "iIIIIIIIII",
        !a->parent_id, c->frames_decoded, c->frames_sampled, c->frames_inferred, a->media_ms, c->cache.hits, c->cache.misses,
        c->cache.evictions, c->cache.saved_ns, a->run_id);
}

/* A segment's timings are kept until its clip's end. */
static enum cq_err end_attempt(struct store *s, const struct store_completion *c, const char *state, const char *message,
                               int64_t now, const struct accepted *a)
{
    if (a->parent_id) {
        enum cq_err err = settle_attempt(s, c, state, message, now, a->attempt_id, NULL);
        return err ? err : store_keep_stages(s, c->job_id, c->stages);
    }
    struct histogram stages[METRIC_COUNT];
    char text[STAGES_TEXT];
    memcpy(stages, c->stages, sizeof stages);
    store_add_stages(s, stages, a->probe_ns, text);
    return settle_attempt(s, c, state, message, now, a->attempt_id, text);
}

enum cq_err store_complete(struct store *s, const struct store_completion *c)
{
    store_forget_attempts(s);
    const char *state = state_of(c);
    const char *message = c->message ? c->message : c->failure ? failure_text(c->failure) : "";
    int64_t now = cq_utc_ms();
    struct accepted a;
    enum cq_err err = find_job(s, c, &a);
    if (!err && c->attempt > 1 && state[0] != 'f')
        err = drop_earlier_results(s, c);
    if (!err)
        err = settle_job(s, c, state, message, now);
    if (!err)
        err = end_attempt(s, c, state, message, now, &a);
    if (!err && a.has_signatures && state[0] != 'f' && !a.parent_id)
        err = sql_exec(s, "UPDATE signatures SET matched = 0 WHERE attempt_id = ?", "I", a.attempt_id);
    return err ? err : add_to_run(s, c, &a);
}
