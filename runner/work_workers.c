/* Decode workers: a clip each, frames back. What they write into is work_slots.c's.
 *
 * A process decodes so many clips, then another takes its place (runner/child.h); that is no restart, the worker is the same.
 *
 * The watchdog counts the time in which a worker could have brought a frame and did not: not while it waits for a slot,
 * and never more than two turns of the clock at once, so that a suspended machine does not look like a hung decoder.
 */
#include "runner/work_workers.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/child.h"
#include "runner/work_models.h"
#include "runner/work_worker.h"

enum { OFFER_MAX = 64 };        /* clips that a balancer chooses from */
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

/* What its frames took to decode and scale so far; waiting for slots is not the worker's fault. */
static double busy_s(const struct job *j)
{
    return (double) (j->stages[METRIC_DECODE].sum_ns + j->stages[METRIC_SCALE].sum_ns) / 1e9;
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
        speed_add(&wk->speed, j->cost, busy_s(j) + (double) m.decode_ns / 1e9);
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

static void last_line(const char *words, char *out, size_t size)
{
    size_t end = strlen(words);
    while (end && (words[end - 1] == '\n' || words[end - 1] == ' '))
        end--;
    size_t begin = end;
    while (begin && words[begin - 1] != '\n')
        begin--;
    snprintf(out, size, "%.*s", (int) (end - begin), words + begin);
}

/* It may have been others who took the memory, once. Twice it is what the system found largest. */
static bool was_spared(struct work_workers *ws, int64_t job)
{
    for (int i = 0; i < ws->n_spared && i < WORKERS_SPARED; i++)
        if (ws->spared[i] == job)
            return true;
    ws->spared[ws->n_spared++ % WORKERS_SPARED] = job;
    return false;
}

static void blame_memory(struct job *j)
{
    char text[MSG_TEXT];
    bool again = was_spared(j->w->workers, j->claim.id);
    snprintf(text, sizeof text, "the system killed %s, as it does when memory runs out, after %" PRId64 " frames%s",
             again ? "the second decoder" : "the decoder", j->next_seq,
             again ? "; give it more memory, or fewer --workers beside it, then `clipq retry --class out_of_memory`" : "");
    if (again)
        job_fail(j, FAIL_OUT_OF_MEMORY, text);
    else
        job_spare(j, FAIL_OUT_OF_MEMORY, text);
}

/* It broke the rules, and has decoded other clips before this one: any of them may have made it do so. */
static bool others_may_be_to_blame(const struct worker *wk, const struct child_exit *e)
{
    return e->executed && !wk->hung && wk->parsed > 0 && !was_spared(wk->w->workers, wk->job->claim.id);
}

static void blame_job(struct worker *wk, const struct child_exit *e)
{
    char words[300], text[MSG_TEXT];
    struct job *j = wk->job;
    bool spare = others_may_be_to_blame(wk, e);
    wk->job = NULL;
    j->worker = NULL;
    snprintf(j->words, sizeof j->words, "%s", e->last_words);
    last_line(e->last_words, words, sizeof words);
    if (child_exit_short_of_memory(e)) {
        blame_memory(j);
        return;
    }
    if (wk->hung)
        snprintf(text, sizeof text, "no frame for %.0f s after %" PRId64 " frames; the decoder was killed",
                 wk->w->p.stall_timeout_s, j->next_seq);
    else if (e->signal)
        snprintf(text, sizeof text, "the decoder died of signal %d (%s) after %" PRId64 " frames%s%s", e->signal,
                 strsignal(e->signal), j->next_seq, words[0] ? ": " : "", words);
    else
        snprintf(text, sizeof text, "the decoder ended with code %" PRId64 " after %" PRId64 " frames%s%s", e->status,
                 j->next_seq, words[0] ? ": " : "", words);
    if (spare)
        job_spare(j, FAIL_CRASH, text);
    else
        job_fail(j, wk->hung ? FAIL_HANG : FAIL_CRASH, text);
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e)
{
    struct worker *wk = ctx;
    (void) c;
    child_destroy(&wk->child);
    worker_take_loans_back(wk);
    if (wk->job)
        blame_job(wk, e);
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

/* ---- clips out ---- */

static void send_job(struct worker *wk, struct job *j)
{
    const struct probe *p = &j->claim.probe;
    struct msg_job m = {
        .serial = j->serial, .path = j->claim.path, .stream_index = p->stream_index, .expect_size = p->size,
        .expect_mtime_ns = p->mtime_ns, .sample = j->pipeline->sample, .rotation = p->rotation,
        .mirrored = p->mirrored, .n_targets = j->pipeline->n_models,
    };
    memcpy(m.targets, j->targets, sizeof m.targets);
    m.is_segment = j->claim.parent_id != 0;
    m.segment = j->claim.segment;
    j->scanning = segments_wanted(j);
    if (j->scanning)
        m.wish = (struct segment_wish) {.longest_s = wk->w->p.split_s, .at_once = wk->w->p.workers};
    m.threads = j->threads = work_threads_for(wk->w, j);
    if (j->threads > 1)
        cq_log_info(wk->w->log, "job %" PRId64 " (%s) is decoded on %d threads", j->claim.id, j->claim.path, j->threads);
    struct cq_buf body = {0};
    msg_put_job(&body, &m);
    child_take_words(wk->child, j->words);      /* of the clip before: no words of this one */
    j->words[0] = '\0';
    j->worker = wk;
    j->worker_pid = child_pid(wk->child);
    wk->job = j;
    wk->came_up = true;
    wk->stalled_ns = wk->scanned = 0;
    /* An error means that it is gone, and on_exit follows. */
    if (child_open(wk->child, m.serial, m.path) == CQ_NOMEM || child_send(wk->child, MSG_JOB, &body) == CQ_NOMEM)
        work_fail(wk->w, CQ_NOMEM);
    cq_buf_finish(&body);
}

/* Of those that have done a clip; workers of one machine differ little. */
static double usual_speed(const struct work_workers *ws)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < ws->n; i++) {
        double speed = speed_of(&ws->list[i].speed, 0);
        sum += speed;
        n += speed > 0;
    }
    return n ? sum / n : 1;
}

static double load_of(const struct worker *wk, double speed)
{
    const struct job *j = wk->job;
    return j ? speed_load(j->cost, speed, busy_s(j), (double) (cq_now_ns() - j->begun_ns) / 1e9) : 0;
}

/* For the balancer; false: nobody is ready. */
static bool describe_workers(struct work_workers *ws)
{
    bool any = false;
    double guess = usual_speed(ws);
    for (int i = 0; i < ws->n; i++) {
        const struct worker *wk = &ws->list[i];
        bool alive = wk->state == WORKER_READY && wk->child && !wk->dismissed;
        double speed = speed_of(&wk->speed, guess);
        ws->targets[i] = (struct balancer_target) {
            .ready = alive && !wk->job && child_is_ready(wk->child), .speed = alive ? speed : 0,
            .load = load_of(wk, speed),
        };
        any = any || ws->targets[i].ready;
    }
    return any;
}

static void start_jobs(struct work *w)
{
    struct work_workers *ws = w->workers;
    struct job *jobs[OFFER_MAX];
    double costs[OFFER_MAX];
    struct balancer_pair p;
    while (describe_workers(ws)) {
        const struct balancer_work offer = {.costs = costs, .n = work_jobs_ready(w, jobs, OFFER_MAX), .later = work_ahead_cost(w)};
        for (int i = 0; i < offer.n; i++)
            costs[i] = jobs[i]->cost;
        if (!offer.n || !balancer_pick(&ws->balancer, ws->targets, ws->n, &offer, &p))
            return;
        job_begin(jobs[p.work]);
        send_job(&ws->list[p.target], jobs[p.work]);
    }
}

void work_workers_turn(struct work *w)
{
    if (w->phase == WORK_RUNNING)
        start_jobs(w);
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
