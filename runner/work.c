/* The supervisor's life: what it starts, one turn of its loop, signals, and how it stops.
 *
 * It ends in one of four ways: the queue is empty, a signal drained it, a second one (or the drain's time limit)
 * aborted it, or it cannot go on (no device, no database, no model). Whatever the way, nothing stays leased.
 */
#include "runner/work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/balancer.h"
#include "runner/files.h"
#include "runner/log_relay.h"
#include "runner/orphans.h"
#include "runner/owner.h"
#include "runner/work_cache.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"
#include "runner/work_mounts.h"
#include "runner/work_progress.h"
#include "runner/work_queue.h"
#include "runner/work_score.h"
#include "runner/work_state.h"
#include "runner/work_workers.h"

static const int64_t tick_ms = 250, batch_wait_ns = 20000000;

enum { SIGNALS = 5 };

/* What only this file needs. */
struct life {
    struct work work;           /* first: found from it */
    uv_prepare_t turn;
    uv_timer_t tick, beat, due;
    uv_signal_t signals[SIGNALS];
    struct orphans orphans;
    int64_t ticked_ns, drain_until_ns;
    bool loop_open;
};

static const int signal_numbers[SIGNALS] = {SIGINT, SIGTERM, SIGUSR1, SIGTSTP, SIGCONT};

/* ---- one turn ---- */

static void look_for_end(struct work *w)
{
    const struct work_pipeline *failed = work_models_all_failed(w);
    if (w->phase == WORK_RUNNING && failed && !work_jobs_active(w)) {
        work_fail(w, failed->err == CQ_OK ? CQ_INTERNAL : failed->err);
    } else if (w->phase == WORK_RUNNING && !work_jobs_active(w) && work_queue_is_empty(w) && !w->p.forever) {
        w->phase = WORK_MATCHING;
        work_match(w);
    } else if (w->phase == WORK_RUNNING && !work_jobs_active(w) && work_queue_rests(w) && !w->p.forever &&
               work_mounts_hopeless(w)) {
        cq_log_error(w->log, "%s cannot be read and nothing else is left to do: the run ends, `clipq work` goes on later",
                     work_mounts_hopeless(w));
        w->phase = WORK_MATCHING;
        work_match(w);
    } else if (w->phase == WORK_DRAINING && !work_jobs_active(w)) {
        w->phase = WORK_STOPPED;
    }
}

static void batch_is_due(uv_timer_t *t)
{
    (void) t;                   /* the turn that follows sends it */
}

static void wait_for_batches(struct life *l)
{
    int64_t ns = batcher_due_in(&l->work.batcher, cq_now_ns());
    if (ns < 0)
        uv_timer_stop(&l->due);
    else
        uv_timer_start(&l->due, batch_is_due, (uint64_t) (ns / 1000000 + 1), 0);
}

/* Models have loaded or failed, or an engine is gone: pipelines first, for jobs are judged by them. */
static void settle(struct work *w)
{
    w->engines_changed = false;
    work_models_settle(w);
    work_jobs_settle(w);
}

static void work_turn(uv_prepare_t *handle)
{
    struct life *l = handle->data;
    struct work *w = &l->work;
    log_relay_deliver(w->store_log);
    if (w->engines_changed)
        settle(w);
    if (w->phase != WORK_STOPPED) {
        work_claim(w);
        work_workers_turn(w);
        work_cache_turn(w);
        work_batches_turn(w);
        work_workers_turn(w);   /* batches that went out may have made room for slots */
        look_for_end(w);
        work_score_turn(w);
    }
    if (w->phase == WORK_STOPPED)
        uv_stop(&w->loop);
    else
        wait_for_batches(l);
}

/* ---- clocks and signals ---- */

static void abort_run(struct work *w)
{
    w->aborted = true;
    w->phase = WORK_STOPPED;
}

static void on_tick(uv_timer_t *t)
{
    struct life *l = t->data;
    int64_t now = cq_now_ns(), elapsed = now - l->ticked_ns;
    l->ticked_ns = now;
    if (elapsed > 2 * tick_ms * 1000000)
        elapsed = 2 * tick_ms * 1000000;
    work_workers_tick(&l->work, elapsed);
    work_engines_tick(&l->work, elapsed);
    if (l->work.phase == WORK_DRAINING && now > l->drain_until_ns) {
        cq_log_warn(l->work.log, "the drain's time is over; %d clips go back into the queue", work_jobs_active(&l->work));
        abort_run(&l->work);
    }
    orphans_bury(&l->orphans, now);
    work_control_tick(&l->work);
    work_cache_tick(&l->work);
    work_progress_tell(&l->work, false);
    work_health_tell(&l->work, false);
}

static void on_beat(uv_timer_t *t)
{
    work_heartbeat(&((struct life *) t->data)->work);
}

static void drain(struct life *l, int signal)
{
    struct work *w = &l->work;
    char note[128];
    w->signal = signal;
    if (w->phase == WORK_MATCHING) {
        w->phase = WORK_STOPPED;
        return;
    }
    w->phase = WORK_DRAINING;
    l->drain_until_ns = cq_now_ns() + (int64_t) (w->p.drain_timeout_s * 1e9);
    work_jobs_release_waiting(w);
    int clips = work_jobs_active(w);
    snprintf(note, sizeof note, "finishing %d clip%s; press Ctrl-C again to abort", clips, clips == 1 ? "" : "s");
    work_note(w, note);
    cq_log_warn(w->log, "%s", note);
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct life *l = handle->data;
    if (signal == SIGUSR1)
        work_progress_log(&l->work);
    else if (signal == SIGTSTP || signal == SIGCONT)
        work_control_hold(&l->work, signal == SIGTSTP);
    else if (!l->work.signal)
        drain(l, signal);
    else
        abort_run(&l->work);
}

/* ---- start ---- */

static enum cq_err fill_defaults(struct work *w, const struct work_params *p)
{
    w->p = *p;
    w->p.devices = p->devices && p->devices[0] ? p->devices : "auto";
    w->p.workers = p->workers > 0 ? p->workers : arena_usual_parts();
    w->p.drain_timeout_s = p->drain_timeout_s > 0 ? p->drain_timeout_s : 60;
    w->p.max_attempts = p->max_attempts > 0 ? p->max_attempts : 3;
    w->p.lease_ms = p->lease_ms > 0 ? p->lease_ms : 60000;
    w->p.stall_timeout_s = p->stall_timeout_s > 0 ? p->stall_timeout_s : 60;
    w->p.io_pause_s = p->io_pause_s > 0 ? p->io_pause_s : 60;
    w->p.batch_timeout_s = p->batch_timeout_s > 0 ? p->batch_timeout_s : 600;
    w->p.cache_bytes = p->cache_bytes > 0 ? p->cache_bytes : (int64_t) 64 << 20;
    w->p.cache_disk_bytes = p->cache_disk_bytes > 0 ? p->cache_disk_bytes : (int64_t) 1 << 30;
    w->p.cache_ttl_s = p->cache_ttl_s > 0 ? p->cache_ttl_s : 7 * 86400;
    w->p.arena_bytes = p->arena_bytes > 0 ? p->arena_bytes : (int64_t) 256 << 20;
    w->balance = p->balance ? balancer_find(p->balance) : balancer_classes[0];
    if (!w->balance)
        return CQ_INVALID;
    w->log = p->log;
    w->batcher.max_wait_ns = batch_wait_ns;
    return owner_name(w->owner, sizeof w->owner) ? CQ_OK : CQ_INTERNAL;
}

static enum cq_err start_loop(struct life *l)
{
    uv_loop_t *loop = &l->work.loop;
    if (uv_loop_init(loop))
        return CQ_NOMEM;
    l->loop_open = true;
    uv_prepare_init(loop, &l->turn);
    uv_timer_init(loop, &l->tick);
    uv_timer_init(loop, &l->beat);
    uv_timer_init(loop, &l->due);
    l->turn.data = l->tick.data = l->beat.data = l->due.data = l;
    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(loop, &l->signals[i]);
        l->signals[i].data = l;
    }
    l->ticked_ns = cq_now_ns();
    uint64_t tick = (uint64_t) tick_ms, beat = (uint64_t) l->work.p.lease_ms / 3;
    bool failed = uv_prepare_start(&l->turn, work_turn) || uv_timer_start(&l->tick, on_tick, tick, tick) ||
                  uv_timer_start(&l->beat, on_beat, beat, beat);
    for (int i = 0; i < SIGNALS; i++)
        failed = uv_signal_start(&l->signals[i], on_signal, signal_numbers[i]) || failed;
    return failed ? CQ_IO : CQ_OK;
}

/* The store is opened here and handed to the writer's thread once the run is registered. */
static enum cq_err open_store(struct work *w)
{
    struct store *s;
    enum cq_err err = log_relay_create(w->log, &w->store_log);
    if (!err)
        err = store_open(log_relay_log(w->store_log), w->p.db_path, STORE_WRITE, &s);
    if (err)
        return err;
    err = work_claims_create(w, s);
    if (!err)
        err = work_tunings_create(w, s);
    if (!err)
        err = work_score_create(w, s);
    if (!err)
        return writer_create(&w->loop, log_relay_log(w->store_log), s, &w->writer);
    store_close(&s);
    return err;
}

static enum cq_err start_modules(struct work *w)
{
    enum cq_err err = work_progress_create(w);
    if (!err)
        err = work_health_create(w);
    if (!err)
        err = work_mounts_create(w);
    if (!err)
        err = work_control_create(w);
    if (!err)
        err = work_lanes_create(w);
    if (!err)
        err = work_models_create(w);
    if (!err)
        err = work_jobs_create(w);
    if (!err)
        err = open_store(w);
    if (!err)
        err = arena_create(w->log, w->p.arena_bytes, w->p.workers, &w->arena);
    if (!err)
        err = work_cache_create(w);
    if (!err)
        err = work_batches_create(w);
    if (!err)
        err = work_engines_create(w);
    return err ? err : work_workers_create(w);
}

/* ---- stop ---- */

struct farewell {
    char owner[256];
    int64_t run_id;
    struct store_run_end end;
    struct store_score score;
    struct store_limit *limits; /* owned, [n_limits] */
    int n_limits;
    struct store_counts counts;
    struct cq_log *log;         /* the writer's */
    const char *folder;         /* NULL: the engines were never made */
};

static enum cq_err write_farewell(struct store *s, void *arg)
{
    struct farewell *f = arg;
    enum cq_err err = store_release(s, f->owner, 0);
    if (!err)
        err = store_end_run(s, f->run_id, &f->end);
    if (!err)
        err = store_put_run_score(s, f->run_id, &f->score);
    for (int i = 0; i < f->n_limits && !err; i++)
        err = store_put_limit(s, &f->limits[i]);
    return err ? err : store_get_counts(s, &f->counts);
}

static enum cq_err sweep_files(struct store *s, void *arg)
{
    struct farewell *f = arg;
    return files_sweep(f->log, s, f->folder);
}

static const char *reason_of(const struct work *w)
{
    return w->fatal ? cq_err_text(w->fatal) : w->aborted ? "aborted" : w->signal ? "drained" : "finished";
}

static void say_farewell(struct work *w, struct farewell *f)
{
    const struct work_tally *t = &w->tally;
    snprintf(f->owner, sizeof f->owner, "%s", w->owner);
    f->run_id = w->run_id;
    f->end = (struct store_run_end) {
        .frames_decoded = t->frames_decoded, .frames_sampled = t->frames_sampled, .frames_inferred = t->frames_inferred,
        .cache = t->cache, .batches = t->batches, .oom_halvings = t->oom_halvings, .worker_restarts = t->worker_restarts,
        .engine_restarts = t->engine_restarts, .media_s = t->media_s, .end_reason = reason_of(w),
        .engines = work_engines_alive(w), .prepare_s = work_engines_prepare_s(w),
        .devices = w->engines ? work_engines_account(w) : "",
    };
    memcpy(f->end.stages, t->stages, sizeof f->end.stages);
    if (w->engines)
        work_score_run(w, &f->score);
    if (work_score_limits(w, &f->limits, &f->n_limits))
        cq_log_warn(w->log, "no memory to keep how fast the devices are");
    f->log = log_relay_log(w->store_log);
    f->folder = w->engines ? work_engines_folder(w) : NULL;
    writer_post(w->writer, &(struct writer_post) {.work = write_farewell, .arg = f});
    if (f->folder)
        writer_post(w->writer, &(struct writer_post) {.work = sweep_files, .arg = f});
}

static void close_handles(struct life *l)
{
    uv_close((uv_handle_t *) &l->turn, NULL);
    uv_close((uv_handle_t *) &l->tick, NULL);
    uv_close((uv_handle_t *) &l->beat, NULL);
    uv_close((uv_handle_t *) &l->due, NULL);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *) &l->signals[i], NULL);
}

/* Children first: nothing may come in while the writer says its last `done`s. */
static void stop(struct life *l, struct farewell *f)
{
    struct work *w = &l->work;
    w->phase = WORK_STOPPED;
    if (w->progress && w->engines && w->claims)
        work_progress_tell(w, true);
    if (w->writer && w->engines && w->workers)
        work_health_tell(w, true);
    work_workers_stop(w);
    work_engines_stop(w);
    if (w->writer)
        say_farewell(w, f);
    writer_destroy(&w->writer);
    log_relay_destroy(&w->store_log);
    if (l->loop_open) {
        close_handles(l);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        uv_loop_close(&w->loop);
    }
    work_jobs_abandon(w);
    work_workers_destroy(w);
    work_engines_destroy(w);
    work_batches_destroy(w);
    work_cache_destroy(w);
    work_tunings_destroy(w);
    work_jobs_destroy(w);
    work_score_destroy(w);
    work_models_destroy(w);
    work_lanes_destroy(w);
    work_claims_destroy(w);
    work_control_destroy(w);
    work_progress_destroy(w);
    work_health_destroy(w);
    work_mounts_destroy(w);
    arena_destroy(&w->arena);
}

enum cq_err work_run(const struct work_params *p, struct work_result *out)
{
    struct life *l = calloc(1, sizeof *l);
    struct farewell *f = calloc(1, sizeof *f);
    enum cq_err err = l && f ? fill_defaults(&l->work, p) : CQ_NOMEM;
    if (!err)
        err = start_loop(l);
    if (!err)
        err = start_modules(&l->work);
    if (!err)
        uv_run(&l->work.loop, UV_RUN_DEFAULT);
    if (l) {
        struct work *w = &l->work;
        err = err ? err : w->fatal;
        w->fatal = err;
        stop(l, f);
        *out = (struct work_result) {
            .done = w->tally.done, .partial = w->tally.partial, .failed = w->tally.failed, .dead = w->tally.dead,
            .left = f->counts.pending, .elsewhere = f->counts.running, .signal = w->signal, .aborted = w->aborted,
        };
    }
    if (f)
        free(f->limits);
    free(f);
    free(l);
    return err;
}
