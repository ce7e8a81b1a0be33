/* Batches to engines and back.
 *
 * Up to two batches are with an engine, so that it never waits for us. When it dies, they go back to the front
 * of their lanes; the older one is the suspect: its size is halved, and a frame that kills engines alone is
 * given up after the second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/balancer.h"
#include "runner/child.h"
#include "runner/speed.h"
#include "runner/work_cache.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_posts.h"
#include "runner/work_workers.h"

enum { KILLS_MAX = 2 };

struct work_batches {
    struct balancer balancer;
    int64_t now_ns;             /* of this turn */
    bool flush;                 /* batches need not wait for more frames */
};

enum cq_err work_batches_create(struct work *w)
{
    w->batches = calloc(1, sizeof *w->batches);
    return w->batches ? balancer_init(&w->batches->balancer, w->balance) : CQ_NOMEM;
}

void work_batches_destroy(struct work *w)
{
    if (w->batches)
        balancer_finish(&w->batches->balancer);
    free(w->batches);
    w->batches = NULL;
}

static struct frame_input *input_of(struct batch_item *item)
{
    return (struct frame_input *) item;      /* its first member */
}

/* ---- out ---- */

static enum cq_err send_batch(struct engine *e, const struct batch *b)
{
    struct msg_batch *m = calloc(1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    m->id = b->id;
    m->lane = (uint32_t) b->lane;
    m->n = b->n;
    m->hash = work_cache_keeps(e->w, b->lane);
    for (int i = 0; i < b->n; i++) {
        const struct frame_input *in = b->inputs[i];
        const struct frame *f = in->frame;
        m->items[i] = (struct msg_batch_item) {
            .input = f->slot + f->job->inputs[in->model], .geometry = f->geometry[in->model],
            .job_id = f->job->claim.id, .attempt = f->job->claim.attempt, .model = in->model, .seq = f->seq,
        };
    }
    struct cq_buf body = {0};
    msg_put_batch(&body, m);
    enum cq_err err = child_send(e->child, MSG_INFER, &body);
    cq_buf_finish(&body);
    free(m);
    return err == CQ_NOMEM ? err : CQ_OK;    /* a dead engine's batches come back with its exit */
}

static void limits_of(const struct engine *e, int limits[BATCHER_LANES])
{
    memset(limits, 0, BATCHER_LANES * sizeof *limits);
    for (int i = 0; i < work_lanes(e->w); i++)
        limits[i] = e->lanes[i].state == MODEL_READY ? e->lanes[i].limit : 0;
}

/* One batch for one engine, for which one is due. */
static void feed(struct engine *e)
{
    const struct work_batches *bs = e->w->batches;
    struct batch_item *items[BATCHER_MAX];
    int limits[BATCHER_LANES], lane;
    limits_of(e, limits);
    int n = batcher_take(&e->w->batcher, &(struct batcher_ask) {bs->now_ns, limits, bs->flush}, items, &lane);

    struct batch *b = calloc(1, sizeof *b);
    if (!b) {
        batcher_put_back(&e->w->batcher, lane, items, n);
        work_fail(e->w, CQ_NOMEM);
        return;
    }
    *b = (struct batch) {.id = ++e->w->tally.batches, .lane = lane, .n = n, .start_ns = bs->now_ns};
    for (int i = 0; i < n; i++)
        b->inputs[i] = input_of(items[i]);
    e->flight[e->n_flight++] = b;
    if (send_batch(e, b))
        work_fail(e->w, CQ_NOMEM);
}

/* How large the engine's next batch would be, and its lane; 0: none is due for it, or it has its hands full. */
static int due_for(const struct engine *e, int *lane)
{
    const struct work_batches *bs = e->w->batches;
    int limits[BATCHER_LANES];
    if (e->state != ENGINE_UP || e->n_flight == ENGINE_FLIGHT)
        return 0;
    limits_of(e, limits);
    return batcher_look(&e->w->batcher, &(struct batcher_ask) {bs->now_ns, limits, bs->flush}, lane);
}

/* The fastest known; one that has not been tried is worth it. */
static double best_speed(const struct work *w, int lane)
{
    const struct engine *e;
    double best = 0;
    for (int i = 0; (e = work_engine(w, i)); i++) {
        double speed = speed_of(&e->lanes[lane].speed, 0);
        best = speed > best ? speed : best;
    }
    return best > 0 ? best : 1;
}

/* Seconds until it is through with what it has in hand. */
static double seconds_left(const struct engine *e)
{
    double s = 0;
    for (int i = 0; i < e->n_flight; i++) {
        const struct batch *b = e->flight[i];
        double speed = speed_of(&e->lanes[b->lane].speed, best_speed(e->w, b->lane));
        double gone = i ? 0 : (double) (e->w->batches->now_ns - b->start_ns) / 1e9;
        s += speed_left(b->n, speed, gone) / speed;
    }
    return s;
}

/* For a batch of `lane`, in its frames. */
static struct balancer_target describe(const struct engine *e, int lane)
{
    int other;
    bool serves = e->state == ENGINE_UP && e->lanes[lane].state == MODEL_READY;
    double speed = serves ? speed_of(&e->lanes[lane].speed, best_speed(e->w, lane)) : 0;
    return (struct balancer_target) {.ready = serves && due_for(e, &other) > 0, .load = seconds_left(e) * speed, .speed = speed};
}

/* One batch to one engine; false when none is due, or better waits. */
static bool send_one(struct work *w)
{
    struct balancer_target targets[ENGINES_MAX];
    struct engine *e;
    int n = 0, frames = 0, lane = 0;
    for (; (e = work_engine(w, n)); n++)
        if (!frames)
            frames = due_for(e, &lane);
    if (!frames)
        return false;
    for (int i = 0; i < n; i++)
        targets[i] = describe(work_engine(w, i), lane);
    const double cost = frames;
    struct balancer_pair p;
    double later = work_ahead_frames(w) + batcher_count(&w->batcher) - frames;
    if (!balancer_pick(&w->batches->balancer, targets, n, &(struct balancer_work) {&cost, 1, later}, &p))
        return false;
    feed(work_engine(w, p.target));
    return true;
}

void work_batches_turn(struct work *w)
{
    w->batches->now_ns = cq_now_ns();
    w->batches->flush = work_workers_starved(w) && !work_cache_asks(w);
    while (!w->fatal && batcher_count(&w->batcher) && send_one(w))
        ;
}

/* ---- back ---- */

static enum failure failure_of(enum cq_err err)
{
    switch (err) {
    case CQ_UNSUPPORTED:
    case CQ_CORRUPT:
    case CQ_INVALID:  return FAIL_MODEL;
    case CQ_OOM:      return FAIL_OUT_OF_MEMORY;
    case CQ_DEVICE:   return FAIL_DEVICE;
    case CQ_IO:       return FAIL_IO;
    default:          return FAIL_INTERNAL;
    }
}

static void count_for_job(struct job *j, const struct frame_input *in, const struct batch *b, const struct msg_result *m,
                          struct engine *e)
{
    int64_t waited = b->start_ns - in->frame->arrived_ns;
    histogram_add(&j->stages[METRIC_WAIT], waited > 0 ? waited : 0);
    histogram_add(&j->stages[METRIC_INFER], m->infer_ns / m->n);
    histogram_add(&j->stages[METRIC_POSTPROCESS], m->postprocess_ns / m->n);
    j->inferred++;
    j->w->tally.frames_inferred++;
    if (j->last_batch != b->id) {
        j->last_batch = b->id;
        j->batches++;
        j->batch_frames += b->n;
        j->halvings += m->halvings;
    }
    if (!j->device[0])
        snprintf(j->device, sizeof j->device, "%s", e->name);
    job_score_frame(j, e, b->lane, m);
}

/* A place where no file can be written fails every clip alike: that is no fault of theirs. */
static void fail_frame(struct job *j, enum cq_err err, const char *message)
{
    if (err != CQ_FULL && err != CQ_DENIED && err != CQ_NOT_FOUND) {
        job_fail(j, failure_of(err), message);
        return;
    }
    if (!j->w->fatal)
        cq_log_error(j->w->log, "%s: the run stops; what was done stays done", message);
    job_release(j);
    work_fail(j->w, err);
}

static void fail_frames(const struct batch *b, const struct msg_result *m)
{
    for (int i = 0; i < b->n; i++) {
        enum cq_err err = m->err ? m->err : m->answers[i].err;
        if (err)
            fail_frame(b->inputs[i]->frame->job, err, m->err ? m->message : m->answers[i].message);
    }
}

static enum cq_err settle_batch(struct engine *e, const struct batch *b, const struct msg_result *m)
{
    struct work *w = e->w;
    enum cq_err err = CQ_OK;
    w->tally.oom_halvings += m->halvings;
    if (!m->err) {
        engine_score_batch(e, b, m);
        for (int i = 0; i < b->n; i++)
            if (!m->answers[i].err)
                count_for_job(b->inputs[i]->frame->job, b->inputs[i], b, m, e);
        work_cache_keep(w, b->lane, b->inputs, m);
        err = work_post_rows(w, SOURCE_INFERRED, b->inputs, m->answers, b->n);
        if (m->halvings)
            engine_set_limit(e, b->lane, m->safe_batch, true);
    }
    fail_frames(b, m);
    for (int i = 0; i < b->n; i++)
        frame_input_done(b->inputs[i]);
    return err;
}

/* From when it could begin: side by side with the one before is no gain of its own. */
static void count_time(struct engine *e, const struct batch *b)
{
    int64_t now = cq_now_ns();
    double s = (double) (now - b->start_ns) / 1e9;
    speed_add(&e->lanes[b->lane].speed, b->n, s);
    e->busy_s += s;
    if (e->n_flight)
        e->flight[0]->start_ns = now;
}

enum cq_err engine_take_result(struct engine *e, struct cq_rd *body)
{
    struct msg_result *m = calloc(1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    struct batch *b = e->n_flight ? e->flight[0] : NULL;
    enum cq_err err = msg_get_result(body, m);
    if (!err && (!b || m->id != b->id || m->n != (m->err ? 0 : b->n)))
        err = CQ_PROTOCOL;
    if (!err) {
        e->flight[0] = e->flight[1];
        e->n_flight--;
        count_time(e, b);
        e->deaths = 0;
        e->silent_ns = 0;
        e->batches++;
        e->frames += b->n;
        e->last_frame_ms = cq_utc_ms();
        err = settle_batch(e, b, m);
        free(b);
    }
    free(m);
    return err;
}

/* ---- lost ---- */

/* For the run, and once for each job that has frames in the batch. */
static void count_halving(struct work *w, const struct batch *b)
{
    w->tally.oom_halvings++;
    for (int i = 0; i < b->n; i++) {
        struct job *j = b->inputs[i]->frame->job;
        bool seen = false;
        for (int k = 0; k < i && !seen; k++)
            seen = b->inputs[k]->frame->job == j;
        j->halvings += !seen;
    }
}

static void suspect(struct engine *e, const struct batch *b, const struct child_exit *why)
{
    if (b->n > 1) {
        if (!why->executed)
            e->deaths = 0;      /* they are few: each makes the next batch smaller */
        count_halving(e->w, b);
        engine_set_limit(e, b->lane, b->n / 2, true);
        return;
    }
    struct frame_input *in = b->inputs[0];
    if (++in->kills < KILLS_MAX)
        return;
    char text[MSG_TEXT];
    bool memory = child_exit_short_of_memory(why);
    int n = snprintf(text, sizeof text, "frame %" PRId64 " alone killed %d engines", in->frame->seq, in->kills);
    if (memory) {
        e->deaths = 0;          /* the device is not to blame */
        n += snprintf(text + n, sizeof text - (size_t) n, "; it needs %" PRId64 " bytes of memory, the limit is %" PRId64
                      " bytes", e->lanes[b->lane].frame_bytes, e->budget);
    }
    snprintf(text + n, sizeof text - (size_t) n, ": %.300s", why->last_words);
    job_fail(in->frame->job, memory ? FAIL_OUT_OF_MEMORY : FAIL_DEVICE, text);
}

static void put_back(struct work *w, const struct batch *b)
{
    struct batch_item *items[BATCHER_MAX];
    int n = 0;
    for (int i = 0; i < b->n; i++) {
        if (b->inputs[i]->frame->job->settled)
            frame_input_done(b->inputs[i]);
        else
            items[n++] = &b->inputs[i]->item;
    }
    batcher_put_back(&w->batcher, b->lane, items, n);
}

void engine_return_batches(struct engine *e, const struct child_exit *why)
{
    if (e->n_flight && !e->hung)
        suspect(e, e->flight[0], why);
    while (e->n_flight) {
        struct batch *b = e->flight[--e->n_flight];
        put_back(e->w, b);
        free(b);
    }
}

void engine_drop_batches(struct engine *e)
{
    while (e->n_flight) {
        struct batch *b = e->flight[--e->n_flight];
        for (int i = 0; i < b->n; i++)
            frame_input_done(b->inputs[i]);
        free(b);
    }
}
