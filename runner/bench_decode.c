/* A small supervisor: every worker has a few slots of its own, so that no books are needed. A worker that dies, or
 * brings nothing for long, costs its clip and is started again.
 */
#include "runner/bench_decode.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>
#include <xxhash.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/arena.h"
#include "runner/child.h"
#include "runner/limits.h"
#include "runner/messages_decode.h"
#include "stages/answer/card.h"

enum { SLOTS = 4, TICK_MS = 250, CPU_S = 1000 };
static const int64_t hang_ns = INT64_C(60000000000);

struct decoder {
    struct bench_decode *b;
    struct child *child;          /* NULL: not started, or dead */
    int clip;                     /* -1: idle */
    int64_t silent_ns;            /* since it was last heard of */
    bool hung;
};

struct bench_decode {
    struct bench_decode_params params;
    uv_loop_t loop;
    uv_timer_t tick;
    struct arena *arena;
    int64_t ticked_ns;
    int64_t slot_bytes;           /* of the largest frame */
    struct bench_decode_clip *results;   /* the present run's; the caller's */
    bool all;
    int next, busy;
    enum cq_err err;
    struct decoder decoders[];
};

/* ---- clips ---- */

static struct scale_target target_of(const struct card *card, const struct probe *p)
{
    int width, height;
    card_size_for(card, p->display_w > 0 ? p->display_w : 1, p->display_h > 0 ? p->display_h : 1, &width, &height);
    return pipeline_target(card, width, height);
}

void bench_decode_key(const struct bench_decode_params *p, const struct bench_clip *c, struct store_limit *out)
{
    struct scale_target t = target_of(p->card, &c->probe);
    limit_key_of_clip(&c->probe, &p->sample, &t, 1, out);
}

static void grant(struct decoder *d, const int64_t *offsets, int n)
{
    struct msg_grant m = {.serial = (uint32_t) d->clip, .n = n};
    memcpy(m.offsets, offsets, (size_t) n * sizeof *offsets);
    struct cq_buf body = {0};
    msg_put_grant(&body, &m);
    if (child_send(d->child, MSG_GRANT, &body) == CQ_NOMEM)
        d->b->err = CQ_NOMEM;
    cq_buf_finish(&body);
}

static void send_clip(struct decoder *d, int clip)
{
    struct bench_decode *b = d->b;
    const struct bench_clip *c = &b->params.clips->list[clip];
    const struct probe *p = &c->probe;
    struct msg_job m = {
        .serial = (uint32_t) clip, .path = c->path, .stream_index = p->stream_index, .expect_size = p->size,
        .expect_mtime_ns = p->mtime_ns, .sample = b->params.sample, .decode_all = b->all, .threads = b->params.threads, .rotation = p->rotation,
        .mirrored = p->mirrored, .n_targets = 1, .targets = {target_of(b->params.card, p)},
    };
    struct cq_buf body = {0};
    msg_put_job(&body, &m);
    d->clip = clip;
    d->silent_ns = 0;
    b->busy++;
    if (child_open(d->child, m.serial, c->path) == CQ_NOMEM || child_send(d->child, MSG_JOB, &body) == CQ_NOMEM)
        b->err = CQ_NOMEM;
    cq_buf_finish(&body);

    int64_t slots[SLOTS];
    for (int i = 0; i < SLOTS; i++)
        slots[i] = i * b->slot_bytes;
    grant(d, slots, SLOTS);
}

/* Gives out what there is; the run is over when nobody has anything. */
static void feed(struct bench_decode *b)
{
    const struct bench_clips *clips = b->params.clips;
    for (int i = 0; i < b->params.workers; i++) {
        struct decoder *d = &b->decoders[i];
        while (b->next < clips->n && clips->list[b->next].probe.failure)
            b->next++;
        if (b->next < clips->n && d->child && d->clip < 0)
            send_clip(d, b->next++);
    }
    if (b->err || (!b->busy && b->next == clips->n))
        uv_stop(&b->loop);
}

static void end_clip(struct decoder *d, enum failure failure, const char *message)
{
    struct bench_decode_clip *r = &d->b->results[d->clip];
    r->failure = failure;
    snprintf(r->message, sizeof r->message, "%s", message);
    d->clip = -1;
    d->b->busy--;
    feed(d->b);
}

/* ---- messages ---- */

static enum cq_err on_frame(struct decoder *d, struct cq_rd *body)
{
    struct msg_frame m;
    if (msg_get_frame(body, &m) || d->clip < 0 || m.serial != (uint32_t) d->clip)
        return CQ_PROTOCOL;
    struct bench_decode_clip *r = &d->b->results[d->clip];
    r->decode_s += (double) m.decode_ns / 1e9;
    r->scale_s += (double) m.scale_ns / 1e9;
    r->chosen = XXH64(&m.pts, sizeof m.pts, r->chosen);
    r->sampled++;
    grant(d, &m.slot, 1);
    return CQ_OK;
}

static enum cq_err on_end(struct decoder *d, struct cq_rd *body)
{
    struct msg_end m;
    if (msg_get_end(body, &m) || d->clip < 0 || m.serial != (uint32_t) d->clip)
        return CQ_PROTOCOL;
    struct bench_decode_clip *r = &d->b->results[d->clip];
    r->decoded = m.end.decoded;
    r->cpu_s = (double) m.cpu_ns / 1e9;
    r->decode_s += (double) m.decode_ns / 1e9;
    end_clip(d, m.end.failure, m.end.message);
    return CQ_OK;
}

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct decoder *d = ctx;
    d->silent_ns = 0;
    enum cq_err err = msg->type == MSG_FRAME ? on_frame(d, &msg->body)
                    : msg->type == MSG_END ? on_end(d, &msg->body)
                    : msg->type == MSG_ALIVE ? CQ_OK
                    : CQ_PROTOCOL;
    if (err)
        child_kill(c, SIGKILL);
}

/* ---- life ---- */

static void start(struct decoder *d);

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e)
{
    struct decoder *d = ctx;
    char text[128];
    (void) c;
    child_destroy(&d->child);
    if (d->clip < 0) {
        cq_log_error(d->b->params.log, "a decode worker ends without a clip: %s", e->last_words);
        d->b->err = CQ_INTERNAL;
        uv_stop(&d->b->loop);
        return;
    }
    snprintf(text, sizeof text, "the decoder ended (%s %d)", e->signal ? "signal" : "code",
             e->signal ? e->signal : (int) e->status);
    start(d);
    end_clip(d, d->hung ? FAIL_HANG : FAIL_CRASH, d->hung ? "no frame for 60 s; the decoder was killed" : text);
    d->hung = false;
}

static void start(struct decoder *d)
{
    const int fd = arena_fd(d->b->arena, (int) (d - d->b->decoders));
    const struct child_params params = {
        .role = "decode", .arena_fds = &fd, .n_arena_fds = 1, .parses_media = true,
        .sandbox = d->b->params.sandbox, .cpu_s = CPU_S, .log = d->b->params.log, .on_message = on_message,
        .on_exit = on_exit_seen, .ctx = d,
    };
    enum cq_err err = child_spawn(&d->b->loop, &params, &d->child);
    if (err)
        d->b->err = err;
}

/* A machine that was suspended does not make its decoders look hung. */
static void on_tick(uv_timer_t *t)
{
    struct bench_decode *b = t->data;
    const int64_t most = INT64_C(2000000) * TICK_MS, now = cq_now_ns(), elapsed = now - b->ticked_ns;
    b->ticked_ns = now;
    for (int i = 0; i < b->params.workers; i++) {
        struct decoder *d = &b->decoders[i];
        d->silent_ns += elapsed < most ? elapsed : most;
        if (d->clip < 0 || !d->child || d->hung || d->silent_ns < hang_ns)
            continue;
        d->hung = true;
        child_kill(d->child, SIGKILL);
    }
}

static int64_t largest_frame(const struct bench_decode *b)
{
    int64_t most = 1;
    for (int i = 0; i < b->params.clips->n; i++) {
        struct scale_target t = target_of(b->params.card, &b->params.clips->list[i].probe);
        int64_t ignored[PIPELINE_MAX_MODELS], bytes = slot_layout(&t, 1, ignored);
        most = bytes > most ? bytes : most;
    }
    return (most + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

int bench_decode_workers(int asked)
{
    return asked ? asked : arena_usual_parts();
}

enum cq_err bench_decode_create(const struct bench_decode_params *params, struct bench_decode **out)
{
    *out = NULL;
    struct bench_decode *b = calloc(1, sizeof *b + (size_t) params->workers * sizeof *b->decoders);
    if (!b || uv_loop_init(&b->loop)) {
        free(b);
        return CQ_NOMEM;
    }
    b->params = *params;
    uv_timer_init(&b->loop, &b->tick);
    b->tick.data = b;
    b->slot_bytes = largest_frame(b);
    b->err = arena_create(params->log, b->slot_bytes * SLOTS, params->workers, &b->arena);
    for (int i = 0; i < params->workers; i++) {
        b->decoders[i] = (struct decoder) {.b = b, .clip = -1};
        if (!b->err)
            start(&b->decoders[i]);
    }
    enum cq_err err = b->err;
    if (err)
        bench_decode_destroy(&b);
    *out = b;
    return err;
}

void bench_decode_destroy(struct bench_decode **pb)
{
    struct bench_decode *b = *pb;
    if (!b)
        return;
    uv_close((uv_handle_t *) &b->tick, NULL);
    for (int i = 0; i < b->params.workers; i++)
        child_destroy(&b->decoders[i].child);
    while (uv_loop_close(&b->loop) == UV_EBUSY)
        uv_run(&b->loop, UV_RUN_DEFAULT);
    arena_destroy(&b->arena);
    free(b);
    *pb = NULL;
}

enum cq_err bench_decode_run(struct bench_decode *b, bool all, struct bench_decode_clip *results, double *wall_s)
{
    const struct bench_clips *clips = b->params.clips;
    b->results = results;
    b->all = all;
    b->next = b->busy = 0;
    for (int i = 0; i < clips->n; i++) {
        const struct probe *p = &clips->list[i].probe;
        results[i] = (struct bench_decode_clip) {.failure = p->failure};
        snprintf(results[i].message, sizeof results[i].message, "%s", p->message);
    }
    int64_t begun = cq_now_ns();
    b->ticked_ns = begun;
    uv_timer_start(&b->tick, on_tick, TICK_MS, TICK_MS);
    feed(b);
    if (b->busy && !b->err)
        uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&b->tick);
    *wall_s = (double) (cq_now_ns() - begun) / 1e9;
    return b->err;
}
