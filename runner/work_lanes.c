/* Lanes: one model with one card at one input size, as batches are formed for it. Equal ones are shared,
 * whichever pipelines and clips they come from, so that their frames form batches together.
 *
 * A model whose card knows its size has one lane for the whole run. One whose size is the clip's has a lane for
 * each size that is at work: jobs hold them, and a lane that nobody holds is taken for another size when there
 * is no free one left. A job gets all the lanes it needs or none, so jobs that wait for lanes hold none that
 * others wait for; enough lanes are kept from the fixed models that one job always finds its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_lanes.h"
#include "runner/work_models.h"

enum { FIXED_MAX = BATCHER_LANES - PIPELINE_MAX_MODELS };

struct work_lanes {
    struct work_lane list[BATCHER_LANES];
    int n, n_fixed;
    int64_t clock;              /* counts holds */
};

enum cq_err work_lanes_create(struct work *w)
{
    w->lanes = calloc(1, sizeof *w->lanes);
    return w->lanes ? CQ_OK : CQ_NOMEM;
}

void work_lanes_destroy(struct work *w)
{
    for (int i = 0; w->lanes && i < w->lanes->n; i++)
        free(w->lanes->list[i].card);
    free(w->lanes);
    w->lanes = NULL;
}

int work_lanes(const struct work *w) { return w->lanes ? w->lanes->n : 0; }
const struct work_lane *work_lane(const struct work *w, int lane) { return &w->lanes->list[lane]; }

bool work_lane_is_used(const struct work *w, int lane)
{
    const struct work_lane *l = work_lane(w, lane);
    return !l->sized || l->holders > 0;
}

bool work_lanes_share(const struct work *w, int a, int b)
{
    return !strcmp(work_lane(w, a)->hash, work_lane(w, b)->hash) && !strcmp(work_lane(w, a)->card, work_lane(w, b)->card);
}

/* ---- finding and making ---- */

static char *card_text(const struct card *c)
{
    json_t *json = card_to_json(c);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    return text;
}

static int find_equal(const struct work_lanes *ls, const char *hash, const char *card, const struct scale_target *t)
{
    for (int i = 0; i < ls->n; i++) {
        const struct work_lane *l = &ls->list[i];
        if (l->target.width == t->width && l->target.height == t->height && !strcmp(l->hash, hash) &&
            !strcmp(l->card, card))
            return i;
    }
    return -1;
}

/* A lane never used, else the one that has been without a holder longest; -1: each has one, or is just being
 * loaded somewhere. */
static int find_room(struct work *w)
{
    struct work_lanes *ls = w->lanes;
    int oldest = -1;
    if (ls->n < BATCHER_LANES)
        return ls->n++;
    for (int i = 0; i < ls->n; i++)
        if (!work_lane_is_used(w, i) && !work_engines_load_lane(w, i) &&
            (oldest < 0 || ls->list[i].held < ls->list[oldest].held))
            oldest = i;
    if (oldest >= 0)
        work_engines_forget_lane(w, oldest);
    return oldest;
}

/* CQ_AGAIN: there is no room now. */
static enum cq_err get_lane(struct work *w, const struct pipeline_model *m, const struct scale_target *t, int *out)
{
    char *text = card_text(&m->card);
    if (!text)
        return CQ_NOMEM;
    *out = find_equal(w->lanes, m->hash, text, t);
    int room = *out < 0 ? find_room(w) : -1;
    if (room < 0) {
        free(text);
        return *out < 0 ? CQ_AGAIN : CQ_OK;
    }
    struct work_lane *l = &w->lanes->list[room];
    free(l->card);
    *l = (struct work_lane) {.card = text, .target = *t, .generation = l->generation + 1};
    snprintf(l->hash, sizeof l->hash, "%s", m->hash);
    snprintf(l->name, sizeof l->name, "%s", m->name);
    snprintf(l->decoder, sizeof l->decoder, "%s", m->card.decoder);
    snprintf(l->path, sizeof l->path, "%s", m->path);
    pipeline_shape(&m->card, t->width, t->height, l->shape);
    *out = room;
    return CQ_OK;
}

enum cq_err work_lane_for_model(struct work *w, const struct pipeline_model *m, int *out)
{
    const struct scale_target t = pipeline_target(&m->card, m->card.image.width, m->card.image.height);
    int before = w->lanes->n;
    if (w->lanes->n_fixed == FIXED_MAX)
        return CQ_UNSUPPORTED;
    enum cq_err err = get_lane(w, m, &t, out);
    if (!err && w->lanes->n > before)
        w->lanes->n_fixed++;
    return err == CQ_AGAIN ? CQ_UNSUPPORTED : err;
}

/* ---- lanes of a job ---- */

static enum cq_err get_fixed(struct job *j, int i)
{
    j->lanes[i] = j->pipeline->lanes[i];
    j->targets[i] = work_lane(j->w, j->lanes[i])->target;
    return CQ_OK;
}

static enum cq_err get_sized(struct job *j, int i)
{
    const struct pipeline_model *m = &j->pipeline->found->doc.models[i];
    const struct probe *p = &j->claim.probe;
    int width, height;
    card_size_for(&m->card, p->display_w > 0 ? p->display_w : 1, p->display_h > 0 ? p->display_h : 1, &width, &height);
    j->targets[i] = pipeline_target(&m->card, width, height);
    enum cq_err err = get_lane(j->w, m, &j->targets[i], &j->lanes[i]);
    if (!err) {
        struct work_lane *l = &j->w->lanes->list[j->lanes[i]];
        l->sized = true;
        l->holders++;
        l->held = ++j->w->lanes->clock;
    }
    return err;
}

static void let_go(struct job *j, int n)
{
    for (int i = 0; i < n; i++)
        if (j->w->lanes->list[j->lanes[i]].sized)
            j->w->lanes->list[j->lanes[i]].holders--;
}

enum cq_err job_take_lanes(struct job *j)
{
    const struct work_pipeline *p = j->pipeline;
    for (int i = 0; i < p->n_models && !j->has_lanes; i++) {
        enum cq_err err = p->lanes[i] < 0 ? get_sized(j, i) : get_fixed(j, i);
        if (err) {
            let_go(j, i);
            return err;
        }
    }
    if (j->has_lanes)
        return CQ_OK;
    j->has_lanes = true;
    j->slot_bytes = slot_layout(j->targets, p->n_models, j->inputs);
    work_engines_load(j->w);
    return CQ_OK;
}

void job_give_lanes(struct job *j)
{
    if (j->has_lanes)
        let_go(j, j->pipeline->n_models);
    j->has_lanes = false;
}

enum model_state job_lanes_state(const struct job *j, const struct engine_lane **why)
{
    enum model_state all = MODEL_READY;
    for (int i = 0; i < j->pipeline->n_models; i++) {
        enum model_state state = work_engines_lane_state(j->w, j->lanes[i], why);
        if (state == MODEL_FAILED)
            return state;
        if (state == MODEL_LOADING)
            all = state;
    }
    return all;
}
