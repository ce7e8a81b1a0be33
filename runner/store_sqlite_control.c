/* Retrying and cancelling: a few statements over a filter, each in the caller's transaction. */
#include "kernels/base/clock.h"
#include "runner/store_control.h"
#include "runner/store_sqlite.h"
#include "runner/store_sqlite_filter.h"

/* The filter's states, as far as they are of `allowed`; false when none is left. */
static bool narrow(const struct store_filter *f, int allowed, struct store_filter *out)
{
    *out = *f;
    out->states = f->states ? f->states & allowed : allowed;
    return out->states != 0;
}

/* What has results is not split into segments this time: they would be replaced by whole ones only. */
enum cq_err store_retry(struct store *s, const struct store_filter *wanted, int64_t *n)
{
    struct store_filter f;
    *n = 0;
    if (!narrow(wanted, STORE_RETRIED, &f))
        return CQ_OK;
    f.probed = true;
    struct filter_values v = filter_values(&f);
    enum filter_way way = filter_way(&f);
    enum cq_err err = sql_exec(s, FILTERED(way, "DELETE FROM failure_counts WHERE job_id IN (SELECT j.id FROM jobs j WHERE ", ")"),
                               FILTER_TYPES, FILTER_VALUES(&f, v));
    if (err)
        return err;
    err = sql_exec(s, FILTERED(way, "UPDATE jobs AS j SET state = 'pending', failures = 0, crashes = 0, lost = 0, "
                                    "not_before_ms = 0, ended_ms = NULL, whole = max(whole, accepted_id IS NOT NULL) WHERE ", ""),
                   FILTER_TYPES, FILTER_VALUES(&f, v));
    *n = sql_changes(s);
    return err;
}

static enum cq_err cancel_pending(struct store *s, const struct store_filter *f, int64_t now, int64_t *n)
{
    struct filter_values v = filter_values(f);
    enum cq_err err = sql_exec(s, FILTERED(filter_way(f),
        "UPDATE jobs AS j SET state = CASE WHEN j.accepted_id IS NULL THEN 'cancelled' ELSE 'partial' END, ended_ms = ?10 "
        "WHERE ", ""), FILTER_TYPES "I", FILTER_VALUES(f, v), now);
    *n = sql_changes(s);
    return err;
}

static enum cq_err cancel_running(struct store *s, const struct store_filter *f, int64_t now, int64_t *n)
{
    struct filter_values v = filter_values(f);
    store_forget_attempts(s);
    enum filter_way way = filter_way(f);
    enum cq_err err = sql_exec(s, FILTERED(way,
        "UPDATE attempts SET outcome = 'cancelled', ended_ms = ?10, sweep = 1 WHERE id IN (SELECT j.attempt_id FROM jobs j WHERE ",
        ")"), FILTER_TYPES "I", FILTER_VALUES(f, v), now);
    if (!err)
        err = sql_exec(s, FILTERED(way,
            "UPDATE jobs AS j SET state = CASE WHEN j.accepted_id IS NULL THEN 'cancelled' ELSE 'partial' END, ended_ms = ?10, "
            "owner = NULL, lease_until_ms = NULL WHERE ", ""), FILTER_TYPES "I", FILTER_VALUES(f, v), now);
    *n = sql_changes(s);
    return err;
}

enum cq_err store_cancel(struct store *s, const struct store_filter *wanted, int64_t *pending, int64_t *running)
{
    struct store_filter f;
    int64_t now = cq_utc_ms();
    enum cq_err err = CQ_OK;
    *pending = *running = 0;
    if (narrow(wanted, JOB_PENDING, &f))
        err = cancel_pending(s, &f, now, pending);
    if (!err && narrow(wanted, JOB_RUNNING, &f))
        err = cancel_running(s, &f, now, running);
    return err;
}

enum cq_err store_is_held(struct store *s, const char *owner, int64_t job_id, int attempt, bool *held)
{
    int64_t one;
    enum cq_err err = sql_int(s, &one, "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND owner = ? AND state = 'running'", "Iit",
                              job_id, attempt, owner);
    *held = !err;
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_version_seen(struct store *s, int64_t *version)
{
    return sql_int(s, version, "PRAGMA data_version", "");
}
