/* An engine's life: started, listened to, started again when it dies, taken out of service when that is of no use.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/child.h"
#include "runner/work_cache.h"
#include "runner/work_engine.h"

enum { DEATHS_MAX = 5 };

static enum cq_err on_hello(struct engine *e, struct cq_rd *body)
{
    struct msg_hello m;
    if (msg_get_hello(body, &m) || e->state != ENGINE_STARTING)
        return CQ_PROTOCOL;
    engine_count_preparation(e);
    e->err = m.err;
    if (m.err) {
        e->state = ENGINE_OUT;
        cq_log_error(e->w->log, "%s", m.message);
        if (!work_engines_alive(e->w))
            work_fail(e->w, m.err);
        return CQ_OK;
    }
    e->state = ENGINE_UP;
    e->is_cpu = m.is_cpu;
    e->units = m.compute_units;
    e->budget = m.budget;
    snprintf(e->spec, sizeof e->spec, "%s", m.spec);
    snprintf(e->name, sizeof e->name, "%s", m.name);
    snprintf(e->chosen, sizeof e->chosen, "%s", m.message);
    snprintf(e->driver, sizeof e->driver, "%s", m.driver);
    cq_log_info(e->w->log, "engine %d: %s (%s), %d compute units, %" PRId64 " MiB for models", child_pid(e->child), m.name,
                m.spec, m.compute_units, m.budget >> 20);
    work_tunings_send(e);
    work_engines_load(e->w);
    return CQ_OK;
}

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct engine *e = ctx;
    enum cq_err err = msg->type == MSG_HELLO ? on_hello(e, &msg->body)
                    : msg->type == MSG_READY ? engine_take_ready(e, &msg->body)
                    : msg->type == MSG_TUNED ? engine_take_tuning(e, &msg->body)
                    : msg->type == MSG_RESULT ? engine_take_result(e, &msg->body)
                    : CQ_PROTOCOL;
    if (err == CQ_NOMEM) {
        work_fail(e->w, err);
    } else if (err) {
        cq_log_error(e->w->log, "engine %d sent a message that makes no sense; it is killed", child_pid(c));
        child_kill(c, SIGKILL);
    }
}

static void restart_now(uv_timer_t *t)
{
    struct engine *e = t->data;
    if (e->w->phase != WORK_STOPPED)
        engine_start(e);
}

static void start_later(struct engine *e)
{
    if (++e->deaths > DEATHS_MAX) {
        e->state = ENGINE_OUT;
        e->err = CQ_DEVICE;
        cq_log_error(e->w->log, "the engine of %s died %d times in a row and is taken out of service", e->name, e->deaths);
        if (!work_engines_alive(e->w))
            work_fail(e->w, CQ_DEVICE);
        e->w->engines_changed = true;
        return;
    }
    e->state = ENGINE_WAITING;
    uv_timer_start(&e->restart, restart_now, work_backoff_ms(e->deaths - 1), 0);
}

/* While it prepares, its kernels are loaded; later, damaged code shows in these ways. Not to be confused with a lack of
 * memory: compiling takes seconds. */
static bool kernels_are_suspect(const struct engine *e, const struct child_exit *why)
{
    if (why->executed || child_exit_short_of_memory(why))
        return false;
    return e->state == ENGINE_STARTING || engine_is_loading(e) || why->signal == SIGSEGV || why->signal == SIGBUS ||
           why->signal == SIGILL || why->status == 127;
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e_)
{
    struct engine *e = ctx;
    (void) c;
    child_destroy(&e->child);
    if (e->w->phase == WORK_STOPPED || e->state == ENGINE_OUT)
        return;
    cq_log_warn(e->w->log, "the engine of %s ended (%s %d), %d batches go to the next one: %s", e->name,
                e_->signal ? "signal" : "code", e_->signal ? e_->signal : (int) e_->status, e->n_flight, e_->last_words);
    e->w->tally.engine_restarts++;
    e->restarts++;
    e->cpu_before_s += e->cpu_s;
    e->cpu_s = 0;
    e->afresh = kernels_are_suspect(e, e_);
    engine_return_batches(e, e_);
    engine_forget_models(e, e_);
    start_later(e);
    e->w->engines_changed = true;
}

static void send_setup(struct engine *e)
{
    struct msg_setup m = {
        .device = e->spec, .memory_limit = e->w->p.memory_limit, .afresh = e->afresh, .folder = e->w->engines->folder,
        .folder_label = e->w->engines->folder_label, .sandbox = e->w->p.sandbox, .seed = work_cache_seed(e->w),
    };
    struct cq_buf body = {0};
    msg_put_setup(&body, &m);
    child_send(e->child, MSG_SETUP, &body);
    cq_buf_finish(&body);
}

void engine_start(struct engine *e)
{
    int fds[ARENA_PARTS];
    const struct child_params params = {
        .role = "engine", .arena_fds = fds, .n_arena_fds = arena_parts(e->w->arena), .log = e->w->log,
        .on_message = on_message, .on_exit = on_exit_seen, .ctx = e,
    };
    e->state = ENGINE_STARTING;
    e->hung = false;
    e->silent_ns = 0;
    e->preparing_ns = cq_now_ns();
    enum cq_err err = arena_open_readers(e->w->log, e->w->arena, fds);
    if (!err) {
        err = child_spawn(&e->w->loop, &params, &e->child);
        arena_close_readers(e->w->arena, fds);
    }
    if (err)
        start_later(e);
    else
        send_setup(e);
}

/* A driver that hangs says nothing at all. The batch is run again as it is: its size is hardly to blame. */
void work_engines_tick(struct work *w, int64_t elapsed_ns)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        struct engine *e = &w->engines->list[i];
        if (!e->n_flight || !e->child || e->hung)
            continue;
        e->silent_ns += elapsed_ns;
        if ((double) e->silent_ns < w->p.batch_timeout_s * 1e9)
            continue;
        e->hung = true;
        cq_log_error(w->log, "the engine of %s gave no answer for %.0f s and is killed (--batch-timeout)", e->name,
                     w->p.batch_timeout_s);
        child_kill(e->child, SIGKILL);
    }
}
