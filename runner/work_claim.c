/* What the run does with the queue: claiming in small groups ahead of need, heartbeats, and the comparison of
 * signatures that closes a run. One claim and one heartbeat are out at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "runner/owner.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"
#include "runner/work_queue.h"
#include "stages/answer/shots.h"

enum { CLAIM_MAX = 64, PIPELINES_MAX = 64 };
static const int64_t look_again_ns = 1000000000;

struct work_claims {
    bool beating;
};

static int least(int a, int b) { return a < b ? a : b; }

/* ---- the start, before the writer has the store ---- */

/* What dead processes of this machine held is pending again, without waiting for their leases to run out. */
static enum cq_err take_back(struct work *w, struct store *s)
{
    struct store_job none;
    int n;
    enum cq_err err = store_expire_owners(s, owner_is_dead);
    return err ? err : store_claim(s, w->owner, w->run_id, w->p.lease_ms, 0, &none, &n);
}

static enum cq_err start_run(struct work *w, struct store *s)
{
    char host[64] = "", options[256];
    gethostname(host, sizeof host - 1);
    snprintf(options, sizeof options, "{\"workers\":%d,\"batch\":%d,\"device\":\"%s\",\"memory_limit\":%" PRId64
             ",\"processors\":%u}", w->p.workers, w->p.batch, w->p.devices, w->p.memory_limit, uv_available_parallelism());
    const struct store_run run = {
        .workers = w->p.workers, .batch = w->p.batch, .devices = w->p.devices, .options = options, .host = host,
        .pid = (int) getpid(),
    };
    enum cq_err err = store_start_run(s, &run, &w->run_id);
    if (!err)
        err = take_back(w, s);
    return err ? err : store_get_counts(s, &w->queue.counts);
}

static enum cq_err find_pipelines(struct work *w, struct store *s)
{
    int64_t ids[PIPELINES_MAX];
    int n;
    enum cq_err err = store_pending_pipelines(s, ids, PIPELINES_MAX, &n);
    for (int i = 0; i < n && !err; i++) {
        struct pipeline_found *f = malloc(sizeof *f);
        if (!f)
            return CQ_NOMEM;
        pipeline_find(s, ids[i], f);
        err = work_models_add(w, f);
    }
    return err;
}

enum cq_err work_claims_create(struct work *w, struct store *s)
{
    w->claims = calloc(1, sizeof *w->claims);
    if (!w->claims)
        return CQ_NOMEM;
    enum cq_err err = store_begin(s);
    if (err)
        return err;
    err = start_run(w, s);
    if (!err)
        err = find_pipelines(w, s);
    if (err) {
        store_rollback(s);
        return err;
    }
    return store_commit(s);
}

void work_claims_destroy(struct work *w)
{
    free(w->claims);
    w->claims = NULL;
}

/* ---- claiming ---- */

struct claim_post {
    struct work *w;
    int64_t run_id, lease_ms;
    char owner[256];
    int max, n;
    struct store_pause pause;
    struct store_counts counts;
    struct store_job jobs[CLAIM_MAX];
    int64_t known[PIPELINES_MAX];
    int n_known;
    struct pipeline_found *found[CLAIM_MAX];
    int n_found;
};

static bool is_known(const struct claim_post *p, int64_t id)
{
    for (int i = 0; i < p->n_known; i++)
        if (p->known[i] == id)
            return true;
    for (int i = 0; i < p->n_found; i++)
        if (p->found[i]->id == id)
            return true;
    return false;
}

static enum cq_err find_new_pipelines(struct store *s, struct claim_post *p)
{
    for (int i = 0; i < p->n; i++) {
        if (is_known(p, p->jobs[i].pipeline_id))
            continue;
        struct pipeline_found *f = malloc(sizeof *f);
        if (!f)
            return CQ_NOMEM;
        pipeline_find(s, p->jobs[i].pipeline_id, f);
        p->found[p->n_found++] = f;
    }
    return CQ_OK;
}

/* Before the queue is called empty, those are looked for who died holding some of it. */
static enum cq_err claim_some(struct store *s, struct claim_post *p, int max)
{
    int more = 0;
    enum cq_err err = store_claim(s, p->owner, p->run_id, p->lease_ms, max, p->jobs, &p->n);
    if (!err && p->n < max)
        err = store_expire_owners(s, owner_is_dead);
    if (!err && p->n < max)
        err = store_claim(s, p->owner, p->run_id, p->lease_ms, max - p->n, p->jobs + p->n, &more);
    p->n += more;
    return err;
}

static enum cq_err claim(struct store *s, void *arg)
{
    struct claim_post *p = arg;
    enum cq_err err = store_get_pause(s, &p->pause);
    if (!err)
        err = claim_some(s, p, p->pause.since_ms ? 0 : p->max);
    if (!err)
        err = find_new_pipelines(s, p);
    return err ? err : store_get_counts(s, &p->counts);
}

static void take_claim(struct work *w, struct claim_post *p)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < p->n_found; i++) {
        if (!err)
            err = work_models_add(w, p->found[i]);
        else
            pipeline_found_free(p->found[i]);
        p->found[i] = NULL;
    }
    for (int i = 0; i < p->n && !err; i++)
        err = work_jobs_add(w, &p->jobs[i]);
    if (err)
        work_fail(w, err);
    if (w->phase == WORK_DRAINING || !work_may_claim(w))    /* the signal came while the claim was out */
        work_jobs_release_waiting(w);
    w->queue.counts = p->counts;
    w->queue.empty = p->n < p->max;
    w->queue.looked_ns = cq_now_ns();
    work_control_pause(w, &p->pause);
}

static void claimed(void *arg, enum cq_err err)
{
    struct claim_post *p = arg;
    p->w->queue.claiming = false;
    if (!work_post_failed(p->w, err, "claiming jobs"))
        take_claim(p->w, p);
    else
        for (int i = 0; i < p->n_found; i++)
            pipeline_found_free(p->found[i]);
    free(p);
}

/* One waiting job for each worker hides the claim's round trip even where clips are over in a moment. */
static int wanted(const struct work *w)
{
    int n = w->p.workers - work_jobs_waiting(w);
    return n * 2 > w->p.workers ? least(n, CLAIM_MAX) : 0;
}

void work_claim(struct work *w)
{
    struct work_queue *q = &w->queue;
    bool rest = q->empty && cq_now_ns() - q->looked_ns < look_again_ns;
    bool may = work_models_any_of_use(w) || !work_models_ids(w, &(int64_t) {0}, 1);
    if (w->phase != WORK_RUNNING || !work_may_claim(w) || q->claiming || rest || !may || !wanted(w) || writer_full(w->writer))
        return;
    struct claim_post *p = calloc(1, sizeof *p);
    if (!p) {
        work_fail(w, CQ_NOMEM);
        return;
    }
    p->w = w;
    p->run_id = w->run_id;
    p->lease_ms = w->p.lease_ms;
    p->max = wanted(w);
    p->n_known = work_models_ids(w, p->known, PIPELINES_MAX);
    snprintf(p->owner, sizeof p->owner, "%s", w->owner);
    q->claiming = true;
    if (writer_post(w->writer, &(struct writer_post) {claim, claimed, p})) {
        q->claiming = false;
        free(p);
        work_fail(w, CQ_NOMEM);
    }
}

/* ---- heartbeats ---- */

struct beat_post {
    struct work *w;
    int64_t lease_ms;
    char owner[256];
};

static enum cq_err beat(struct store *s, void *arg)
{
    struct beat_post *p = arg;
    return store_heartbeat(s, p->owner, p->lease_ms);
}

static void beaten(void *arg, enum cq_err err)
{
    struct beat_post *p = arg;
    p->w->claims->beating = false;
    work_post_failed(p->w, err, "renewing leases");
    free(p);
}

void work_heartbeat(struct work *w)
{
    struct beat_post *p = w->claims->beating ? NULL : malloc(sizeof *p);
    if (!p)
        return;                     /* the next beat is in time, too */
    *p = (struct beat_post) {.w = w, .lease_ms = w->p.lease_ms};
    snprintf(p->owner, sizeof p->owner, "%s", w->owner);
    w->claims->beating = !writer_post(w->writer, &(struct writer_post) {beat, beaten, p});
    if (!w->claims->beating)
        free(p);
}

/* ---- signatures ---- */

struct match_post {
    struct work *w;
    bool more;
};

static enum cq_err match(struct store *s, void *arg)
{
    struct match_post *p = arg;
    return store_match_signatures(s, SIGNATURE_DUPLICATE, &p->more);
}

static void matched(void *arg, enum cq_err err)
{
    struct match_post *p = arg;
    struct work *w = p->w;
    bool more = p->more;
    free(p);
    if (work_post_failed(w, err, "comparing signatures") || w->phase != WORK_MATCHING)
        return;
    if (more)
        work_match(w);
    else
        w->phase = WORK_STOPPED;
}

void work_match(struct work *w)
{
    struct match_post *p = calloc(1, sizeof *p);
    enum cq_err err = CQ_NOMEM;
    work_note(w, "comparing clips with each other");
    if (p) {
        p->w = w;
        err = writer_post(w->writer, &(struct writer_post) {match, matched, p});
    }
    if (err) {
        free(p);
        work_fail(w, err);
    }
}
