/* How fast the queue is: a database in a temporary folder, filled with made-up clips that claimants then work off through
 * the calls of `clipq work`, each in a process of its own. Nothing is decoded; a clip's end is recorded with the figures
 * of a short one.
 *
 * Thread-safety: one thread at a time per object; no other threads while claimants are started (they are forked).
 */
#ifndef CLIPQ_RUNNER_BENCH_QUEUE_H
#define CLIPQ_RUNNER_BENCH_QUEUE_H

#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/metrics.h"

struct cq_log;
struct bench_queue;

enum { BENCH_QUEUE_CLAIMANTS = 64, BENCH_QUEUE_GROUP = 256 };

/* An empty queue under $TMPDIR; the log is borrowed. */
enum cq_err bench_queue_create(struct cq_log *log, struct bench_queue **out);
void bench_queue_destroy(struct bench_queue **b);       /* the folder goes, too */
const char *bench_queue_path(const struct bench_queue *b);

/* Jobs in groups of a thousand to a transaction, as `clipq submit` has them at its fastest. */
enum cq_err bench_queue_submit(struct bench_queue *b, int64_t jobs, double *seconds);

struct bench_queue_load {
    int claimants;
    int group;                    /* jobs a transaction: 16 as `clipq work --workers 16` does it, or 1 */
};

struct bench_queue_result {
    int64_t jobs;                 /* claimed and completed, by all */
    double seconds;               /* from the common start to the end of the last */
    double claim_s, complete_s;   /* in the calls, summed over claimants */
    double commit_s;              /* waiting for the lock, beginning and committing */
    struct histogram claim;       /* how long each transaction that claimed took, its wait for the lock and its commit included */
};

/* Until the queue is empty. */
enum cq_err bench_queue_drain(struct bench_queue *b, const struct bench_queue_load *load, struct bench_queue_result *out);

#endif
