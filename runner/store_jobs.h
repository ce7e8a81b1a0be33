/* Jobs one by one: which there are, what one is, and the whole history of its attempts. Part of the store's interface
 * (runner/store.h), and like it in threads and errors.
 */
#ifndef CLIPQ_RUNNER_STORE_JOBS_H
#define CLIPQ_RUNNER_STORE_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/store.h"

/* States of jobs, as bits. */
enum job_states {
    JOB_PENDING = 1, JOB_RUNNING = 2, JOB_DONE = 4, JOB_PARTIAL = 8, JOB_FAILED = 16, JOB_DEAD = 32, JOB_CANCELLED = 64,
    JOB_STATES_ALL = 127
};
int job_state_by_name(const char *name, int length);   /* its bit; 0 when there is none of that name */

/* Jobs that pass every given condition. {0} is all of them. Texts are borrowed. */
struct store_filter {
    int states;                   /* bits of enum job_states; 0: any */
    int64_t id;                   /* 0: any */
    int64_t run;                  /* tried by that run; 0: any */
    const char *reason;           /* failure class; NULL: any */
    const char *path;             /* GLOB pattern over all paths of the clip; NULL: any */
    const char *pipeline;         /* beginning of its hash; NULL: any */
    const char *model;            /* GLOB pattern over the names of its models; NULL: any */
    bool probed;                  /* only those whose clip could be probed */
};

struct store_job_row {
    int64_t id, clip_id, pipeline_id;
    char path[STORE_PATH], state[16], reason[32], message[STORE_TEXT], pipeline[33], owner[256];
    int priority, attempts, failures, crashes, lost;
    int64_t frames;               /* accepted rows */
    double duration_s;
    int64_t submitted_ms, started_ms, ended_ms;   /* 0: not yet */
    int64_t not_before_ms;        /* 0: at once */
};

/* By id. */
enum cq_err store_each_job(struct store *s, const struct store_filter *f, int64_t offset, int64_t limit,
                           enum cq_err (*fn)(void *ctx, const struct store_job_row *r), void *ctx);
enum cq_err store_count_jobs(struct store *s, const struct store_filter *f, int64_t *n);

/* Of one job; CQ_NOT_FOUND, unlogged, when there is none. */
enum cq_err store_get_probe(struct store *s, int64_t job_id, struct probe *out);

struct store_attempt_row {
    int attempt;                  /* 1 for the first */
    int segment;                  /* of the clip that was tried, from 1; 0: the clip itself */
    bool accepted;                /* its results are the job's */
    char outcome[16], reason[32], message[STORE_TEXT], last_words[2 * STORE_TEXT];
    char owner[256], host[64], device[128];
    int pid, supervisor_pid;      /* of the decode worker, of the run; 0: unknown */
    int64_t run_id, started_ms, ended_ms;
    double wall_s;                /* -1 while it runs */
    int64_t frames_decoded, frames_sampled, frames_inferred, frames_cached, batches, oom_halvings;
};
/* The clip's, then those of its segments; oldest first. */
enum cq_err store_each_attempt(struct store *s, int64_t job_id,
                               enum cq_err (*fn)(void *ctx, const struct store_attempt_row *a), void *ctx);

struct store_segment_row {
    int number, attempts;         /* number: from 1 */
    char state[16], message[STORE_TEXT];
    double from_s, to_s;          /* of the clip */
    int64_t sampled;              /* frames that must come out */
};
/* Those that the clip is in now, in its order; none where it is whole. */
enum cq_err store_each_segment(struct store *s, int64_t job_id,
                               enum cq_err (*fn)(void *ctx, const struct store_segment_row *r), void *ctx);

/* All clips that are in segments now: how many, of how many segments, and those of them that were tried more than once. */
struct store_segment_sums { int64_t clips, segments, again; };
enum cq_err store_sum_segments(struct store *s, struct store_segment_sums *out);

struct store_stage_row {
    enum metric_stage stage;
    int64_t count;
    double mean_ms, p50_ms, p95_ms, max_ms;
};
/* Where the time of the accepted attempt went, or of the newest. */
enum cq_err store_each_job_stage(struct store *s, int64_t job_id,
                                 enum cq_err (*fn)(void *ctx, const struct store_stage_row *r), void *ctx);

/* What the history keeps of an attempt however it ends; to be called before its end. Empty fields change nothing. */
struct store_attempt_note {
    int64_t job_id;
    int attempt, pid;             /* of the decode worker */
    const char *device, *last_words;
    int64_t frames_decoded, frames_sampled, frames_inferred, frames_cached;
    double took_s;                /* its share of the run's time (runner/score.h) */
};
enum cq_err store_note_attempt(struct store *s, const struct store_attempt_note *n);

#endif
