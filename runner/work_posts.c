/* Ends of attempts on their way into the database: one for each attempt.
 *
 * The writer keeps the order of posts, so an attempt's end is always behind its rows (work_rows.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/store_jobs.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"
#include "runner/work_posts.h"
#include "runner/work_queue.h"

struct end_post {
    struct job *job;            /* the loop's thread only; it stays while a post is out */
    struct store_completion c;
    char owner[256], message[MSG_TEXT], words[CHILD_WORDS];
    int scene;                  /* model whose embeddings give shots; -1: none */
    int max_attempts;
    int64_t pause_ms;           /* of a postponement */
    int64_t clip_job;           /* of a segment: its clip's */
    bool clip_done;             /* with this segment */
    struct segment *parts;      /* owned, [n_parts]; of a split */
    int n_parts;
    struct store_counts before, after;
    bool stale;
};

static struct end_post *new_end(struct job *j, const char *message)
{
    struct end_post *p = calloc(1, sizeof *p);
    if (!p) {
        work_fail(j->w, CQ_NOMEM);
        return NULL;
    }
    job_score_go(j);
    p->job = j;
    snprintf(p->owner, sizeof p->owner, "%s", j->w->owner);
    snprintf(p->message, sizeof p->message, "%s", message);
    snprintf(p->words, sizeof p->words, "%s", j->words);
    p->c = (struct store_completion) {
        .job_id = j->claim.id, .attempt = j->claim.attempt, .owner = p->owner, .frames_decoded = j->decoded,
        .frames_sampled = j->next_seq, .frames_inferred = j->inferred, .cache = j->cache, .host_pid = j->worker_pid,
        .score = {.inputs = {.took_s = j->score.share.taken.s}},
    };
    snprintf(p->c.device, sizeof p->c.device, "%s", j->device);
    p->clip_job = j->claim.parent_id;
    p->scene = -1;
    p->max_attempts = j->w->p.max_attempts;
    return p;
}

static void post_end(struct end_post *p, enum cq_err (*run)(struct store *, void *), void (*done)(void *, enum cq_err))
{
    struct work *w = p->job->w;
    p->job->posts++;
    if (writer_post(w->writer, &(struct writer_post) {run, done, p})) {
        p->job->posts--;
        free(p->parts);
        free(p);
        work_fail(w, CQ_NOMEM);
    }
}

static void end_over(struct end_post *p)
{
    struct job *j = p->job;
    free(p->parts);
    free(p);
    j->posts--;
    job_look(j);
}

static enum cq_err push_embedding(void *ctx, const float *v, int dims, int64_t seq, double time_s)
{
    struct shots **s = ctx;
    (void) seq;
    enum cq_err err = *s ? CQ_OK : shots_create(dims, s);
    return err ? err : shots_push(*s, v, time_s);
}

static enum cq_err add_shots(struct store *s, int64_t job_id, int attempt, int scene)
{
    struct shots *shots = NULL;
    const struct shot *found;
    struct signature signature;
    int n;
    enum cq_err err = store_each_embedding(s, job_id, attempt, scene, push_embedding, &shots);
    if (!err && shots) {
        err = shots_end(shots, &found, &n);
        if (!err) {
            shots_signature(shots, &signature);
            err = store_add_shots(s, job_id, attempt, scene, found, n, &signature);
        }
    }
    shots_destroy(&shots);
    return err;
}

/* What the history shall keep of an attempt, however it ends. */
static enum cq_err note_attempt(struct store *s, const struct end_post *p)
{
    const struct store_completion *c = &p->c;
    return store_note_attempt(s, &(struct store_attempt_note) {
        .job_id = c->job_id, .attempt = c->attempt, .pid = c->host_pid, .device = c->device, .last_words = p->words,
        .frames_decoded = c->frames_decoded, .frames_sampled = c->frames_sampled, .frames_inferred = c->frames_inferred,
        .frames_cached = c->cache.hits, .took_s = c->score.inputs.took_s,
    });
}

/* With the last segment its clip: shots are found in the embeddings of all. */
static enum cq_err complete_segment(struct store *s, struct end_post *p)
{
    int attempt = 0;
    enum cq_err err = store_complete(s, &p->c);
    if (!err)
        err = store_split_is_done(s, p->clip_job, &attempt);
    p->clip_done = attempt > 0;
    if (!err && p->clip_done && p->scene >= 0)
        err = add_shots(s, p->clip_job, attempt, p->scene);
    if (!err && p->clip_done)
        err = store_complete_split(s, p->clip_job);
    return err;
}

static enum cq_err write_completion(struct store *s, void *arg)
{
    struct end_post *p = arg;
    enum cq_err err = p->words[0] ? note_attempt(s, p) : CQ_OK;    /* the rest of it is in the completion */
    if (!err && !p->clip_job && p->scene >= 0)
        err = add_shots(s, p->c.job_id, p->c.attempt, p->scene);
    if (!err)
        err = p->clip_job ? complete_segment(s, p) : store_complete(s, &p->c);
    p->stale = err == CQ_STALE;
    return p->stale ? CQ_OK : err;
}

static void count_completion(const struct end_post *p)
{
    struct job *j = p->job;
    struct work_tally *t = &j->w->tally;
    t->done += p->clip_job ? p->clip_done : !p->c.partial;
    t->partial += p->c.partial;
    t->media_s += j->claim.probe.duration_s;
    for (int i = 0; i < METRIC_COUNT; i++)
        histogram_merge(&t->stages[i], &j->stages[i]);
    job_score_accepted(j);
}

static void completion_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    struct work *w = p->job->w;
    if (p->stale)
        cq_log_warn(w->log, "job %lld: it was cancelled or its lease lost, its results are dropped", (long long) p->c.job_id);
    else if (!work_post_failed(w, err, "completing a job"))
        count_completion(p);
    if (p->clip_job && !p->clip_done)
        work_queue_look_again(w);   /* its clip may be pending again, for others that wait */
    end_over(p);
}

void work_post_completion(struct job *j)
{
    struct end_post *p = new_end(j, j->end.message);
    if (!p)
        return;
    struct store_completion *c = &p->c;
    c->failure = j->end.failure;
    c->partial = j->end.failure != FAIL_NONE;
    c->message = c->partial ? p->message : NULL;
    c->frames_decoded = j->end.decoded;
    c->frames_sampled = j->end.sampled;
    c->batches = j->batches;
    c->mean_batch = j->batches ? (double) j->batch_frames / (double) j->batches : 0;
    c->oom_halvings = j->halvings;
    c->wall_ns = cq_now_ns() - j->begun_ns;
    memcpy(c->stages, j->stages, sizeof c->stages);
    c->score = *job_score_complete(j);
    p->scene = j->pipeline->scene;
    j->w->tally.frames_decoded += j->end.decoded;
    post_end(p, write_completion, completion_written);
}

/* What the failure made of the job is seen from the totals before and after it. */
static enum cq_err write_failure(struct store *s, void *arg)
{
    struct end_post *p = arg;
    enum cq_err err = store_get_counts(s, &p->before);
    if (!err)
        err = note_attempt(s, p);
    if (!err)
        err = store_fail_attempt(s, p->c.job_id, p->c.attempt, p->owner, p->c.failure, p->message, p->max_attempts);
    if (err == CQ_STALE)
        return CQ_OK;
    return err ? err : store_get_counts(s, &p->after);
}

static int64_t clips_over(const struct store_counts *c)
{
    return c->partial + c->failed + c->dead;
}

static void failure_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    struct work *w = p->job->w;
    if (!work_post_failed(w, err, "failing a job") && p->after.submitted) {
        w->tally.partial += p->after.partial - p->before.partial;
        w->tally.failed += p->after.failed - p->before.failed;
        w->tally.dead += p->after.dead - p->before.dead;
        if (clips_over(&p->after) > clips_over(&p->before)) {
            w->tally.media_s += p->job->claim.probe.duration_s;
            if (p->clip_job)
                segments_drop(w, p->clip_job);
        }
        work_queue_look_again(w);
    }
    end_over(p);
}

void work_post_failure(struct job *j, enum failure f, const char *message)
{
    struct end_post *p = new_end(j, message[0] ? message : failure_text(f));
    if (!p)
        return;
    p->c.failure = f;
    j->w->tally.frames_decoded += j->decoded;
    post_end(p, write_failure, failure_written);
}

static enum cq_err write_release(struct store *s, void *arg)
{
    struct end_post *p = arg;
    return store_release(s, p->owner, p->c.job_id);
}

static void release_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    work_post_failed(p->job->w, err, "handing a job back");
    end_over(p);
}

static enum cq_err write_postponement(struct store *s, void *arg)
{
    struct end_post *p = arg;
    return store_postpone(s, p->owner, p->c.job_id, p->pause_ms, p->c.failure, p->message);
}

void work_post_postponement(struct job *j, int64_t pause_ms, const char *message)
{
    struct end_post *p = new_end(j, message);
    if (!p)
        return;
    p->pause_ms = pause_ms;
    p->c.failure = FAIL_IO;
    post_end(p, write_postponement, release_written);
}

static enum cq_err write_again(struct store *s, void *arg)
{
    enum cq_err err = note_attempt(s, arg);
    return err ? err : write_postponement(s, arg);
}

static void again_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    if (!work_post_failed(p->job->w, err, "handing a job back"))
        work_queue_look_again(p->job->w);
    end_over(p);
}

void work_post_again(struct job *j, enum failure f, int64_t pause_ms, const char *message)
{
    struct end_post *p = new_end(j, message);
    if (!p)
        return;
    p->c.failure = f;
    p->pause_ms = pause_ms;
    j->w->tally.frames_decoded += j->decoded;
    post_end(p, write_again, again_written);
}

void work_post_release(struct job *j)
{
    struct end_post *p = new_end(j, "");
    if (p)
        post_end(p, write_release, release_written);
}

static enum cq_err write_note(struct store *s, void *arg)
{
    return note_attempt(s, arg);
}

static void note_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    work_post_failed(p->job->w, err, "noting an attempt");
    end_over(p);
}

void work_post_note(struct job *j)
{
    struct end_post *p = new_end(j, "");
    if (p)
        post_end(p, write_note, note_written);
}

static enum cq_err write_split(struct store *s, void *arg)
{
    struct end_post *p = arg;
    enum cq_err err = store_split(s, p->c.job_id, p->c.attempt, p->owner, p->parts, p->n_parts);
    return err == CQ_STALE ? CQ_OK : err;
}

static enum cq_err write_unsplit(struct store *s, void *arg)
{
    struct end_post *p = arg;
    enum cq_err err = note_attempt(s, p);
    if (!err)
        err = store_unsplit(s, p->c.job_id, p->c.attempt, p->owner, p->message);
    return err == CQ_STALE ? CQ_OK : err;
}

static void split_written(void *arg, enum cq_err err)
{
    struct end_post *p = arg;
    if (!work_post_failed(p->job->w, err, "splitting a clip"))
        work_queue_look_again(p->job->w);
    end_over(p);
}

void work_post_split(struct job *j, const struct segment *parts, int n)
{
    struct end_post *p = new_end(j, "");
    if (!p)
        return;
    job_score_accepted(j);      /* looking for segments was of use */
    p->parts = malloc((size_t) n * sizeof *parts);
    p->n_parts = n;
    if (!p->parts) {
        free(p);
        work_fail(j->w, CQ_NOMEM);
        return;
    }
    memcpy(p->parts, parts, (size_t) n * sizeof *parts);
    post_end(p, write_split, split_written);
}

void work_post_unsplit(struct job *j, const char *message)
{
    struct end_post *p = new_end(j, message);
    if (!p)
        return;
    j->w->tally.frames_decoded += j->decoded;
    post_end(p, write_unsplit, split_written);
}
