/* The pool: per child a short queue of paths, whose head is what the child is at. */
#include "runner/probe_pool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/child.h"
#include "stages/media/probe.h"

enum { QUEUE = 4, TICK_MS = 250, CPU_S = 120 };

struct prober {
    struct probe_pool *pool;
    struct child *child;          /* owned; NULL until first needed and after a death */
    char *path[QUEUE];            /* owned; path[0] is being probed */
    int n;
    uint32_t serial;              /* of the newest path */
    int64_t head_since_ns;
    bool timed_out;               /* killed by us */
};

struct probe_pool {
    struct probe_pool_params params;
    uv_loop_t *loop;
    uv_timer_t *timer;            /* closes by itself after the pool is gone */
    enum cq_err err;
    int pending;
    int n;
    struct prober probers[];
};

static char *pop(struct prober *p)
{
    char *path = p->path[0];
    memmove(p->path, p->path + 1, (size_t) --p->n * sizeof *p->path);
    p->head_since_ns = cq_now_ns();
    p->pool->pending--;
    return path;
}

static enum cq_err send_path(struct prober *p, const char *path)
{
    struct cq_buf body = {0};
    enum cq_err err = child_open(p->child, ++p->serial, path);
    cq_put_u32(&body, p->serial);
    cq_put_str(&body, path);
    if (!err)
        err = body.err ? body.err : child_send(p->child, PROBE_MSG_PATH, &body);
    cq_buf_finish(&body);
    return err == CQ_IO ? CQ_OK : err;   /* the child is gone: on_exit follows and sends it again */
}

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct prober *p = ctx;
    struct probe probe;
    int64_t ns = cq_get_i64(&msg->body);
    if (msg->type != PROBE_MSG_RESULT || !p->n || probe_get(&msg->body, &probe)) {
        cq_log_error(p->pool->params.log, "a probe process sent a malformed result");
        child_kill(c, SIGKILL);
        return;
    }
    char *path = pop(p);
    p->pool->params.settled(p->pool->params.ctx, path, &probe, ns);
    free(path);
}

/* The last line that the child wrote, for the failure's message. */
static const char *last_line(const char *words, char *out, size_t size)
{
    size_t end = strlen(words);
    while (end && words[end - 1] == '\n')
        end--;
    size_t start = end;
    while (start && words[start - 1] != '\n')
        start--;
    snprintf(out, size, "%.*s", (int) (end - start), words + start);
    return out;
}

/* What a dead child says about the path it was at. */
static void obituary(const struct prober *p, const struct child_exit *e, struct probe *out)
{
    char words[128];
    last_line(e->last_words, words, sizeof words);
    const char *colon = *words ? ": " : "";
    *out = (struct probe) {.failure = p->timed_out ? FAIL_HANG : FAIL_CRASH};
    if (p->timed_out)
        snprintf(out->message, sizeof out->message, "no answer within %d s of probing; the process was killed",
                 p->pool->params.timeout_ms / 1000);
    else if (e->signal)
        snprintf(out->message, sizeof out->message, "the process that probed it died of signal %d (%s)%s%s", e->signal,
                 strsignal(e->signal), colon, words);
    else
        snprintf(out->message, sizeof out->message, "the process that probed it ended with status %d%s%s",
                 (int) e->status, colon, words);
}

static void on_exit_of_child(void *ctx, struct child *c, const struct child_exit *e)
{
    struct prober *p = ctx;
    struct probe_pool *pool = p->pool;
    (void) c;
    child_destroy(&p->child);
    if (!p->n)
        return;

    struct probe probe;
    obituary(p, e, &probe);
    p->timed_out = false;
    int64_t ns = cq_now_ns() - p->head_since_ns;
    char *head = pop(p);

    /* The others go to a new child before anything new is let in, so there is room for them. */
    int n_left = p->n;
    char *left[QUEUE];
    memcpy(left, p->path, (size_t) n_left * sizeof *left);
    p->n = 0;
    pool->pending -= n_left;
    for (int i = 0; i < n_left; i++) {
        if (!pool->err)
            probe_pool_add(pool, left[i]);
        free(left[i]);
    }
    pool->params.settled(pool->params.ctx, head, &probe, ns);
    free(head);
}

static enum cq_err ensure_child(struct prober *p)
{
    if (p->child)
        return CQ_OK;
    struct child_params params = {
        .role = "probe", .parses_media = true, .sandbox = p->pool->params.sandbox, .cpu_s = CPU_S,
        .log = p->pool->params.log, .on_message = on_message, .on_exit = on_exit_of_child, .ctx = p,
    };
    return child_spawn(p->pool->loop, &params, &p->child);
}

static void on_tick(uv_timer_t *timer)
{
    struct probe_pool *pool = timer->data;
    int64_t limit_ns = (int64_t) pool->params.timeout_ms * 1000000;
    for (int i = 0; i < pool->n; i++) {
        struct prober *p = &pool->probers[i];
        if (!p->n || !p->child || cq_now_ns() - p->head_since_ns < limit_ns)
            continue;
        p->timed_out = true;
        child_kill(p->child, SIGKILL);
    }
}

static void free_timer(uv_handle_t *timer) { free(timer); }

enum cq_err probe_pool_create(uv_loop_t *loop, const struct probe_pool_params *params, struct probe_pool **out)
{
    *out = NULL;
    struct probe_pool *pool = calloc(1, sizeof *pool + (size_t) params->children * sizeof *pool->probers);
    uv_timer_t *timer = calloc(1, sizeof *timer);
    if (!pool || !timer) {
        free(pool);
        free(timer);
        return CQ_NOMEM;
    }
    pool->params = *params;
    pool->params.timeout_ms = params->timeout_ms ? params->timeout_ms : 30000;
    pool->loop = loop;
    pool->n = params->children;
    for (int i = 0; i < pool->n; i++)
        pool->probers[i].pool = pool;
    pool->timer = timer;
    uv_timer_init(loop, timer);
    timer->data = pool;
    uv_timer_start(timer, on_tick, TICK_MS, TICK_MS);
    *out = pool;
    return CQ_OK;
}

void probe_pool_destroy(struct probe_pool **pp)
{
    struct probe_pool *pool = *pp;
    if (!pool)
        return;
    uv_close((uv_handle_t *) pool->timer, free_timer);
    for (int i = 0; i < pool->n; i++) {
        child_destroy(&pool->probers[i].child);
        for (int k = 0; k < pool->probers[i].n; k++)
            free(pool->probers[i].path[k]);
    }
    free(pool);
    *pp = NULL;
}

static struct prober *least_loaded(struct probe_pool *pool)
{
    struct prober *best = &pool->probers[0];
    for (int i = 1; i < pool->n; i++)
        if (pool->probers[i].n < best->n)
            best = &pool->probers[i];
    return best;
}

bool probe_pool_has_room(const struct probe_pool *pool)
{
    return !pool->err && pool->pending < pool->n * (QUEUE - 1);
}

enum cq_err probe_pool_add(struct probe_pool *pool, const char *path)
{
    struct prober *p = least_loaded(pool);
    if (p->n == QUEUE)
        return CQ_INTERNAL;
    enum cq_err err = ensure_child(p);
    char *copy = err ? NULL : strdup(path);
    if (!err && !copy)
        err = CQ_NOMEM;
    if (!err)
        err = send_path(p, path);
    if (err) {
        free(copy);
        pool->err = err;
        return err;
    }
    if (!p->n)
        p->head_since_ns = cq_now_ns();
    p->path[p->n++] = copy;
    pool->pending++;
    return CQ_OK;
}

int probe_pool_pending(const struct probe_pool *pool) { return pool->pending; }
enum cq_err probe_pool_error(const struct probe_pool *pool) { return pool->err; }
