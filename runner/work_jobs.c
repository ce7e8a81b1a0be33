/* A job from its claim to its one end.
 *
 *     waiting -> decoding -> ended -> settled (completed)
 *         \________\___________\____-> settled (failed, or released)
 *
 * It is completed when its worker has said how the clip ended, every frame has its answers and every row has been
 * written; it is freed when it is settled and nothing of it is out any more: no slot, no post.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/cost.h"
#include "runner/work_private.h"
#include "stages/failure.h"

static const int64_t spare_ms = 1000;   /* until memory is free again, perhaps */

struct work_jobs {
    struct job *first, *last;   /* owned; in order of claim */
    int active, waiting;
    uint32_t serial;
};

enum cq_err work_jobs_create(struct work *w)
{
    w->jobs = calloc(1, sizeof *w->jobs);
    return w->jobs ? CQ_OK : CQ_NOMEM;
}

void work_jobs_abandon(struct work *w)
{
    for (struct job *j = w->jobs ? w->jobs->first : NULL; j; j = j->next) {
        j->settled = true;
        j->posts++;             /* keeps it while its frames are dropped */
        work_batches_forget(j);
        j->posts--;
    }
}

void work_jobs_destroy(struct work *w)
{
    if (!w->jobs)
        return;
    for (struct job *j = w->jobs->first, *next; j; j = next) {
        next = j->next;
        free(j);
    }
    free(w->jobs);
    w->jobs = NULL;
}

enum cq_err work_jobs_add(struct work *w, const struct store_job *claim)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return CQ_NOMEM;
    j->w = w;
    j->claim = *claim;
    j->serial = ++w->jobs->serial;
    j->pipeline = work_models_find(w, claim->pipeline_id);
    j->cost = claim->parent_id ? cost_of_segment(&claim->probe, claim->share) : cost_of_clip(&claim->probe, &j->pipeline->sample);
    j->waiting = true;
    j->last_batch = -1;
    if (w->jobs->last)
        w->jobs->last->next = j;
    else
        w->jobs->first = j;
    w->jobs->last = j;
    w->jobs->active++;
    w->jobs->waiting++;
    return CQ_OK;
}

struct job *work_jobs_first(const struct work *w) { return w->jobs->first; }
int work_jobs_waiting(const struct work *w) { return w->jobs->waiting; }
int work_jobs_active(const struct work *w) { return w->jobs->active; }

static void stop_waiting(struct job *j)
{
    if (j->waiting)
        j->w->jobs->waiting--;
    j->waiting = false;
}

static enum failure failure_of(enum cq_err err)
{
    return err == CQ_OOM ? FAIL_OUT_OF_MEMORY : FAIL_MODEL;
}

/* `*reason` and `*why` are the reason of MODEL_FAILED. */
static enum model_state readiness(struct job *j, enum cq_err *reason, const char **why)
{
    const struct engine_lane *lane = NULL;
    if (j->pipeline->state == MODEL_READY) {
        enum cq_err err = job_take_lanes(j);
        if (err == CQ_NOMEM)
            work_fail(j->w, err);
        enum model_state state = err ? MODEL_LOADING : job_lanes_state(j, &lane);
        if (state != MODEL_FAILED)
            return state;
        work_models_lane_failed(j->w, j->pipeline, lane);
        *reason = lane->err;
        *why = lane->message;
        return state;
    }
    *reason = j->pipeline->err;
    *why = j->pipeline->message;
    return j->pipeline->state;
}

/* Where no model at all can be used the run ends and its clips wait for a better one. */
static void cannot_run(struct job *j, enum cq_err err, const char *why)
{
    if (work_models_all_failed(j->w))
        job_release(j);
    else
        job_fail(j, failure_of(err), why);
}

void work_jobs_settle(struct work *w)
{
    for (struct job *j = w->jobs ? w->jobs->first : NULL, *next; j; j = next) {
        const struct engine_lane *why = NULL;
        next = j->next;
        if (j->has_lanes && !j->waiting && !j->settled && job_lanes_state(j, &why) == MODEL_FAILED)
            job_fail(j, failure_of(why->err), why->message);
    }
}

int work_jobs_ready(struct work *w, struct job **out, int max)
{
    int n = 0;
    for (struct job *j = w->jobs->first, *next; j; j = next) {
        next = j->next;
        if (!j->waiting || (n && j->claim.priority < out[0]->claim.priority))
            continue;
        if (!work_mounts_allow(w, j)) {
            job_postpone(j, "its file system cannot be read");
            continue;
        }
        enum cq_err err = CQ_OK;
        const char *why = "";
        enum model_state state = readiness(j, &err, &why);
        if (state == MODEL_READY && n && j->claim.priority > out[0]->claim.priority)
            n = 0;
        if (state == MODEL_READY && n < max)
            out[n++] = j;
        if (state == MODEL_FAILED)
            cannot_run(j, err, why);
    }
    return n;
}

void job_begin(struct job *j)
{
    stop_waiting(j);
    j->begun_ns = cq_now_ns();
}

static void remove_job(struct job *j)
{
    struct work_jobs *js = j->w->jobs;
    struct job **at = &js->first, *before = NULL;
    while (*at != j) {
        before = *at;
        at = &before->next;
    }
    *at = j->next;
    if (js->last == j)
        js->last = before;
    js->active--;
    job_give_lanes(j);
    free(j);
}

void job_look(struct job *j)
{
    if (!j->settled && !j->incomplete && j->ended && !j->frames_out && !j->posts) {
        j->settled = true;
        work_post_completion(j);
    } else if (j->settled && !j->frames_out && !j->posts) {
        remove_job(j);
    }
}

/* ---- frames ---- */

static void frame_free(struct frame *f)
{
    struct job *j = f->job;
    arena_give(j->w->arena, f->slot);
    free(f);
    j->frames_out--;
    job_look(j);
}

void frame_input_done(struct frame_input *in)
{
    if (!--in->frame->left)
        frame_free(in->frame);
}

static void count_frame(struct job *j, const struct msg_frame *m)
{
    histogram_add(&j->stages[METRIC_DECODE], m->decode_ns);
    histogram_add(&j->stages[METRIC_SCALE], m->scale_ns);
    if (!m->seq)
        j->first_s = m->time_s;
    j->newest_s = m->time_s;
    j->w->tally.frames_sampled++;
}

enum cq_err job_add_frame(struct job *j, const struct msg_frame *m)
{
    if (m->seq != j->next_seq || m->n_targets != j->pipeline->n_models || j->ended)
        return CQ_PROTOCOL;
    struct frame *f = calloc(1, sizeof *f + (size_t) m->n_targets * sizeof *f->inputs);
    if (!f)
        return CQ_NOMEM;
    *f = (struct frame) {
        .job = j, .slot = m->slot, .seq = j->claim.segment.first_seq + m->seq, .ordinal = m->ordinal, .pts = m->pts, .time_s = m->time_s,
        .arrived_ns = cq_now_ns(), .left = m->n_targets,
    };
    memcpy(f->geometry, m->geometry, sizeof f->geometry);
    j->next_seq++;
    j->frames_out++;
    count_frame(j, m);
    for (int i = 0; i < m->n_targets; i++) {
        f->inputs[i] = (struct frame_input) {.frame = f, .model = i};
        batcher_add(&j->w->batcher, j->lanes[i], &f->inputs[i].item, f->arrived_ns);
    }
    return CQ_OK;
}

/* ---- ends ---- */

void job_end(struct job *j, const struct msg_end *m)
{
    j->ended = true;
    j->end = m->end;
    j->decoded = m->end.decoded;
    if (m->decode_ns)
        histogram_add(&j->stages[METRIC_DECODE], m->decode_ns);
    if (work_mounts_blame(j->w, j, m->end.failure, m->end.message)) {
        job_postpone(j, m->end.message);
        return;
    }
    if (m->end.sampled != j->next_seq) {
        job_fail(j, FAIL_INTERNAL, "the worker lost count of its frames");
        return;
    }
    char why[MSG_TEXT];
    if (j->claim.parent_id && failure_rule(m->end.failure) == FAILURE_FINAL && !segment_is_right(j, why)) {
        job_unsplit(j, why);
        return;
    }
    if (m->end.doubtful && failure_rule(m->end.failure) == FAILURE_FINAL) {
        job_decode_again(j);
        return;
    }
    switch (m->end.failure) {
    case FAIL_NONE:
    case FAIL_TRUNCATED:
    case FAIL_DAMAGED:
        job_look(j);
        return;
    default:
        job_fail(j, m->end.failure, m->end.message);
    }
}

/* No more work goes into it; what is out comes back by itself. */
static void give_up(struct job *j)
{
    j->settled = true;
    stop_waiting(j);
    work_batches_forget(j);
    if (j->worker)
        worker_forget_job(j->worker);
}

void job_fail(struct job *j, enum failure f, const char *message)
{
    if (j->settled)
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), attempt %d: %s: %s", j->claim.id, j->claim.path, j->claim.attempt,
                failure_name(f), message);
    j->posts++;                 /* keeps it while its frames are dropped */
    give_up(j);
    work_post_failure(j, f, message);
    j->posts--;
    job_look(j);
}

void job_wait_again(struct job *j)
{
    j->scanning = false;
    j->waiting = true;
    j->w->jobs->waiting++;
    if (j->w->phase != WORK_RUNNING)
        job_release(j);
}

void job_split(struct job *j, const struct segment *parts, int n)
{
    if (j->settled)
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s) is done in %d segments", j->claim.id, j->claim.path, n);
    j->posts++;
    give_up(j);
    work_post_split(j, parts, n);
    j->posts--;
    job_look(j);
}

void job_unsplit(struct job *j, const char *message)
{
    if (j->settled)
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), a segment: %s; its clip is done whole", j->claim.id, j->claim.path, message);
    int64_t clip_job = j->claim.parent_id;
    struct work *w = j->w;
    j->posts++;
    give_up(j);
    work_post_unsplit(j, message);
    j->posts--;
    job_look(j);
    segments_drop(w, clip_job);
}

void job_release(struct job *j)
{
    if (j->settled)
        return;
    j->posts++;
    give_up(j);
    work_post_release(j);
    j->posts--;
    job_look(j);
}

void job_postpone(struct job *j, const char *message)
{
    if (j->settled)
        return;
    j->posts++;
    give_up(j);
    work_post_postponement(j, work_mounts_pause_ms(j->w, j), message);
    j->posts--;
    job_look(j);
}

void job_decode_again(struct job *j)
{
    char why[MSG_TEXT];
    if (j->settled)
        return;
    snprintf(why, sizeof why, "%s%sdecoded by %d threads, which damage may change; one does it again", j->end.message,
             j->end.message[0] ? "; " : "", j->threads);
    cq_log_info(j->w->log, "job %" PRId64 " (%s): %s", j->claim.id, j->claim.path, why);
    j->posts++;
    give_up(j);
    work_post_again(j, j->end.failure, 0, why);
    j->posts--;
    job_look(j);
}

void job_spare(struct job *j, const char *message)
{
    if (j->settled)
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s): %s; it is tried again", j->claim.id, j->claim.path, message);
    j->posts++;
    give_up(j);
    work_post_again(j, FAIL_OUT_OF_MEMORY, spare_ms, message);
    j->posts--;
    job_look(j);
}

void job_drop(struct job *j)
{
    if (j->settled)
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), attempt %d was cancelled or taken over: what is under way is dropped",
                j->claim.id, j->claim.path, j->claim.attempt);
    j->posts++;
    give_up(j);
    work_post_note(j);
    j->posts--;
    job_look(j);
}

void work_jobs_release_waiting(struct work *w)
{
    for (struct job *j = w->jobs->first, *next; j; j = next) {
        next = j->next;
        if (j->waiting)
            job_release(j);
    }
}
