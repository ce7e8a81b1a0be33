/* What the files of the supervisor share.
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
 *     work_rows.c      answers to rows, through the writer
 *     work_posts.c     ends of attempts, through the writer
 *     work_ahead.c     what is still to come, for balancers
 *     work_threads.c   how many threads a decoder gets
 *     work_workers.c   decode workers: clips and slots out, frames in
 *     work_engines.c   engines, as asked for by --device
 *     work_engine_life.c     their processes: start, death, restart
 *     work_engine_models.c   models given to them
 *     work_engine_limits.c   the largest batch that each may be sent
 *     work_engine_account.c  how they fare
 *     work_batches.c   batches to engines and back
 *     work_progress.c  counting and telling
 *     work_mounts.c    file systems that cannot be read are left alone for a while
 *     work_health.c    how the children fare, for the database
 *
 * Each of them keeps its own state behind a pointer in struct work. Events (messages, timers, finished posts)
 * only change state; then, once before the loop goes to sleep, work_turn() looks at everything that could now
 * go on: settle, claim, start, grant, batch, finish. So nothing has to know whom its event may have woken.
 */
#ifndef CLIPQ_RUNNER_WORK_PRIVATE_H
#define CLIPQ_RUNNER_WORK_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "kernels/base/err.h"
#include "kernels/base/log.h"
#include "runner/batcher.h"
#include "runner/child.h"
#include "runner/messages_decode.h"
#include "runner/messages_engine.h"
#include "runner/metrics.h"
#include "runner/pipeline.h"
#include "runner/speed.h"
#include "runner/store.h"
#include "runner/store_control.h"
#include "runner/work.h"
#include "runner/writer.h"

struct arena;
struct balancer_class;
struct log_relay;
struct tunings;
struct work_batches;
struct work_claims;
struct work_control;
struct work_engines;
struct work_health;
struct work_jobs;
struct work_lanes;
struct work_models;
struct work_mounts;
struct work_progress_state;
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
    struct batcher batcher;
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
};

/* ---- work_state.c ---- */

/* The run cannot go on: everything of ours is handed back and work_run() returns `err`. Logged by the caller. */
void work_fail(struct work *w, enum cq_err err);
/* Looks at what a finished post says; true when it failed (and the run with it). */
bool work_post_failed(struct work *w, enum cq_err err, const char *what);
void work_note(struct work *w, const char *note);  /* beside the progress; copied */

/* ---- work_models.c ---- */

struct engine_lane;

enum model_state { MODEL_LOADING, MODEL_READY, MODEL_FAILED };

struct work_pipeline {
    struct work_pipeline *next;
    int64_t id;
    enum model_state state;
    enum cq_err err;            /* of FAILED */
    char message[MSG_TEXT];     /* of FAILED */
    struct sample_spec sample;
    int n_models;
    int lanes[PIPELINE_MAX_MODELS];  /* -1: each clip has its own */
    int scene;                  /* index of builtin:scene, or -1 */
    struct pipeline_found *found;  /* owned */
};

/* A pipeline as read from the database, on whatever thread has the store. */
struct pipeline_found {
    int64_t id;
    enum cq_err err;            /* of its document or its models' paths */
    char message[MSG_TEXT];
    struct pipeline doc;        /* with paths; valid when !err */
};
void pipeline_find(struct store *s, int64_t id, struct pipeline_found *out);   /* any thread */
void pipeline_found_free(struct pipeline_found *f);

enum cq_err work_models_create(struct work *w);
void work_models_destroy(struct work *w);
/* Takes over `f`; the models go to the engines. Known ones are left as they are. */
enum cq_err work_models_add(struct work *w, struct pipeline_found *f);
struct work_pipeline *work_models_find(struct work *w, int64_t id);
int work_models_ids(const struct work *w, int64_t *ids, int max);
/* An engine has changed: settles what is settled now. */
void work_models_settle(struct work *w);
/* A model of the pipeline could not be loaded at a clip's size: fails the pipeline unless it is for the size. */
void work_models_lane_failed(struct work *w, struct work_pipeline *p, const struct engine_lane *why);
/* Is there a pipeline whose jobs can go on, if only to fail for want of memory? The others wait for a better day: a
 * model file that is gone may come back. If there is none, and there are pipelines, one of them. */
bool work_models_any_of_use(const struct work *w);
const struct work_pipeline *work_models_all_failed(const struct work *w);

/* ---- work_lanes.c ---- */

struct job;

/* One model with one card at one input size, as batches are formed for it; its index is the batcher's lane. */
struct work_lane {
    char hash[33];
    char name[128];
    char path[STORE_PATH];
    char *card;                 /* owned JSON */
    struct scale_target target;
    char shape[48];             /* "416x416x3", "416x416x3 fp16" */
    bool sized;                 /* for clips of one size: it ends when nobody holds it and another needs the room */
    int holders;                /* jobs, of a sized one */
    int64_t held;               /* when it was last taken, in holds */
    int generation;             /* grows when it becomes another lane */
};

enum cq_err work_lanes_create(struct work *w);
void work_lanes_destroy(struct work *w);
int work_lanes(const struct work *w);
const struct work_lane *work_lane(const struct work *w, int lane);
bool work_lane_is_used(const struct work *w, int lane);
bool work_lanes_share(const struct work *w, int a, int b);   /* the same model and card, at two sizes */
/* The lane of a model whose card knows its input's size. CQ_UNSUPPORTED: there are too many; CQ_NOMEM. */
enum cq_err work_lane_for_model(struct work *w, const struct pipeline_model *m, int *out);
/* The job's lanes, its inputs and its slot's size; held until job_give_lanes(). CQ_AGAIN: there is no room for
 * its clip's size until other jobs have ended; CQ_NOMEM. */
enum cq_err job_take_lanes(struct job *j);
void job_give_lanes(struct job *j);
/* Of all of them together; `*why` when one has failed. */
enum model_state job_lanes_state(const struct job *j, const struct engine_lane **why);

/* ---- work_jobs.c ---- */

struct worker;

struct job {
    struct job *next;
    struct work *w;
    struct store_job claim;
    uint32_t serial;            /* names it to the worker */
    struct work_pipeline *pipeline;
    bool has_lanes;             /* then those of its clip's size are held, and the next four are set */
    int lanes[PIPELINE_MAX_MODELS];
    struct scale_target targets[PIPELINE_MAX_MODELS];
    int64_t inputs[PIPELINE_MAX_MODELS];  /* offsets within a slot */
    int64_t slot_bytes;
    struct worker *worker;      /* while it decodes */
    double cost;                /* predicted (runner/cost.h) */
    bool waiting;               /* not begun */
    bool scanning;              /* its worker looks for segments and decodes nothing */
    bool scanned;               /* it has none */
    int threads;                /* of its decoder */
    bool ended;                 /* the worker has said how */
    bool incomplete;            /* rows of it were lost with a failing disk: it must not be completed */
    bool settled;               /* given up or completed: nothing it still brings counts */
    int frames_out;             /* slots that hold a frame of it */
    int posts;                  /* rows and the end, on their way through the writer */
    int64_t next_seq;
    int64_t begun_ns;
    double first_s, newest_s;   /* times of its frames so far */
    struct clip_end end;
    int64_t decoded;            /* so far */
    int64_t inferred;           /* answers */
    int64_t batches, batch_frames, halvings;
    int64_t last_batch;         /* id of the newest batch that held a frame of it */
    char device[128];
    int worker_pid;
    char words[CHILD_WORDS];    /* what its decoder said on standard error */
    struct histogram stages[METRIC_COUNT];
};

/* One model's look at one frame; what the batcher queues. */
struct frame_input {
    struct batch_item item;     /* first: found from it */
    struct frame *frame;
    int model;
    int kills;                  /* engines that died over it alone */
};

struct frame {
    struct job *job;
    int64_t slot;
    int64_t seq, ordinal, pts;
    double time_s;
    int64_t arrived_ns;
    int left;                   /* inputs not answered */
    struct geometry geometry[PIPELINE_MAX_MODELS];
    struct frame_input inputs[];
};

enum cq_err work_jobs_create(struct work *w);
void work_jobs_abandon(struct work *w);            /* the run is over: lets go of frames that wait for a batch */
void work_jobs_destroy(struct work *w);
/* A claimed job; copied. */
enum cq_err work_jobs_add(struct work *w, const struct store_job *claim);
struct job *work_jobs_first(const struct work *w);
int work_jobs_waiting(const struct work *w);
int work_jobs_active(const struct work *w);        /* all that we hold */
/* Those that wait, whose models are ready and whose priority is the highest among them, in the queue's order; up to
 * `max`. Jobs whose models failed are failed on the way. */
int work_jobs_ready(struct work *w, struct job **out, int max);
/* The worker is done with it, and another shall begin it anew. */
void job_wait_again(struct job *j);
void job_begin(struct job *j);                     /* it waits no longer */
void work_jobs_release_waiting(struct work *w);    /* those that have not begun go back into the queue */
void work_jobs_settle(struct work *w);             /* fails those whose models failed while they are at work */

void job_stop_waiting(struct job *j);              /* it has begun, or will not */
void job_remove(struct job *j);                    /* it is over: frees it */

/* ---- work_job_ends.c ---- */

void job_end(struct job *j, const struct msg_end *m);
/* The attempt is over without a result; `message` is copied. */
void job_fail(struct job *j, enum failure f, const char *message);
/* Back into the queue, untried. */
void job_release(struct job *j);
/* Back into the queue, untried, for as long as its file system is left alone; `message` is copied. */
void job_postpone(struct job *j, const char *message);
/* Its decoder's threads may have given other frames than one would: back into the queue, untried, for one. */
void job_decode_again(struct job *j);
/* Its decoder was killed for want of memory, which another process may have taken: back into the queue, untried, for a
 * moment; `message` is copied. */
void job_spare(struct job *j, const char *message);
/* It is not ours any more: nothing but a note in its history is written. */
void job_drop(struct job *j);
/* Its segments take its place. */
void job_split(struct job *j, const struct segment *parts, int n);
/* Of a segment that gave other frames than foretold: its clip is to be done whole. */
void job_unsplit(struct job *j, const char *message);
/* To be called when one of its frames or posts is done: completes it, or frees it when it is over. */
void job_look(struct job *j);

/* ---- work_frames.c ---- */

enum cq_err job_add_frame(struct job *j, const struct msg_frame *m);  /* CQ_PROTOCOL: not what a sane worker sends */
void job_forget_frames(struct job *j);             /* those that wait for a batch */
void frame_input_done(struct frame_input *in);     /* answered, or of no use any more */

/* ---- work_segments.c ---- */

bool segments_wanted(const struct job *j);         /* is it to be scanned for them? */
enum cq_err segments_found(struct job *j, struct cq_rd *body);   /* the worker's answer; CQ_PROTOCOL */
/* Has a segment come out as foretold? Else *why is told. */
bool segment_is_right(const struct job *j, char why[MSG_TEXT]);
void segments_drop(struct work *w, int64_t clip_job);   /* what we hold of a clip that is over */

/* ---- work_rows.c ---- */

/* The answers of a batch, as rows of staged attempts. */
enum cq_err work_post_rows(struct work *w, struct frame_input *const *inputs, const struct msg_answer *answers, int n);

/* ---- work_posts.c ---- */

void work_post_completion(struct job *j);
void work_post_failure(struct job *j, enum failure f, const char *message);
void work_post_release(struct job *j);
void work_post_split(struct job *j, const struct segment *parts, int n);
void work_post_unsplit(struct job *j, const char *message);
void work_post_postponement(struct job *j, int64_t pause_ms, const char *message);
void work_post_again(struct job *j, enum failure f, int64_t pause_ms, const char *message);   /* untried */
void work_post_note(struct job *j);

/* ---- work_claim.c ---- */

/* Before the writer has the store: registers the run, takes back what dead processes of this machine held. */
enum cq_err work_claims_create(struct work *w, struct store *s);
void work_claims_destroy(struct work *w);
void work_claim(struct work *w);                   /* when there is need */
void work_heartbeat(struct work *w);
void work_match(struct work *w);                   /* compares signatures; WORK_STOPPED follows */

/* ---- work_queue.c ---- */

bool work_queue_is_empty(const struct work *w);    /* as of the newest claim */
bool work_queue_rests(const struct work *w);       /* that claim found none that may be begun now */
void work_queue_look_again(struct work *w);
void work_queue_is(struct work *w, const struct store_counts *counts);   /* seen otherwise than by a claim */
const struct store_counts *work_counts(const struct work *w);

/* ---- work_control.c ---- */

enum cq_err work_control_create(struct work *w);
void work_control_destroy(struct work *w);
void work_control_tick(struct work *w);            /* looks for what others did to the queue */
bool work_may_claim(const struct work *w);         /* neither paused nor held back */
void work_control_pause(struct work *w, const struct store_pause *pause);   /* as a claim has found it */
void work_control_hold(struct work *w, bool back); /* SIGTSTP, SIGCONT */

/* ---- work_workers.c ---- */

enum cq_err work_workers_create(struct work *w);
void work_workers_stop(struct work *w);
void work_workers_destroy(struct work *w);
void work_workers_turn(struct work *w);            /* starts jobs, grants slots */
void work_workers_tick(struct work *w, int64_t elapsed_ns);   /* the watchdog */
bool work_workers_starved(const struct work *w);   /* nobody has a slot to fill */
int work_workers_alive(const struct work *w);
int work_workers_health(struct work *w, struct store_worker *rows, int max);   /* how many */
void worker_forget_job(struct worker *wk);         /* kills it in the middle of its clip */

/* ---- work_engines.c ---- */

enum { ENGINE_FLIGHT = 2, ENGINES_MAX = 16 };

struct batch {
    int64_t id;
    int lane, n;
    int64_t start_ns;           /* when the engine could begin with it */
    struct frame_input *inputs[BATCHER_MAX];
};

struct engine_lane {
    enum model_state state;
    int64_t sent;               /* 0: loading was not asked for; else it was, as the sent-th of the engine's loads */
    int deaths;                 /* while loading it */
    enum cq_err err;
    char message[MSG_TEXT];
    int limit;                  /* largest batch that may be sent; > 0 when READY */
    int64_t bytes, frame_bytes; /* of memory: at the largest batch by plan, for one frame */
    struct speed speed;         /* in frames a second */
    int tune_ms;                /* what it may spend on timing kernels while it is loaded */
    int tuned;                  /* operators timed then */
};

enum engine_state { ENGINE_STARTING, ENGINE_UP, ENGINE_WAITING /* to be started again */, ENGINE_OUT };

struct engine {
    struct work *w;
    struct child *child;
    enum engine_state state;
    char spec[64];              /* as asked, then as found */
    char name[128];
    char chosen[128];           /* how it came to be chosen */
    char driver[64];            /* of the device found */
    bool is_cpu;
    int64_t budget;             /* bytes of memory for all its models */
    enum cq_err err;            /* of OUT */
    int deaths;                 /* in a row, without a result or a smaller batch between */
    int64_t preparing_ns;       /* since when it starts or loads what it was last sent */
    int64_t prepare_ns;         /* starting, loading models, compiling kernels so far */
    bool was_ready;             /* with one model at least */
    bool afresh;                /* compiled kernels may have been what killed it */
    uv_timer_t restart;
    struct engine_lane lanes[BATCHER_LANES];
    int64_t loads;              /* asked for so far */
    int tune_ms;                /* given out so far for timing kernels */
    int64_t restarts, batches, frames;   /* answered */
    double busy_s;              /* with a batch */
    int64_t last_frame_ms;      /* UTC; 0: never */
    double cpu_before_s;        /* of those that died, as far as it was seen */
    double cpu_s;               /* of the present one, as last seen */
    int64_t silent_ns;          /* with a batch in hand, without an answer */
    bool hung;                  /* killed for it */
    struct batch *flight[ENGINE_FLIGHT];  /* oldest first */
    int n_flight;
};

enum cq_err work_engines_create(struct work *w);
void work_engines_stop(struct work *w);
void work_engines_destroy(struct work *w);
void work_engines_tick(struct work *w, int64_t elapsed_ns);   /* the watchdog */
struct engine *work_engine(const struct work *w, int i);   /* NULL past the end */
int work_engines_alive(const struct work *w);
void work_engines_load(struct work *w);            /* sends models that an engine has not seen */
int work_engines_appetite(const struct work *w);   /* frames that they can use at once */
bool work_engines_load_lane(const struct work *w, int lane);   /* is one of them loading it now? */
void work_engines_forget_lane(struct work *w, int lane);       /* its number will be another lane's */
/* State of a lane over all engines; `*why` is an engine's lane that failed. */
enum model_state work_engines_lane_state(const struct work *w, int lane, const struct engine_lane **why);
double work_engines_prepare_s(const struct work *w);   /* of the one that had least; before that nothing can be done */
const char *work_engines_text(const struct work *w);   /* names, for progress */
const char *work_engines_account(const struct work *w);   /* names, budgets and batches, for the run's row */
const char *work_engines_folder(const struct work *w); /* of the files that they write */
int work_engines_health(struct work *w, struct store_worker *rows, int max);   /* how many */
int work_engines_shares(const struct work *w, struct store_engine rows[ENGINES_MAX]);   /* how many */
void engine_set_limit(struct engine *e, int lane, int limit, bool remember);

/* ---- work_batches.c ---- */

enum cq_err work_batches_create(struct work *w);
void work_batches_destroy(struct work *w);
void work_batches_turn(struct work *w);            /* sends what is due */
enum cq_err engine_take_result(struct engine *e, struct cq_rd *body);
void engine_return_batches(struct engine *e, const struct child_exit *why);   /* it died */
void engine_drop_batches(struct engine *e);         /* the run is over */

/* ---- work_ahead.c ---- */

double work_ahead_cost(const struct work *w);      /* of clips in the queue that we do not hold (runner/cost.h) */
double work_ahead_frames(const struct work *w);    /* that no decoder has brought yet */

/* ---- work_threads.c ---- */

int work_threads_for(const struct work *w, const struct job *j);   /* when it is begun on a decode worker */

/* ---- work_tunings.c ---- */

enum cq_err work_tunings_create(struct work *w, struct store *s);   /* before the writer has the store */
void work_tunings_destroy(struct work *w);
void work_tunings_send(struct engine *e);          /* to one that has opened its device, before any model */
/* Decides what it may spend on timing kernels of a lane that it is to load, which is one of `sharers` still to come. */
void work_tunings_allow(struct engine *e, int lane, int sharers);
enum cq_err engine_take_tuning(struct engine *e, struct cq_rd *body);
void work_tunings_loaded(struct engine *e, int lane);   /* what was not spent is given back */

/* ---- work_progress.c ---- */

enum cq_err work_progress_create(struct work *w);
void work_progress_destroy(struct work *w);
void work_progress_tell(struct work *w, bool last);
void work_progress_log(struct work *w);            /* SIGUSR1 */

/* ---- work_mounts.c ---- */

enum cq_err work_mounts_create(struct work *w);
void work_mounts_destroy(struct work *w);
/* The job's clip has ended so. True: its file system is to blame, it shall be tried again later. */
bool work_mounts_blame(struct work *w, const struct job *j, enum failure f, const char *message);
bool work_mounts_allow(struct work *w, const struct job *j);   /* may it be begun? */
int64_t work_mounts_pause_ms(const struct work *w, const struct job *j);
/* Where one is mounted that was tried often enough since anything else could be done; NULL: there is none. */
const char *work_mounts_hopeless(const struct work *w);

/* ---- work_health.c ---- */

enum { WORK_CHILDREN = 272 /* 256 workers and 16 engines, the most there can be */ };
enum cq_err work_health_create(struct work *w);
void work_health_destroy(struct work *w);
void work_health_tell(struct work *w, bool last);  /* now and then */

#endif
