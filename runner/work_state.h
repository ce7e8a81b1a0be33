/* The state of a run, and what any file of the supervisor may tell of it.
 *
 *     work.c           the loop's life: start, turn, stop, signals
 *     work_state.c     what any of them may tell of the whole run
 *     work_queue.c     what is known of the queue
 *     work_claim.c     jobs out of the database, and back into it untried
 *     work_control.c   jobs that somebody cancelled, and pausing
 *     work_models.c    pipelines, and whether their models are ready
 *     work_lanes.c     models at input sizes, as lanes of the batcher
 *     work_jobs.c      jobs that we hold, from claim to their one end
 *     work_frames.c    their frames, from worker to the last answer
 *     work_job_ends.c  how they end
 *     work_segments.c  long clips: when they are split, and when that was in vain
 *     work_cache.c     answers that are known already, and those to remember
 *     work_cache_disk.c      ... in a file that runs share
 *     work_rows.c      answers to rows, through the writer
 *     work_posts.c     ends of attempts, through the writer
 *     work_ahead.c     what is still to come, for balancers
 *     work_threads.c   how many threads a decoder gets
 *     work_workers.c   decode workers: clips out, frames in
 *     work_slots.c     what they write frames into, on loan
 *     work_engines.c   engines, as asked for by --device
 *     work_engine_life.c     their processes: start, death, restart
 *     work_engine_models.c   models given to them
 *     work_engine_limits.c   the largest batch that each may be sent
 *     work_engine_account.c  how they fare
 *     work_batches.c   batches to engines and back
 *     work_progress.c  counting and telling
 *     work_mounts.c    file systems that cannot be read are left alone for a while
 *     work_score.c     how near it comes to what the machine can do
 *     work_health.c    how the children fare, for the database
 *
 * Each of them keeps its own state behind a pointer in struct work. Events (messages, timers, finished posts)
 * only change state; then, once before the loop goes to sleep, work_turn() looks at everything that could now
 * go on: settle, claim, start, grant, batch, finish. So nothing has to know whom its event may have woken.
 */
#ifndef CLIPQ_RUNNER_WORK_STATE_H
#define CLIPQ_RUNNER_WORK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "kernels/base/err.h"
#include "kernels/base/log.h"
#include "runner/batcher.h"
#include "runner/metrics.h"
#include "runner/store.h"
#include "runner/store_control.h"
#include "runner/work.h"
#include "runner/writer.h"

struct arena;
struct balancer_class;
struct log_relay;
struct tunings;
struct work_batches;
struct work_cache;
struct work_claims;
struct work_control;
struct work_engines;
struct work_health;
struct work_jobs;
struct work_lanes;
struct work_models;
struct work_mounts;
struct work_progress_state;
struct work_score;
struct work_workers;

enum work_phase {
    WORK_RUNNING,
    WORK_MATCHING,              /* all clips are done; comparing signatures */
    WORK_DRAINING,              /* a signal came: running clips finish, nothing new begins */
    WORK_STOPPED                /* the loop is being left */
};

/* Of the whole run; what store_end_run() and the progress need. */
struct work_tally {
    int64_t done, partial, failed, dead;
    int64_t frames_decoded, frames_sampled, frames_inferred;
    struct store_cache_use cache;
    int64_t batches, oom_halvings, worker_restarts, engine_restarts;
    double media_s;             /* of settled clips */
    struct histogram stages[METRIC_COUNT];
};

/* What is known of the queue without asking the database. */
struct work_queue {
    struct store_counts counts; /* as of the newest claim */
    bool claiming;              /* a claim is on its way */
    bool empty;                 /* the newest got less than it asked for */
    int64_t looked_ns;          /* when that came back */
};

struct work {
    struct work_params p;       /* defaults filled in */
    const struct balancer_class *balance;
    struct cq_log *log;
    struct log_relay *store_log; /* what the writer's thread says, on its way to `log` */
    uv_loop_t loop;
    char owner[256];            /* of our leases */
    int64_t run_id;
    enum work_phase phase;
    enum cq_err fatal;          /* why the run cannot go on, or CQ_OK */
    int signal;                 /* the first that came */
    bool aborted;
    struct work_tally tally;
    struct work_queue queue;
    char note[128];             /* beside the progress */
    bool engines_changed;       /* since models and jobs were settled */

    struct writer *writer;
    struct arena *arena;
    struct batcher_lane arrived; /* inputs that nobody has looked at yet */
    struct batcher batcher;
    struct work_cache *cache;
    struct work_batches *batches;
    struct work_claims *claims;
    struct work_control *control;
    struct work_lanes *lanes;
    struct work_models *models;
    struct work_jobs *jobs;
    struct work_workers *workers;
    struct work_engines *engines;
    struct tunings *tunings;    /* owned; read at the start */
    struct work_progress_state *progress;
    struct work_health *health;
    struct work_mounts *mounts;
    struct work_score *score;
};

/* The run cannot go on: everything of ours is handed back and work_run() returns `err`. Logged by the caller. */
void work_fail(struct work *w, enum cq_err err);
/* Looks at what a finished post says; true when it failed (and the run with it). */
bool work_post_failed(struct work *w, enum cq_err err, const char *what);
void work_note(struct work *w, const char *note);  /* beside the progress; copied */
/* Before a child is started again: a tenth of a second, doubled so many times, ten seconds at most. */
uint64_t work_backoff_ms(int doublings);

#endif
