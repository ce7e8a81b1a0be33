/* A job from its claim to its one end.
 *
 *     waiting -> decoding -> ended -> settled (completed)
 *         \________\___________\____-> settled (failed, or released)
 *
 * It is completed when its worker has said how the clip ended, every frame has its answers and every row has been
 * written; it is freed when it is settled and nothing of it is out any more: no slot, no post.
 */
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runner/cost.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"
#include "runner/work_mounts.h"

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
        job_forget_frames(j);
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

void job_stop_waiting(struct job *j)
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
    job_stop_waiting(j);
    j->begun_ns = cq_now_ns();
    job_score_come(j);
}

double job_busy_s(const struct job *j)
{
    return (double) (j->stages[METRIC_DECODE].sum_ns + j->stages[METRIC_SCALE].sum_ns) / 1e9;
}

void job_remove(struct job *j)
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

void job_wait_again(struct job *j)
{
    j->scanning = false;
    j->waiting = true;
    job_score_go(j);
    j->w->jobs->waiting++;
    if (j->w->phase != WORK_RUNNING)
        job_release(j);
}

void work_jobs_release_waiting(struct work *w)
{
    for (struct job *j = w->jobs->first, *next; j; j = next) {
        next = j->next;
        if (j->waiting)
            job_release(j);
    }
}
