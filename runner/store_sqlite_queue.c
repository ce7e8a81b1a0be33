/* The queue: claiming, and leases.
 *
 * A claim is a look at the partial index jobs_queue and an UPDATE, under the write lock that store_begin took, so
 * two processes never get the same job. Each claim raises the job's `attempt`, the fencing number: whoever
 * comes back with an older one finds nothing to change.
 *
 * not_before_ms is the order within a priority, too. Up to 0 it is no time but a place: segments of clips under way come
 * first, then clips by how long they will take, in classes. Then come those that failed, when their time has come.
 *
 * `lost` counts leases that ran out because a whole run was killed. That is seldom the clip's fault, so it takes
 * LOST_MAX of them before the clip is set aside.
 */
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

enum { LOST_MAX = 10, OWNER_TEXT = 512 };
static const int64_t tidy_every_ns = 10000000;

/* ---- claiming ---- */

static enum cq_err take_back_expired(struct store *s, int64_t now)
{
    int64_t id, wall = cq_utc_ms();
    enum cq_err err = sql_int(s, &id, "SELECT id FROM jobs WHERE state = 'running' AND lease_until_ms < ? LIMIT 1", "I", now);
    if (err)
        return err == CQ_EOF ? CQ_OK : err;
    err = sql_exec(s, "UPDATE attempts SET outcome = 'lost', ended_ms = ?2, sweep = 1 WHERE id IN "
                      "(SELECT attempt_id FROM jobs WHERE state = 'running' AND lease_until_ms < ?1)", "II", now, wall);
    if (err)
        return err;
    return sql_exec(s,
        "UPDATE jobs SET lost = lost + 1, owner = NULL, lease_until_ms = NULL, not_before_ms = min(not_before_ms, 0), "
        "state = CASE WHEN lost + 1 < ?2 THEN 'pending' WHEN accepted_id IS NULL THEN 'dead' ELSE 'partial' END, "
        "reason = CASE WHEN lost + 1 >= ?2 THEN 'crash' ELSE reason END, "
        "message = CASE WHEN lost + 1 >= ?2 THEN 'every run that worked on it was killed' ELSE message END, "
        "ended_ms = CASE WHEN lost + 1 >= ?2 THEN ?3 END "
        "WHERE state = 'running' AND lease_until_ms < ?1", "IiI", now, LOST_MAX, wall);
}

struct waiting { int64_t id, attempt_id; int attempt; };    /* attempt_id: of the latest, 0 for none */

static void read_job(sqlite3_stmt *row, struct store_job *out, struct waiting *w)
{
    int c = 0;
    w->id = out->id = sqlite3_column_int64(row, c++);
    w->attempt = sqlite3_column_int(row, c++);
    w->attempt_id = sqlite3_column_int64(row, c++);
    out->attempt = w->attempt + 1;
    out->pipeline_id = sqlite3_column_int64(row, c++);
    out->whole = sqlite3_column_int(row, c++);
    out->parent_id = sqlite3_column_int64(row, c++);
    out->priority = sqlite3_column_int(row, c++);
    sql_text(row, c++, out->path, sizeof out->path);
    store_read_probe(row, c, &out->probe);
}

static enum cq_err first_waiting(struct store *s, int64_t now, struct store_job *out, struct waiting *w)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT j.id, j.attempt, j.attempt_id, j.pipeline_id, j.whole, j.parent_id, j.priority, c.path, " PROBE_COLUMNS
        " FROM (SELECT id, attempt, attempt_id, pipeline_id, whole OR accepted_id IS NOT NULL AS whole, parent_id, priority, clip_id "
        "FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 'pending' AND not_before_ms <= ? "
        "ORDER BY priority DESC, not_before_ms, id LIMIT 1)) j JOIN clips c ON c.id = j.clip_id", "I", now);
    if (!err)
        read_job(row, out, w);
    sql_done(row);
    return err;
}

/* What was done and then put back into the queue by hand: done attempts are the latest of their job. */
static enum cq_err set_aside(struct store *s, int64_t attempt_id)
{
    return sql_exec(s, "UPDATE attempts SET outcome = 'replaced', sweep = (SELECT accepted_id IS NOT attempts.id FROM jobs "
                       "WHERE id = attempts.job_id) WHERE id = ? AND outcome = 'done'", "I", attempt_id);
}

static enum cq_err claim_one(struct store *s, const char *owner, int64_t run_id, int64_t now, int64_t lease_ms,
                             struct store_job *out)
{
    struct waiting w;
    int64_t wall = cq_utc_ms();
    enum cq_err err = first_waiting(s, now, out, &w);
    if (!err && w.attempt_id)
        err = set_aside(s, w.attempt_id);
    if (!err)
        err = sql_exec(s, "INSERT INTO attempts (job_id, attempt, run_id, owner, started_ms, outcome) "
                          "VALUES (?, ?, nullif(?, 0), ?, ?, 'running')", "IiItI", w.id, out->attempt, run_id, owner, wall);
    if (!err)
        err = sql_exec(s, "UPDATE jobs SET state = 'running', owner = ?, run_id = nullif(?, 0), lease_until_ms = ?, started_ms = ?, "
                          "attempts = attempts + 1, attempt = ?, attempt_id = ? WHERE id = ?", "tIIIiII", owner, run_id, now + lease_ms,
                       wall, out->attempt, sql_last_id(s), w.id);
    return !err && out->parent_id ? store_read_segment(s, out) : err;
}

/* A hundred times a second at most, or claims one by one would spend a tenth of their time here. */
static enum cq_err tidy(struct store *s, int64_t now)
{
    enum cq_err err = take_back_expired(s, now);
    s->tidied_ns = cq_now_ns();
    return err ? err : store_sweep(s, SWEEP_PIECE);
}

enum cq_err store_claim(struct store *s, const char *owner, int64_t run_id, int64_t lease_ms, int max, struct store_job *out, int *n)
{
    *n = 0;
    int64_t now = 0;
    enum cq_err err = store_queue_ms(s, &now);
    bool tidied = cq_now_ns() - s->tidied_ns >= tidy_every_ns;
    if (!err && tidied)
        err = tidy(s, now);
    while (!err && *n < max) {
        err = claim_one(s, owner, run_id, now, lease_ms, &out[*n]);
        if (err == CQ_EOF && !tidied) {          /* perhaps one can be taken back */
            tidied = true;
            err = tidy(s, now);
        } else {
            *n += !err;
        }
    }
    if (*n < max)
        store_hurry_totals(s);       /* nothing is left to do, and perhaps nothing is committed for long */
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_heartbeat(struct store *s, const char *owner, int64_t lease_ms)
{
    int64_t now = 0;
    enum cq_err err = store_queue_ms(s, &now);
    if (!err)
        err = sql_exec(s, "UPDATE jobs SET lease_until_ms = ? WHERE state = 'running' AND owner = ?", "It", now + lease_ms, owner);
    if (err || !s->run_id)
        return err;
    return sql_exec(s, "UPDATE runs SET alive_until_ms = ? WHERE id = ? AND ended_ms IS NULL", "II", now + lease_ms, s->run_id);
}

/* Looked at one by one, each by its name above the one before: nothing is changed under an open query. */
enum cq_err store_expire_owners(struct store *s, bool (*is_dead)(const char *owner))
{
    char owner[OWNER_TEXT] = "";
    s->tidied_ns = 0;                /* the next claim takes back what ends here */
    for (;;) {
        sqlite3_stmt *row;
        enum cq_err err = sql_query(s, &row, "SELECT min(owner) FROM jobs WHERE state = 'running' AND owner > ?", "t", owner);
        if (err)
            return err == CQ_EOF ? CQ_OK : err;
        sql_text(row, 0, owner, sizeof owner);
        sql_done(row);
        if (!owner[0])
            return CQ_OK;
        if (is_dead(owner))
            err = sql_exec(s, "UPDATE jobs SET lease_until_ms = 0 WHERE state = 'running' AND owner = ?", "t", owner);
        if (err)
            return err;
    }
}

enum cq_err store_release(struct store *s, const char *owner, int64_t job_id)
{
    store_forget_attempts(s);
    enum cq_err err = sql_exec(s, "UPDATE attempts SET outcome = 'released', ended_ms = ?, sweep = 1 WHERE id IN "
                                  "(SELECT attempt_id FROM jobs WHERE state = 'running' AND owner = ? AND (?3 = 0 OR id = ?3))",
                               "ItI", cq_utc_ms(), owner, job_id);
    if (!err)
        err = sql_exec(s, "UPDATE jobs SET state = 'pending', attempts = attempts - 1, owner = NULL, lease_until_ms = NULL, "
                          "not_before_ms = min(not_before_ms, 0) WHERE state = 'running' AND owner = ? AND (?2 = 0 OR id = ?2)", "tI", owner, job_id);
    return err ? err : store_sweep(s, SWEEP_PIECE);
}

enum cq_err store_postpone(struct store *s, const char *owner, int64_t job_id, int64_t pause_ms, enum failure f,
                           const char *message)
{
    enum cq_err err = sql_exec(s, "UPDATE attempts SET reason = ?, message = ? WHERE id IN "
                                  "(SELECT attempt_id FROM jobs WHERE state = 'running' AND owner = ? AND id = ?)", "tttI",
                               failure_name(f), message, owner, job_id);
    if (!err)
        err = store_release(s, owner, job_id);
    int64_t now = 0;
    if (!err)
        err = store_queue_ms(s, &now);
    if (!err)
        err = sql_exec(s, "UPDATE jobs SET not_before_ms = ? WHERE id = ? AND state = 'pending'", "II", now + pause_ms, job_id);
    return err;
}
