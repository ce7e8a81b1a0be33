/* A walk and a pool of probes on a loop of their own. */
#include "runner/bench_clips.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "kernels/base/log.h"
#include "runner/probe_pool.h"
#include "runner/walk.h"

struct search {
    uv_loop_t loop;
    struct walk *walk;
    struct probe_pool *pool;
    struct bench_clips found;
    enum cq_err err;
    bool walked;
};

static void feed(struct search *s)
{
    char path[WALK_PATH];
    while (!s->walked && !s->err && probe_pool_has_room(s->pool)) {
        s->err = walk_next(s->walk, path);
        if (!s->err)
            s->err = probe_pool_add(s->pool, path);
        if (s->err == CQ_EOF) {
            s->err = CQ_OK;
            s->walked = true;
        }
    }
    if (!s->err)
        s->err = probe_pool_error(s->pool);
    if (s->err || (s->walked && !probe_pool_pending(s->pool)))
        uv_stop(&s->loop);
}

static void on_settled(void *ctx, const char *path, const struct probe *probe, int64_t ns)
{
    struct search *s = ctx;
    struct bench_clips *c = &s->found;
    (void) ns;
    struct bench_clip *more = realloc(c->list, (size_t) (c->n + 1) * sizeof *more);
    char *copy = more ? strdup(path) : NULL;
    c->list = more ? more : c->list;
    if (copy)
        c->list[c->n++] = (struct bench_clip) {copy, *probe};
    else
        s->err = CQ_NOMEM;
    feed(s);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct bench_clip *) a)->path, ((const struct bench_clip *) b)->path);
}

static enum cq_err search(struct search *s, struct cq_log *log)
{
    const struct probe_pool_params params = {
        .children = (int) uv_available_parallelism(), .log = log, .settled = on_settled, .ctx = s,
    };
    if (uv_loop_init(&s->loop))
        return CQ_NOMEM;
    enum cq_err err = probe_pool_create(&s->loop, &params, &s->pool);
    if (!err) {
        feed(s);
        if (!s->err && !(s->walked && !probe_pool_pending(s->pool)))
            uv_run(&s->loop, UV_RUN_DEFAULT);
    }
    probe_pool_destroy(&s->pool);
    while (uv_loop_close(&s->loop) == UV_EBUSY)      /* an uv_stop() may end the first turn at once */
        uv_run(&s->loop, UV_RUN_DEFAULT);
    return err ? err : s->err;
}

enum cq_err bench_clips_find(struct cq_log *log, char *const *paths, int n_paths, struct bench_clips *out)
{
    struct search s = {0};
    enum cq_err err = walk_create(&(struct walk_params) {.paths = paths, .n_paths = n_paths, .log = log}, &s.walk);
    if (!err)
        err = search(&s, log);
    s.found.missing = s.walk ? walk_missing(s.walk) : 0;
    walk_destroy(&s.walk);
    if (err) {
        bench_clips_finish(&s.found);
        return err;
    }
    if (s.found.n)
        qsort(s.found.list, (size_t) s.found.n, sizeof *s.found.list, by_path);
    *out = s.found;
    return CQ_OK;
}

void bench_clips_finish(struct bench_clips *c)
{
    for (int i = 0; i < c->n; i++)
        free(c->list[i].path);
    free(c->list);
    *c = (struct bench_clips) {0};
}
