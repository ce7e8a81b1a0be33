/* What becomes of a job whose attempt ended badly. The class of the failure decides (stages/failure.h):
 *
 *     final         failed at once: trying again would bring the same
 *     again         a growing pause, until that class alone has had max_attempts; then dead
 *     quarantine    once more, then dead: a crash or a hang costs others their work, so both are counted together
 *
 * Each class has its own counter, so that a share that goes away twice and a driver that fails once do not add up to
 * a clip that nobody looks at any more. Losses of whole runs are counted elsewhere (store_sqlite_queue.c), and being short
 * of memory is no failure as long as a smaller batch fits. A job that has results of an earlier attempt (it was
 * partial, and tried again) does not end failed or dead, but partial with what it had.
 */
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

enum { CRASHES_MAX = 2, BACKOFF_FIRST_MS = 1000, BACKOFF_MAX_MS = 300000 };

/* Doubles with each failure, up to five minutes, and is scattered by half so that clips which failed together
 * (a share went away) do not come back together. The scatter is a hash of the job: no generator to seed. */
static int64_t backoff_ms(int64_t job_id, int failures)
{
    int64_t delay = BACKOFF_FIRST_MS;
    for (int i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
        delay *= 2;
    if (delay > BACKOFF_MAX_MS)
        delay = BACKOFF_MAX_MS;
    uint64_t hash = ((uint64_t) job_id * 0x9e3779b97f4a7c15u + (uint64_t) failures) * 0xbf58476d1ce4e5b9u;
    return delay / 2 + (int64_t) ((hash >> 32) % (uint64_t) delay);
}

struct failing {
    int64_t job_id, attempt_id;
    enum failure failure;
    int of_class, crashes;      /* failures so far, this one included */
    bool has_results;
};

static bool may_try_again(const struct failing *f, int max_attempts)
{
    switch (failure_rule(f->failure)) {
    case FAILURE_AGAIN:      return f->of_class < max_attempts;
    case FAILURE_QUARANTINE: return f->crashes < CRASHES_MAX && f->crashes < max_attempts;
    default:                 return false;
    }
}

static enum cq_err count(struct store *s, struct failing *f)
{
    int64_t n;
    enum cq_err err = sql_int(s, &n, "INSERT INTO failure_counts (job_id, reason, failures) VALUES (?, ?, 1) "
                                     "ON CONFLICT DO UPDATE SET failures = failures + 1 RETURNING failures", "It", f->job_id,
                              failure_name(f->failure));
    f->of_class = err ? 0 : (int) n;
    f->crashes += failure_rule(f->failure) == FAILURE_QUARANTINE;
    return err;
}

static enum cq_err settle(struct store *s, const struct failing *f, bool again, const char *message)
{
    const char *name = failure_name(f->failure);
    const char *end = failure_rule(f->failure) == FAILURE_FINAL ? "failed" : "dead";
    int64_t now = cq_utc_ms(), queue_now = 0;
    enum cq_err err = store_queue_ms(s, &queue_now);
    if (err)
        return err;
    err = sql_exec(s,
        "UPDATE jobs SET state = ?, reason = ?, message = ?, failures = failures + 1, crashes = ?, not_before_ms = ?, "
        "ended_ms = nullif(?, 0), owner = NULL, lease_until_ms = NULL WHERE id = ?", "tttiIII",
        again ? "pending" : f->has_results ? "partial" : end, name, message, f->crashes,
        again ? queue_now + backoff_ms(f->job_id, f->of_class) : (int64_t) 0, again ? (int64_t) 0 : now, f->job_id);
    if (err)
        return err;
    return sql_exec(s, "UPDATE attempts SET outcome = ?, reason = ?, message = ?, ended_ms = ?, "
                       "wall_ns = max(0, ? - started_ms) * 1000000, sweep = 1 WHERE id = ?", "tttIII", again ? "retried" : end, name,
                    message, now, now, f->attempt_id);
}

enum cq_err store_fail_attempt(struct store *s, int64_t job_id, int attempt, const char *owner, enum failure failure,
                               const char *message, int max_attempts)
{
    store_forget_attempts(s);
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT attempt_id, crashes, accepted_id IS NOT NULL FROM jobs WHERE id = ? AND attempt = ? "
                                         "AND owner = ? AND state = 'running'", "Iit", job_id, attempt, owner);
    if (err)
        return err == CQ_EOF ? CQ_STALE : err;
    struct failing f = {
        .job_id = job_id, .attempt_id = sqlite3_column_int64(row, 0), .failure = failure,
        .crashes = sqlite3_column_int(row, 1), .has_results = sqlite3_column_int(row, 2),
    };
    sql_done(row);
    err = count(s, &f);
    if (!err)
        err = settle(s, &f, may_try_again(&f, max_attempts), message ? message : failure_text(failure));
    return err ? err : store_sweep(s, SWEEP_PIECE);
}
