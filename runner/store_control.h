/* Steering the queue from outside: jobs back into it, jobs out of it. Part of the store's interface (runner/store.h), and
 * like it in threads and errors. Changes are made within store_begin / store_commit.
 *
 * A job that is cancelled while it runs is no longer its holder's from that moment: what the holder still writes under
 * (job, attempt, owner) is CQ_STALE, and the holder learns by store_is_held() that it may stop.
 *
 * Results that were accepted stay the job's until others are: a partial job that is tried again, and fails or is
 * cancelled, is partial again, with what it had.
 */
#ifndef CLIPQ_RUNNER_STORE_CONTROL_H
#define CLIPQ_RUNNER_STORE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/store_jobs.h"

/* Which states these act on; others are left alone. */
enum {
    STORE_RETRIED = JOB_PARTIAL | JOB_FAILED | JOB_DEAD | JOB_CANCELLED,
    STORE_CANCELLED = JOB_PENDING | JOB_RUNNING
};

/* Back to pending, at once, with all counters of failures at zero; the history of attempts stays. What never could be
 * probed is left alone: it has to be submitted again. *n: how many. */
enum cq_err store_retry(struct store *s, const struct store_filter *f, int64_t *n);

/* Cancelled. *pending, *running: how many were in these states. */
enum cq_err store_cancel(struct store *s, const struct store_filter *f, int64_t *pending, int64_t *running);

struct store_pause {
    int64_t since_ms;             /* 0: the queue is not paused */
    char by[128];                 /* user@host */
};
/* Whoever claims asks store_get_pause() in the same transaction. A pause that is there stays as it is. */
enum cq_err store_set_pause(struct store *s, const char *by);
enum cq_err store_end_pause(struct store *s);
enum cq_err store_get_pause(struct store *s, struct store_pause *out);

/* Does the owner hold this very attempt? */
enum cq_err store_is_held(struct store *s, const char *owner, int64_t job_id, int attempt, bool *held);

/* A number that is another one after any other connection has changed the database. */
enum cq_err store_version_seen(struct store *s, int64_t *version);

#endif
