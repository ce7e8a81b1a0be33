/* Pipelines of the run, and whether their models can be used.
 *
 * A pipeline is ready when each of its models is ready in some engine, and failed when one of them has failed in
 * all. No clip is decoded before that is known. A model whose input size is the clip's counts when a clip asks
 * for it (work_lanes.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runner/work_engines.h"
#include "runner/work_models.h"
#include "stages/answer/scene.h"

struct work_models {
    struct work_pipeline *pipelines;    /* owned list, newest first */
};

/* ---- reading, on any thread ---- */

static enum cq_err find_paths(struct store *s, struct pipeline *doc)
{
    for (int i = 0; i < doc->n_models; i++) {
        struct pipeline_model *m = &doc->models[i];
        enum cq_err err = store_get_model_path(s, m->hash, m->path);
        if (err)
            return err;
    }
    return CQ_OK;
}

void pipeline_find(struct store *s, int64_t id, struct pipeline_found *out)
{
    struct cq_log log = {.level = CQ_ERROR, .sink = NULL};
    char *text = NULL;
    *out = (struct pipeline_found) {.id = id};
    out->err = store_get_pipeline(s, id, &text);
    if (!out->err)
        out->err = pipeline_from_text(&log, text, &out->doc);
    if (!out->err && (out->err = find_paths(s, &out->doc)))
        pipeline_finish(&out->doc);
    if (out->err)
        snprintf(out->message, sizeof out->message, "pipeline %lld: %s", (long long) id,
                 cq_log_reason(&log, cq_err_text(out->err)));
    free(text);
}

void pipeline_found_free(struct pipeline_found *f)
{
    if (!f)
        return;
    if (!f->err)
        pipeline_finish(&f->doc);
    free(f);
}

/* ---- lanes ---- */

/* Of the models that have one size; the others get theirs with each clip (work_lanes.c). */
static enum cq_err make_lanes(struct work *w, const struct pipeline *doc, struct work_pipeline *p)
{
    enum cq_err err = CQ_OK;
    p->sample = doc->sample;
    p->scene = -1;
    p->n_models = doc->n_models;
    for (int i = 0; i < doc->n_models && !err; i++) {
        p->lanes[i] = -1;
        if (!card_follows_clip(&doc->models[i].card))
            err = work_lane_for_model(w, &doc->models[i], &p->lanes[i]);
        if (!strcmp(doc->models[i].name, BUILTIN_SCENE))
            p->scene = i;
    }
    if (err == CQ_UNSUPPORTED)
        snprintf(p->message, sizeof p->message, "more than %d models in one run", BATCHER_LANES - PIPELINE_MAX_MODELS);
    return err;
}

/* ---- pipelines ---- */

enum cq_err work_models_create(struct work *w)
{
    w->models = calloc(1, sizeof *w->models);
    return w->models ? CQ_OK : CQ_NOMEM;
}

void work_models_destroy(struct work *w)
{
    struct work_models *ms = w->models;
    if (!ms)
        return;
    for (struct work_pipeline *p = ms->pipelines, *next; p; p = next) {
        next = p->next;
        pipeline_found_free(p->found);
        free(p);
    }
    free(ms);
    w->models = NULL;
}

static void mark_failed(struct work *w, struct work_pipeline *p, enum cq_err err)
{
    p->state = MODEL_FAILED;
    p->err = err;
    cq_log_error(w->log, "%s", p->message);
}

static void settle(struct work *w, struct work_pipeline *p)
{
    const struct engine_lane *why = NULL;
    bool ready = true;
    for (int i = 0; i < p->n_models; i++) {
        if (p->lanes[i] < 0)
            continue;
        enum model_state state = work_engines_lane_state(w, p->lanes[i], &why);
        if (state == MODEL_FAILED) {
            snprintf(p->message, sizeof p->message, "%s", why->message);
            mark_failed(w, p, why->err);
            return;
        }
        ready = ready && state == MODEL_READY;
    }
    p->state = ready ? MODEL_READY : MODEL_LOADING;
}

enum cq_err work_models_add(struct work *w, struct pipeline_found *f)
{
    struct work_pipeline *p = work_models_find(w, f->id) ? NULL : calloc(1, sizeof *p);
    bool known = work_models_find(w, f->id) != NULL;
    if (known || !p) {
        pipeline_found_free(f);
        return known ? CQ_OK : CQ_NOMEM;
    }
    p->id = f->id;
    p->next = w->models->pipelines;
    w->models->pipelines = p;
    enum cq_err err = f->err;
    snprintf(p->message, sizeof p->message, "%s", f->message);
    if (!err)
        err = make_lanes(w, &f->doc, p);
    p->found = f;
    if (err)
        mark_failed(w, p, err);
    else
        settle(w, p);
    work_engines_load(w);
    return CQ_OK;
}

struct work_pipeline *work_models_find(struct work *w, int64_t id)
{
    struct work_pipeline *p = w->models->pipelines;
    while (p && p->id != id)
        p = p->next;
    return p;
}

int work_models_ids(const struct work *w, int64_t *ids, int max)
{
    int n = 0;
    for (const struct work_pipeline *p = w->models->pipelines; p && n < max; p = p->next)
        ids[n++] = p->id;
    return n;
}

/* READY may fall back to LOADING, while an engine is started again; FAILED is for the rest of the run. */
void work_models_settle(struct work *w)
{
    for (struct work_pipeline *p = w->models->pipelines; p; p = p->next)
        if (p->state != MODEL_FAILED)
            settle(w, p);
}

/* A size that does not run is its clips' trouble; a file that cannot be loaded is everybody's. */
void work_models_lane_failed(struct work *w, struct work_pipeline *p, const struct engine_lane *why)
{
    bool of_size = why->err == CQ_OOM || why->err == CQ_UNSUPPORTED || why->err == CQ_INVALID || why->err == CQ_DEVICE;
    if (of_size || p->state == MODEL_FAILED)
        return;
    snprintf(p->message, sizeof p->message, "%s", why->message);
    mark_failed(w, p, why->err);
}

static bool is_short_of_memory(const struct work_pipeline *p)
{
    return p->state == MODEL_FAILED && p->err == CQ_OOM;
}

bool work_models_any_of_use(const struct work *w)
{
    for (const struct work_pipeline *p = w->models->pipelines; p; p = p->next)
        if (p->state == MODEL_READY || is_short_of_memory(p))
            return true;
    return false;
}

const struct work_pipeline *work_models_all_failed(const struct work *w)
{
    for (const struct work_pipeline *p = w->models->pipelines; p; p = p->next)
        if (p->state != MODEL_FAILED || is_short_of_memory(p))
            return NULL;
    return w->models->pipelines;
}
