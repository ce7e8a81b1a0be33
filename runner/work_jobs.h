/* Jobs that we hold and their frames, from the claim to their one end. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_JOBS_H
#define CLIPQ_RUNNER_WORK_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/batcher.h"
#include "runner/child.h"
#include "runner/messages_decode.h"
#include "runner/metrics.h"
#include "runner/pipeline.h"
#include "runner/store.h"
#include "runner/work_score.h"
#include "runner/work_state.h"
#include "stages/answer/geometry.h"
#include "stages/failure.h"
#include "stages/media/clip.h"
#include "stages/media/scale.h"
#include "stages/media/segment.h"

struct work_pipeline;
struct worker;

/* ---- work_jobs.c ---- */

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
    struct store_cache_use cache;
    int64_t batches, batch_frames, halvings;
    int64_t last_batch;         /* id of the newest batch that held a frame of it */
    char device[128];
    int worker_pid;
    char words[CHILD_WORDS];    /* what its decoder said on standard error */
    struct histogram stages[METRIC_COUNT];
    struct job_score score;
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
/* Seconds that its frames took to decode and scale so far; waiting for slots is not the worker's fault. */
double job_busy_s(const struct job *j);

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
/* Its decoder was killed, and others may be to blame: back into the queue, untried, for a moment; `message` is copied. */
void job_spare(struct job *j, enum failure f, const char *message);
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

#endif
