/* The main job: claims clips, decodes them in workers, batches across clips, infers in engines, stores.
 *
 * work_run() owns the process's libuv loop and signal handlers until it returns.
 */
#ifndef CLIPQ_RUNNER_WORK_H
#define CLIPQ_RUNNER_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/sandbox.h"

struct cq_log;

struct work_progress {
    double elapsed_s;
    int64_t clips_done, clips_failed, clips_running, clips_left;   /* of this run; left: in the queue */
    int64_t frames_decoded, frames_sampled, frames_inferred, frames_cached;   /* the last two: answers */
    double frames_per_s;          /* answered, smoothed over the last seconds */
    double media_s_done, media_s_left;
    double times_real_time;       /* media seconds per second */
    double eta_s;                 /* from media time left and its measured rate; < 0: unknown */
    int workers, engines;
    const char *devices;
    const char *note;             /* "draining: finishing 5 clips", or NULL */
};

/* Are kernels timed that nobody has timed on the device? AUTO: where the queue is long enough for that to pay. */
enum work_tune { TUNE_AUTO, TUNE_OFF, TUNE_ALWAYS };

/* Are answers of frames reused: within the run, or from a file as well? The zero is for who measures. */
enum work_cache_mode { WORK_CACHE_OFF, WORK_CACHE_MEMORY, WORK_CACHE_DISK };

struct work_params {
    const char *db_path;
    const char *devices;          /* "auto", "cpu", "gpu", "P:D,P:D" */
    int workers;                  /* 0: number of usable CPUs */
    int batch;                    /* 0: auto */
    const char *balance;          /* a name in balancer_classes; NULL: the first */
    bool forever;
    double drain_timeout_s;       /* 0: 60 */
    int max_attempts;             /* 0: 3 */
    int64_t lease_ms;             /* 0: 60000 */
    double stall_timeout_s;       /* no frame of a clip for that long: hang; 0: 60 */
    double io_pause_s;            /* first pause of a file system that cannot be read; 0: 60 */
    double batch_timeout_s;       /* no answer to a batch for that long: the engine hangs; 0: 600 */
    enum sandbox_mode sandbox;    /* of decode workers */
    int clips_per_worker;         /* clips and segments that a process parses, then another takes its place; 0: no end */
    double split_s;               /* clips of which more is looked at are done in segments; 0: none */
    enum work_tune tune;
    enum work_cache_mode cache;
    int64_t cache_bytes;          /* of memory; 0: 64 MiB */
    int64_t cache_disk_bytes;     /* 0: 1 GiB */
    double cache_ttl_s;           /* that an answer lives without being of use; 0: a week */
    int64_t arena_bytes;          /* 0: 256 MiB */
    int64_t memory_limit;         /* bytes for the models of each device; 0: what budget_of() finds */
    /* Called on the loop's thread about four times a second, and once at the end with `last`. */
    void (*progress)(void *ctx, const struct work_progress *p, bool last);
    void *ctx;
    struct cq_log *log;
};

struct work_result {
    int64_t done, partial, failed, dead;   /* of this run */
    int64_t left;                          /* pending in the queue */
    int64_t elsewhere;                     /* claimed by other runs, which may have stopped */
    int signal;                            /* that ended the run, or 0 */
    bool aborted;                          /* by a second signal */
};

/* CQ_OK also when clips failed. CQ_NO_DEVICE, CQ_NOT_FOUND (a model file, the database), and the store's. */
enum cq_err work_run(const struct work_params *p, struct work_result *out);

#endif
