/* The submit loop: a walk feeds a pool of probing children, their results go into the store in group commits.
 *
 * A candidate's row is only announced (event) after the commit that holds it, so that what was printed is there.
 * SIGINT and SIGTERM stop the walk; what was probed by then is kept.
 */
#include "runner/submit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/pipeline.h"
#include "runner/probe_pool.h"
#include "runner/store.h"
#include "runner/walk.h"
#include "stages/media/probe.h"

enum { GROUP = 128, GROUP_MS = 250, PROGRESS_MS = 250 };

struct settled {                   /* waits to be written */
    char *path;                    /* owned */
    int64_t job_id;
    const char *outcome;
    struct probe probe;
    int64_t probe_ns;
};

struct submit {
    const struct submit_params *params;
    struct submit_progress totals;
    struct store *store;           /* NULL: a dry run without a database */
    struct walk *walk;
    struct probe_pool *pool;
    int64_t pipeline_id;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t on_int, on_term;
    int64_t began_ns, group_since_ns;
    bool walked;
    int signal;
    bool store_failed;
    enum cq_err err;               /* the first one; ends the loop */
    struct settled group[GROUP];
    int n_group;
};

/* ---- rows ---- */

static enum cq_err put_pipeline(struct submit *s)
{
    const struct pipeline *p = s->params->pipeline;
    int64_t ids[PIPELINE_MAX_MODELS];
    char hash[33];
    enum cq_err err = CQ_OK;
    for (int i = 0; !err && i < p->n_models; i++) {
        const struct pipeline_model *m = &p->models[i];
        struct store_model row = {
            .name = m->name, .hash = m->hash, .path = m->path, .decoder = m->card.decoder,
            .labels = (const char *const *) m->card.labels, .n_labels = m->card.n_labels,
        };
        err = store_put_model(s->store, &row, &ids[i]);
    }
    char *document = pipeline_to_text(p);
    if (!err && !document)
        err = CQ_NOMEM;
    if (!err) {
        pipeline_hash(document, hash);
        err = store_put_pipeline(s->store, hash, document, ids, p->n_models, &s->pipeline_id);
    }
    free(document);
    return err;
}

static const char *outcome_of(struct submit *s, const struct probe *probe, enum store_put put)
{
    if (put == STORE_KNOWN || put == STORE_SAME_CONTENT) {
        s->totals.known++;
        return put == STORE_KNOWN ? "known" : "same_content";
    }
    if (probe->failure) {
        s->totals.failed++;
        return "failed";
    }
    s->totals.queued++;
    s->totals.media_s += probe->duration_s;
    return "queued";
}

/* The rows of the group. A dry run asks the same questions and then takes everything back. */
static enum cq_err write_rows(struct submit *s)
{
    enum cq_err err = CQ_OK;
    if (s->store && (s->params->dry_run || !s->pipeline_id))
        err = put_pipeline(s);
    for (int i = 0; !err && i < s->n_group; i++) {
        struct settled *g = &s->group[i];
        enum store_put put = STORE_NEW;
        if (s->store)
            err = store_put_clip_job(s->store, g->path, &g->probe, g->probe_ns, s->pipeline_id, s->params->priority,
                                     &g->job_id, &put);
        if (!err)
            g->outcome = outcome_of(s, &g->probe, put);
    }
    return err;
}

/* The write lock is held for no longer than the writing takes: `clipq work` may be waiting for it. */
static enum cq_err write_group(struct submit *s)
{
    if (!s->store)
        return write_rows(s);
    enum cq_err err = store_begin(s->store);
    if (err)
        return err;
    err = write_rows(s);
    if (!err && !s->params->dry_run)
        err = store_commit(s->store);
    else
        store_rollback(s->store);
    return err;
}

static void announce_group(struct submit *s)
{
    for (int i = 0; i < s->n_group; i++) {
        struct settled *g = &s->group[i];
        struct submit_event e = {
            .path = g->path, .job_id = s->params->dry_run ? 0 : g->job_id, .outcome = g->outcome,
            .failure = g->probe.failure, .message = g->probe.message, .duration_s = g->probe.duration_s,
            .width = g->probe.display_w, .height = g->probe.display_h,
        };
        if (s->params->event && !s->err)
            s->params->event(s->params->ctx, &e);
        free(g->path);
    }
    s->n_group = 0;
}

static void stop(struct submit *s, enum cq_err err, bool in_store)
{
    if (!err || s->err)
        return;
    s->err = err;
    s->store_failed = in_store;
    uv_stop(&s->loop);
}

static void flush_group(struct submit *s)
{
    if (s->n_group && !s->err)
        stop(s, write_group(s), true);
    announce_group(s);
}

static enum cq_err keep(struct submit *s, const char *path, const struct probe *probe, int64_t ns)
{
    struct settled *g = &s->group[s->n_group];
    *g = (struct settled) {.path = strdup(path), .probe = *probe, .probe_ns = ns};
    if (!g->path)
        return CQ_NOMEM;
    if (!s->n_group++)
        s->group_since_ns = cq_now_ns();
    return CQ_OK;
}

/* ---- the loop ---- */

static void feed(struct submit *s)
{
    char path[WALK_PATH];
    while (!s->walked && !s->err && probe_pool_has_room(s->pool)) {
        enum cq_err err = walk_next(s->walk, path);
        if (err == CQ_OK) {
            s->totals.found++;
            stop(s, probe_pool_add(s->pool, path), false);
        } else {
            s->walked = true;
            stop(s, err == CQ_EOF ? CQ_OK : err, false);
        }
    }
    stop(s, probe_pool_error(s->pool), false);
    if (s->walked && !probe_pool_pending(s->pool))
        uv_stop(&s->loop);
}

static void on_settled(void *ctx, const char *path, const struct probe *probe, int64_t ns)
{
    struct submit *s = ctx;
    if (s->err)
        return;
    s->totals.settled++;
    stop(s, keep(s, path, probe, ns), false);
    if (s->n_group == GROUP)
        flush_group(s);
    feed(s);
}

static void show(struct submit *s, bool last)
{
    s->totals.elapsed_s = (double) (cq_now_ns() - s->began_ns) / 1e9;
    if (s->params->progress)
        s->params->progress(s->params->ctx, &s->totals, last);
}

static void on_timer(uv_timer_t *t)
{
    struct submit *s = t->data;
    if (s->n_group && cq_now_ns() - s->group_since_ns >= (int64_t) GROUP_MS * 1000000)
        flush_group(s);
    show(s, false);
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct submit *s = h->data;
    if (s->signal)
        uv_stop(&s->loop);           /* the second one does not wait for the probes under way */
    s->signal = signum;
    s->walked = true;
    feed(s);
}

static void start_loop(struct submit *s)
{
    uv_timer_init(&s->loop, &s->timer);
    uv_signal_init(&s->loop, &s->on_int);
    uv_signal_init(&s->loop, &s->on_term);
    s->timer.data = s->on_int.data = s->on_term.data = s;
    uv_timer_start(&s->timer, on_timer, PROGRESS_MS, PROGRESS_MS);
    uv_signal_start(&s->on_int, on_signal, SIGINT);
    uv_signal_start(&s->on_term, on_signal, SIGTERM);
}

static void end_loop(struct submit *s)
{
    uv_close((uv_handle_t *) &s->timer, NULL);
    uv_close((uv_handle_t *) &s->on_int, NULL);
    uv_close((uv_handle_t *) &s->on_term, NULL);
    probe_pool_destroy(&s->pool);
    /* More than once, because an earlier uv_stop() may end the first at once. */
    while (uv_loop_close(&s->loop) == UV_EBUSY)
        uv_run(&s->loop, UV_RUN_DEFAULT);
}

/* A dry run looks into a database that is there and makes none. */
static enum cq_err open_store(struct submit *s)
{
    const struct submit_params *p = s->params;
    if (p->dry_run && access(p->db_path, F_OK))
        return CQ_OK;
    return store_open(p->log, p->db_path, p->dry_run ? STORE_WRITE : STORE_CREATE, &s->store);
}

static enum cq_err run_loop(struct submit *s)
{
    const struct submit_params *p = s->params;
    struct walk_params names = {p->paths, p->n_paths, p->list, p->list_nul, p->log};
    int cpus = (int) uv_available_parallelism();
    struct probe_pool_params pool = {.children = p->probers ? p->probers : cpus, .sandbox = p->sandbox, .log = p->log,
                                     .settled = on_settled, .ctx = s};
    enum cq_err err = walk_create(&names, &s->walk);
    if (err)
        return err;
    if (uv_loop_init(&s->loop))
        return CQ_NOMEM;
    err = probe_pool_create(&s->loop, &pool, &s->pool);
    start_loop(s);
    if (!err) {
        feed(s);
        if (!(s->walked && !probe_pool_pending(s->pool)) && !s->err)
            uv_run(&s->loop, UV_RUN_DEFAULT);
        flush_group(s);
        show(s, true);
    }
    end_loop(s);
    return err ? err : s->err;
}

enum cq_err submit_run(const struct submit_params *p, struct submit_result *out)
{
    memset(out, 0, sizeof *out);
    struct submit *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->params = p;
    s->began_ns = cq_now_ns();
    enum cq_err err = open_store(s);
    s->store_failed = err != CQ_OK;
    if (!err)
        err = run_loop(s);
    out->totals = s->totals;
    out->missing = s->walk ? walk_missing(s->walk) : 0;
    out->signal = s->signal;
    out->in_store = err && s->store_failed;
    walk_destroy(&s->walk);
    store_close(&s->store);
    free(s);
    return err;
}
