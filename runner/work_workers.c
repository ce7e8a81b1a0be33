/* Decode workers: a clip each, frames back. What they write into is work_slots.c's.
 *
 * A process decodes so many clips, then another takes its place (runner/child.h); that is no restart, the worker is the same.
 *
 * The watchdog counts the time in which a worker could have brought a frame and did not: not while it waits for a slot,
 * and never more than two turns of the clock at once, so that a suspended machine does not look like a hung decoder.
 */
#include "runner/work_workers.h"

#include <signal.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/child.h"
#include "runner/work_worker.h"

enum { CPUS_OF_A_DECODER = 16 };
enum { START_S = 10 };          /* that a program may take to start, beside the watchdog's time */
enum { DEATHS_MAX = 20 };       /* in a row, without a clip between: out of service */

/* ---- messages ---- */

static enum cq_err on_frame(struct worker *wk, struct cq_rd *body)
{
    struct msg_frame m;
    enum cq_err err = msg_get_frame(body, &m);
    if (err || !wk->job || m.serial != wk->job->serial || !worker_return_loan(wk, m.slot, &m.slot))
        return CQ_PROTOCOL;
    wk->stalled_ns = 0;
    wk->frames++;
    wk->last_frame_ms = cq_utc_ms();
    err = job_add_frame(wk->job, &m);
    if (err)
        arena_give(wk->w->arena, m.slot);
    return err;
}

static enum cq_err on_alive(struct worker *wk, struct cq_rd *body)
{
    struct msg_alive m;
    if (msg_get_alive(body, &m) || !wk->job || m.serial != wk->job->serial)
        return CQ_PROTOCOL;
    int64_t *heard = wk->job->scanning ? &wk->scanned : &wk->job->decoded;
    if (m.decoded > *heard)
        wk->stalled_ns = 0;
    *heard = m.decoded;
    return CQ_OK;
}

/* Whoever a clip has made of this process shall not have the next one. */
static void has_parsed(struct worker *wk)
{
    int most = wk->w->p.clips_per_worker;
    if (++wk->parsed < most || !most)
        return;
    wk->parsed = 0;
    wk->stalled_ns = 0;
    if (child_renew(wk->child) == CQ_NOMEM)
        work_fail(wk->w, CQ_NOMEM);
}

static enum cq_err on_segments(struct worker *wk, struct cq_rd *body)
{
    struct job *j = wk->job;
    if (!j || !j->scanning)
        return CQ_PROTOCOL;
    wk->job = NULL;
    j->worker = NULL;
    enum cq_err err = segments_found(j, body);
    if (err) {
        wk->job = j;            /* it is blamed for it */
        j->worker = wk;
    }
    if (!err) {
        wk->deaths = 0;
        has_parsed(wk);
    }
    return err;
}

static enum cq_err on_end(struct worker *wk, struct cq_rd *body)
{
    struct msg_end m;
    if (msg_get_end(body, &m) || !wk->job || wk->job->scanning || m.serial != wk->job->serial)
        return CQ_PROTOCOL;
    struct job *j = wk->job;
    child_take_words(wk->child, j->words);
    if (m.end.failure == FAIL_NONE)
        speed_add(&wk->speed, j->cost, job_busy_s(j) + (double) m.decode_ns / 1e9);
    wk->job = NULL;
    j->worker = NULL;
    wk->deaths = 0;
    wk->clips++;
    worker_take_loans_back(wk);
    has_parsed(wk);
    job_end(j, &m);
    return CQ_OK;
}

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct worker *wk = ctx;
    if (wk->dismissed)
        return;
    enum cq_err err = msg->type == MSG_FRAME ? on_frame(wk, &msg->body)
                    : msg->type == MSG_ALIVE ? on_alive(wk, &msg->body)
                    : msg->type == MSG_END ? on_end(wk, &msg->body)
                    : msg->type == MSG_SEGMENTS ? on_segments(wk, &msg->body)
                    : CQ_PROTOCOL;
    if (err == CQ_NOMEM) {
        work_fail(wk->w, err);
    } else if (err) {
        cq_log_error(wk->w->log, "decode worker %d sent a message that makes no sense; it is killed", child_pid(c));
        child_kill(c, SIGKILL);
    }
}

/* ---- life ---- */

static void start(struct worker *wk);

static void restart_now(uv_timer_t *t)
{
    struct worker *wk = t->data;
    if (wk->w->phase != WORK_STOPPED)
        start(wk);
}

static void start_later(struct worker *wk)
{
    if (wk->deaths >= DEATHS_MAX) {
        wk->state = WORKER_OUT;
        cq_log_error(wk->w->log, "a decode worker died %d times in a row and is taken out of service", wk->deaths);
        if (!work_workers_alive(wk->w))
            work_fail(wk->w, CQ_INTERNAL);
        return;
    }
    wk->state = WORKER_WAITING;
    uv_timer_start(&wk->restart, restart_now, work_backoff_ms(wk->deaths), 0);
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e)
{
    struct worker *wk = ctx;
    (void) c;
    child_destroy(&wk->child);
    worker_take_loans_back(wk);
    if (wk->job)
        worker_blame_job(wk, e);
    if (wk->w->phase == WORK_STOPPED)
        return;
    wk->w->tally.worker_restarts++;
    wk->restarts++;
    wk->cpu_before_s += wk->cpu_s;
    wk->cpu_s = 0;
    wk->deaths += !wk->dismissed;
    start_later(wk);
}

/* Above what the watchdog lets pass, which counts time: it is for a decoder that computes while it holds no slot. */
static int cpu_limit(const struct work *w)
{
    return (int) (w->p.stall_timeout_s * CPUS_OF_A_DECODER) + 10;
}

static void start(struct worker *wk)
{
    const int fd = arena_fd(wk->w->arena, worker_part(wk));
    const struct child_params params = {
        .role = "decode", .arena_fds = &fd, .n_arena_fds = 1, .parses_media = true, .sandbox = wk->w->p.sandbox,
        .cpu_s = cpu_limit(wk->w), .log = wk->w->log, .on_message = on_message,
        .on_exit = on_exit_seen, .ctx = wk,
    };
    wk->hung = wk->dismissed = wk->came_up = false;
    wk->parsed = 0;
    wk->stalled_ns = 0;
    wk->state = WORKER_READY;
    if (child_spawn(&wk->w->loop, &params, &wk->child)) {
        wk->deaths++;
        start_later(wk);
    }
}

void worker_forget_job(struct worker *wk)
{
    wk->job->worker = NULL;
    wk->job = NULL;
    wk->dismissed = true;
    if (wk->child)
        child_kill(wk->child, SIGKILL);
}

enum cq_err work_workers_create(struct work *w)
{
    struct work_workers *ws = w->workers = calloc(1, sizeof *ws);
    if (!ws)
        return CQ_NOMEM;
    ws->list = calloc((size_t) w->p.workers, sizeof *ws->list);
    ws->targets = calloc((size_t) w->p.workers, sizeof *ws->targets);
    enum cq_err err = balancer_init(&ws->balancer, w->balance);
    if (!ws->list || !ws->targets || err)
        return CQ_NOMEM;
    ws->n = w->p.workers;
    ws->cpus = (int) uv_available_parallelism();
    for (int i = 0; i < ws->n; i++) {
        struct worker *wk = &ws->list[i];
        wk->w = w;
        uv_timer_init(&w->loop, &wk->restart);
        wk->restart.data = wk;
        start(wk);
    }
    return CQ_OK;
}

void work_workers_stop(struct work *w)
{
    for (int i = 0; w->workers && i < w->workers->n; i++) {
        struct worker *wk = &w->workers->list[i];
        uv_close((uv_handle_t *) &wk->restart, NULL);
        child_destroy(&wk->child);
    }
}

/* After the loop has closed the timers. */
void work_workers_destroy(struct work *w)
{
    if (!w->workers)
        return;
    balancer_finish(&w->workers->balancer);
    free(w->workers->targets);
    free(w->workers->list);
    free(w->workers);
    w->workers = NULL;
}

int work_workers_alive(const struct work *w)
{
    int n = 0;
    for (int i = 0; w->workers && i < w->workers->n; i++)
        n += w->workers->list[i].state != WORKER_OUT;
    return n;
}

static const char *state_name(const struct worker *wk)
{
    if (wk->state == WORKER_READY)
        return wk->job ? "busy" : "idle";
    return wk->state == WORKER_WAITING ? "waiting" : "out";
}

int work_workers_health(struct work *w, struct store_worker *rows, int max)
{
    int n = w->workers->n < max ? w->workers->n : max;
    for (int i = 0; i < n; i++) {
        struct worker *wk = &w->workers->list[i];
        wk->cpu_s = wk->child ? child_cpu_s(wk->child) : 0;
        rows[i] = (struct store_worker) {
            .role = "decode", .state = state_name(wk), .slot = i, .pid = wk->child ? child_pid(wk->child) : 0,
            .restarts = wk->restarts, .clips = wk->clips, .frames = wk->frames, .cpu_s = wk->cpu_before_s + wk->cpu_s,
            .rss = wk->child ? child_rss_bytes(wk->child) : 0, .last_frame_ms = wk->last_frame_ms,
            .job_id = wk->job ? wk->job->claim.id : 0,
        };
    }
    return n;
}

void work_workers_turn(struct work *w)
{
    if (w->phase == WORK_RUNNING)
        workers_begin_jobs(w);
    work_slots_grant(w);
}

/* ---- the watchdog ---- */

static bool is_awaited(const struct worker *wk)
{
    return !child_is_ready(wk->child) || (wk->job && (wk->n_loans || wk->job->scanning));
}

void work_workers_tick(struct work *w, int64_t elapsed_ns)
{
    for (int i = 0; i < w->workers->n; i++) {
        struct worker *wk = &w->workers->list[i];
        if (!wk->child || wk->hung || !is_awaited(wk))
            continue;
        wk->stalled_ns += elapsed_ns;
        if ((double) wk->stalled_ns < (w->p.stall_timeout_s + (wk->came_up ? 0 : START_S)) * 1e9)
            continue;
        wk->hung = true;
        if (!wk->job)
            cq_log_warn(w->log, "a decode worker does not come up; it is killed");
        child_kill(wk->child, SIGKILL);
    }
}
