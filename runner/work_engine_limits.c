/* The largest batch that may be sent, for each (device, model, shape): it begins with what the engine's plan says fits
 * and what the database remembers of earlier runs, and is halved by trouble.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runner/work_engine.h"

struct limit_post {
    struct engine *e;
    int lane, generation;
    int limit;                  /* out of the database, or into it */
    char device[128], hash[33], shape[48];
};

static struct limit_post *new_limit_post(struct engine *e, int lane, int limit)
{
    struct limit_post *p = calloc(1, sizeof *p);
    const struct work_lane *l = work_lane(e->w, lane);
    if (!p)
        return NULL;
    p->e = e;
    p->lane = lane;
    p->generation = l->generation;
    p->limit = limit;
    snprintf(p->device, sizeof p->device, "%s", e->name);
    snprintf(p->hash, sizeof p->hash, "%s", l->hash);
    snprintf(p->shape, sizeof p->shape, "%s", l->shape);
    return p;
}

static enum cq_err put_limit(struct store *s, void *arg)
{
    struct limit_post *p = arg;
    return store_put_device_limit(s, p->device, p->hash, p->shape, p->limit);
}

static void limit_put(void *arg, enum cq_err err)
{
    struct limit_post *p = arg;
    work_post_failed(p->e->w, err, "remembering a safe batch");
    free(p);
}

void engine_set_limit(struct engine *e, int lane, int limit, bool remember)
{
    if (limit >= e->lanes[lane].limit || limit < 1)
        return;
    e->lanes[lane].limit = limit;
    cq_log_warn(e->w->log, "%s: batches of %s are now at most %d", e->name, work_lane(e->w, lane)->name, limit);
    struct limit_post *p = remember ? new_limit_post(e, lane, limit) : NULL;
    if (p && writer_post(e->w->writer, &(struct writer_post) {put_limit, limit_put, p}))
        free(p);
}

static enum cq_err get_limit(struct store *s, void *arg)
{
    struct limit_post *p = arg;
    return store_get_device_limit(s, p->device, p->hash, p->shape, &p->limit);
}

/* Only now is the lane ready: a first batch that is known to be too large would cost an engine. */
static void limit_got(void *arg, enum cq_err err)
{
    struct limit_post *p = arg;
    struct engine_lane *l = &p->e->lanes[p->lane];
    if (!work_post_failed(p->e->w, err, "looking up a safe batch") && p->e->state == ENGINE_UP && l->sent &&
        p->generation == work_lane(p->e->w, p->lane)->generation) {
        if (p->limit > 0 && p->limit < l->limit)
            l->limit = p->limit;
        l->state = MODEL_READY;
    }
    p->e->w->engines_changed = true;
    free(p);
}

enum cq_err engine_look_up_limit(struct engine *e, int lane)
{
    struct limit_post *p = new_limit_post(e, lane, 0);
    if (!p || writer_post(e->w->writer, &(struct writer_post) {get_limit, limit_got, p})) {
        free(p);
        return CQ_NOMEM;
    }
    return CQ_OK;
}
