/* The database behind the queue and the results. SQLite stands behind this header; nothing above it knows SQL.
 *
 * A store is opened for reading (any number of processes) or for writing. Writing calls happen inside
 * store_begin / store_commit, so that a group of them costs one sync; store_begin takes the write lock at
 * once (BEGIN IMMEDIATE). In `clipq work` all writing goes through the one writer thread (runner/writer.h).
 *
 * States of a job: pending, running, done, partial, failed, dead, cancelled. A completion is accepted once:
 * it is guarded by (job, attempt, owner); a late or second one is CQ_STALE and changes nothing. Rows of a
 * running attempt are staged and become visible in the v_* views with its acceptance.
 *
 * Text given out in structs is owned by the struct's own arrays. Times are UTC milliseconds.
 * Thread-safety: one thread at a time per store.
 * Errors: CQ_NOT_FOUND (no such file, in reading), CQ_FOREIGN, CQ_NEWER, CQ_BUSY (locked for longer than the
 * busy timeout of 10 s), CQ_DENIED, CQ_FULL, CQ_CORRUPT, CQ_IO; each logged with the path and what to do.
 */
#ifndef CLIPQ_RUNNER_STORE_H
#define CLIPQ_RUNNER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/metrics.h"
#include "runner/store_limits.h"
#include "stages/answer/answer.h"
#include "stages/answer/shots.h"
#include "stages/failure.h"
#include "stages/media/probe.h"
#include "stages/media/segment.h"

struct cq_log;
struct store;

enum { STORE_PATH = 4096, STORE_TEXT = 512 };

enum store_mode {
    STORE_READ,     /* must exist */
    STORE_WRITE,    /* must exist; migrated when older */
    STORE_CREATE    /* made when missing */
};

enum cq_err store_open(struct cq_log *log, const char *path, enum store_mode mode, struct store **out);
void store_close(struct store **s);

enum cq_err store_begin(struct store *s);
enum cq_err store_commit(struct store *s);
void store_rollback(struct store *s);
/* One call's worth inside a group: what fails is undone alone. */
enum cq_err store_savepoint(struct store *s);
enum cq_err store_release_savepoint(struct store *s, bool keep);

/* ---- submit ---- */

struct store_model {
    const char *name, *hash, *path, *decoder;
    const char *const *labels;
    int n_labels;
};

enum cq_err store_put_model(struct store *s, const struct store_model *m, int64_t *id);
/* The models in the pipeline's order. *existed: the same document was there. */
enum cq_err store_put_pipeline(struct store *s, const char *hash, const char *document, const int64_t *model_ids,
                               int n_models, int64_t *id);

enum store_put { STORE_NEW, STORE_KNOWN /* same content and pipeline: nothing to do */, STORE_SAME_CONTENT /* another path of a known job */ };

/* The clip (by content; an unreadable one by path) and its job. A probe failure makes a failed job. */
enum cq_err store_put_clip_job(struct store *s, const char *path, const struct probe *p, int64_t probe_ns, int64_t pipeline_id,
                               int priority, int64_t *job_id, enum store_put *what);

/* ---- work: the queue ---- */

struct store_job {
    int64_t id;
    int attempt;                 /* 1 for the first */
    int64_t pipeline_id;
    int priority;
    char path[STORE_PATH];
    struct probe probe;          /* as submitted; of a segment: duration_s and frames_claimed are its own */
    bool whole;                  /* not to be split */
    int64_t parent_id;           /* of a segment: its clip's job; 0: it is a whole clip */
    struct segment segment;      /* of a segment */
    double share;                /* of a segment: the part of the clip's length, 0..1 */
};

/* Claims up to `max` pending jobs for `owner` until now + lease_ms: by priority, then what takes longest by the classes of
 * runner/cost.h, then age. Expired leases are taken back before that, at most every 10 ms, and in any case when there is
 * too little else. */
enum cq_err store_claim(struct store *s, const char *owner, int64_t run_id, int64_t lease_ms, int max, struct store_job *out, int *n);
enum cq_err store_heartbeat(struct store *s, const char *owner, int64_t lease_ms);
/* Ends the leases of owners that `is_dead` knows to be gone; the next claim takes their jobs back. */
enum cq_err store_expire_owners(struct store *s, bool (*is_dead)(const char *owner));
/* Back to pending without counting an attempt; staged rows go. job_id 0: all of this owner. */
enum cq_err store_release(struct store *s, const char *owner, int64_t job_id);
/* The same of one job, to be claimed again after `pause_ms`; the attempt's row says why. */
enum cq_err store_postpone(struct store *s, const char *owner, int64_t job_id, int64_t pause_ms, enum failure f,
                           const char *message);

/* ---- work: a clip in segments, which are jobs like others ---- */

/* Puts segments in the place of a claimed clip, which from now on waits for them. CQ_STALE: not ours any more. */
enum cq_err store_split(struct store *s, int64_t job_id, int attempt, const char *owner, const struct segment *parts, int n);
/* A segment gave other frames than foretold: all of them are cancelled, and its clip is pending, to be done whole;
 * `message` says why. CQ_STALE: not ours any more. */
enum cq_err store_unsplit(struct store *s, int64_t segment_id, int attempt, const char *owner, const char *message);
/* After store_complete() of a segment: when it was the last, *attempt is its clip's, under which shots are stored and which
 * store_complete_split() then accepts; else 0. */
enum cq_err store_split_is_done(struct store *s, int64_t clip_job, int *attempt);
enum cq_err store_complete_split(struct store *s, int64_t clip_job);

/* The pipeline document of an id; text freed by the caller. */
enum cq_err store_get_pipeline(struct store *s, int64_t id, char **document);
/* Path of the model file with that hash. */
enum cq_err store_get_model_path(struct store *s, const char *hash, char out[STORE_PATH]);
/* Pipelines of pending jobs; up to max. */
enum cq_err store_pending_pipelines(struct store *s, int64_t *ids, int max, int *n);

/* ---- work: results, staged under (job, attempt) ---- */

/* What the cache of answers did, in answers; evictions make room for new ones. */
struct store_cache_use { int64_t hits, misses, evictions, saved_ns; };

enum store_source { SOURCE_INFERRED, SOURCE_INHERITED, SOURCE_CACHED };

struct store_frame {
    int model;                   /* index within the pipeline */
    int64_t seq;                 /* order of sampling within the attempt, from 0 */
    int64_t ordinal;             /* -1 unknown */
    int64_t pts;
    double time_s;
    enum store_source source;
    int64_t source_seq;          /* for inherited: from which frame; else -1 */
    const struct answer *answer;
};

enum cq_err store_add_frame(struct store *s, int64_t job_id, int attempt, const struct store_frame *f);

/* Embeddings of one staged model in order of seq, for shots; of a clip in segments, those of all. */
enum cq_err store_each_embedding(struct store *s, int64_t job_id, int attempt, int model,
                                 enum cq_err (*fn)(void *ctx, const float *v, int dims, int64_t seq, double time_s), void *ctx);
enum cq_err store_add_shots(struct store *s, int64_t job_id, int attempt, int model, const struct shot *shots, int n,
                            const struct signature *sig);

struct store_completion {
    int64_t job_id;
    int attempt;
    const char *owner;
    enum failure failure;        /* NONE: done; TRUNCATED or DAMAGED: partial */
    bool partial;                /* frames were kept although failure is set */
    const char *message;         /* for the failure; may be NULL */
    int64_t frames_decoded, frames_sampled, frames_inferred;
    struct store_cache_use cache;
    int64_t batches;             /* batches that held a frame of it */
    double mean_batch;
    int64_t oom_halvings;
    int64_t wall_ns;
    char device[128];
    struct histogram stages[METRIC_COUNT];
    int host_pid;                /* worker */
    struct store_score score;    /* what earlier attempts took is added */
};

/* Is (job, attempt) known, over, and not what its job's results are? */
enum cq_err store_attempt_is_void(struct store *s, int64_t job_id, int attempt, bool *is_void);

/* Accepts the attempt: results visible, state set, lease gone, attempt recorded. CQ_STALE: not ours any more. A segment's
 * results are visible when its clip is accepted. */
enum cq_err store_complete(struct store *s, const struct store_completion *c);

/* The attempt failed without an end of its own (crash, hang, device): counts it, drops its rows; a class
 * that may pass goes back to pending with a delay until it alone has had `max_attempts` (then dead), crashes and hangs
 * are quarantined (dead) after the second. */
enum cq_err store_fail_attempt(struct store *s, int64_t job_id, int attempt, const char *owner, enum failure f,
                               const char *message, int max_attempts);

/* ---- near-duplicates ---- */

/* Compares signatures not compared yet with all others, block by block; a clip is recorded with at most sixteen that were
 * compared before it. *more when work is left (call again, so that a group commit stays short). */
enum cq_err store_match_signatures(struct store *s, double threshold, bool *more);

/* ---- runs and devices ---- */

struct store_run {
    int workers, batch;
    const char *devices, *options;    /* JSON or text */
    const char *host;
    int pid;
};
enum cq_err store_start_run(struct store *s, const struct store_run *r, int64_t *run_id);

struct store_run_end {
    int64_t frames_decoded, frames_sampled, frames_inferred, batches, oom_halvings, worker_restarts, engine_restarts;
    struct store_cache_use cache;
    double media_s;                   /* seconds of video worked off */
    double prepare_s;                 /* until an engine was ready; nothing could be done before */
    int engines;
    const char *devices;              /* names of the engines; NULL or "": not known, what was asked for stays */
    const char *end_reason;           /* "finished", "drained", "aborted" */
    struct histogram stages[METRIC_COUNT];
};
enum cq_err store_end_run(struct store *s, int64_t run_id, const struct store_run_end *e);

/* Batch to begin with: the largest known to be safe, twice that for each full day since the limit was put, so that
 * larger ones are tried again after a while; 0 when nothing is known. */
enum cq_err store_get_device_limit(struct store *s, const char *device, const char *model_hash, const char *shape, int *batch);
enum cq_err store_put_device_limit(struct store *s, const char *device, const char *model_hash, const char *shape, int batch);

/* ---- kernels by measurement ---- */

struct store_tuning {
    const char *device, *driver, *kernels;   /* name, version, kernel_sources_hash */
    const char *key, *description;           /* of the operator (stages/infer/choice.h), and in words */
    const char *variant, *heuristic;         /* the fastest kernel, and the one that it replaces */
    const char *measured;                    /* JSON {"kernel": milliseconds, ...} */
};
enum cq_err store_put_tuning(struct store *s, const struct store_tuning *t);
/* Those of other kernels than these, which no run will ask for. */
enum cq_err store_drop_old_tunings(struct store *s, const char *device, const char *driver, const char *kernels);

struct store_tuning_row {
    char device[128], driver[64], key[40], variant[64];
};
/* What was measured with these kernels, on any device. */
enum cq_err store_each_tuning(struct store *s, const char *kernels,
                              enum cq_err (*fn)(void *ctx, const struct store_tuning_row *row), void *ctx);

/* ---- looking ---- */

struct store_counts {
    int64_t submitted, pending, running, done, partial, failed, dead, cancelled;
    int64_t frames;                   /* accepted v_frames rows */
    double media_s_total, media_s_left;
};
enum cq_err store_get_counts(struct store *s, struct store_counts *out);

struct store_failure_class {
    char name[32];
    int64_t count;
    char example_path[STORE_PATH];
    char example_message[STORE_TEXT];
};
enum cq_err store_each_failure_class(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_failure_class *c), void *ctx);

/* Stage histograms merged over all accepted jobs. */
enum cq_err store_get_stages(struct store *s, struct histogram out[METRIC_COUNT]);

struct store_run_row {
    int64_t id;
    int64_t started_ms, ended_ms;     /* 0: still running, or killed */
    int workers;
    char devices[256], end_reason[32];
    int64_t jobs, frames_decoded, frames_sampled, frames_inferred, batches, oom_halvings, worker_restarts, engine_restarts;
    double media_s, prepare_s;
    int engines;
    double decode_s, infer_s;         /* busy time of all workers, of all engines; 0 before the end */
    int processors;                   /* that it could use; 0 where it was not yet kept */
    double decode_cpu_s, engine_cpu_s, own_cpu_s;   /* what decode workers, engines, the supervisor computed */
    bool active;                      /* heartbeat is fresh */
};
enum cq_err store_each_run(struct store *s, int newest, enum cq_err (*fn)(void *ctx, const struct store_run_row *r), void *ctx);

/* Over all runs. */
enum cq_err store_sum_cache_use(struct store *s, struct store_cache_use *out);

struct store_model_row {
    char name[128];
    char decoder[32];
    int64_t frames, detections, classifications, embeddings, shots, artifacts;
};
enum cq_err store_each_model(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_model_row *m), void *ctx);

struct store_running_row {
    int64_t job_id;
    int attempt;
    char path[STORE_PATH];
    int64_t since_ms;
    int segments, segments_done;     /* 0: it is done whole */
};
enum cq_err store_each_running(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_running_row *r), void *ctx);

/* ---- processes of runs ---- */

struct store_worker {
    const char *role, *state;         /* see v_workers; borrowed */
    int slot, pid;                    /* pid 0: there is none */
    int64_t restarts, clips, frames;
    double frames_per_s, cpu_s;
    int64_t rss;                      /* bytes */
    int64_t last_frame_ms, job_id;    /* 0: none */
};
enum cq_err store_put_worker(struct store *s, int64_t run_id, const struct store_worker *w);

struct store_worker_row {
    int64_t run_id;
    struct store_worker w;
    char role[16], state[16], path[STORE_PATH];   /* of the clip under way, "" */
};
/* Of active runs only. */
enum cq_err store_each_worker(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_worker_row *r), void *ctx);

/* ---- engines of runs ---- */

struct store_engine {
    int slot;                         /* from 0 */
    char spec[64], device[128];       /* of its device: as --device takes it, and its name */
    char chosen[128];                 /* how it came to be chosen */
    int64_t batches, frames;          /* answered */
    double busy_s;                    /* with a batch */
};
enum cq_err store_put_engine(struct store *s, int64_t run_id, const struct store_engine *e);
/* By slot; none where the database is older. */
enum cq_err store_each_engine(struct store *s, int64_t run_id, enum cq_err (*fn)(void *ctx, const struct store_engine *e), void *ctx);

#endif
