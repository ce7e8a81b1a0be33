/* Counting what is necessary and what is lost, at a few additions for each batch and turn. The formula is in score.c. */
#include "runner/work_score.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "kernels/base/clock.h"
#include "runner/host_cpu.h"
#include "runner/limits.h"
#include "runner/messages_decode.h"
#include "runner/messages_engine.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"
#include "runner/work_progress.h"
#include "runner/work_queue.h"
#include "runner/work_workers.h"

/* Kinds of lost moments: the two of the processors, the two of devices, and what others took of the processors. */
enum { PROCESSORS = 0, DEVICES = 2, OTHERS = 4 };

struct work_score {
    struct limits limits;
    struct share_clock clock;
    int processors;
    double own_before_s, host_before_s;  /* computed by this process, by the whole machine, at the start */
    int64_t begun_ns;
    int64_t seen_ns;                     /* when harm was looked at last, */
    double seen_own_s, seen_host_s;      /* what had been computed by then, */
    double others_rate;                  /* and their part of the processors since the time before */
    double accepted_s, small_s, full_s, cpu_s;   /* of jobs whose completion counts */
    int64_t decoded;
    bool unknown;
};

enum cq_err work_score_create(struct work *w, struct store *s)
{
    struct work_score *ws = w->score = calloc(1, sizeof *ws);
    if (!ws)
        return CQ_NOMEM;
    ws->processors = (int) uv_available_parallelism();
    ws->own_before_s = cq_cpu_s(RUSAGE_SELF);
    ws->host_before_s = host_cpu_s(ws->processors);
    ws->begun_ns = ws->seen_ns = cq_now_ns();
    return limits_read(s, &ws->limits);
}

void work_score_destroy(struct work *w)
{
    if (w->score)
        limits_finish(&w->score->limits);
    free(w->score);
    w->score = NULL;
}

/* ---- time ---- */

/* Parts of the engines that have nothing to do, 0..1; of none, `without`. */
static double idle_part(const struct work *w, bool on_cpu, double without)
{
    const struct engine *e;
    int all = 0, idle = 0;
    for (int i = 0; (e = work_engine(w, i)); i++) {
        all += e->is_cpu == on_cpu && e->state != ENGINE_OUT;
        idle += e->is_cpu == on_cpu && e->state != ENGINE_OUT && !e->n_flight;
    }
    return all ? (double) idle / all : without;
}

/* An engine on the processors keeps them busy; without a batch for it, decoders have one each. */
static double idle_processors(const struct work *w)
{
    int left = w->score->processors - work_workers_busy(w);
    return left > 0 ? idle_part(w, true, 1) * left / w->score->processors : 0;
}

/* Clips wait, if only for an engine that starts. */
static bool has_work(const struct work *w)
{
    return work_jobs_active(w) || (w->phase == WORK_RUNNING && work_may_claim(w) && !w->queue.empty && w->queue.counts.pending);
}

void work_score_turn(struct work *w)
{
    struct share_clock *c = &w->score->clock;
    share_clock_advance(c, cq_now_ns());
    c->held = has_work(w);
    int why = work_jobs_waiting(w) || !w->queue.empty ? SCORE_IDLE_DECODE : SCORE_IDLE_CLIPS;
    for (int i = 0; i < SHARE_KINDS; i++)
        c->rates[i] = 0;
    if (!c->n)
        return;
    c->rates[PROCESSORS + why] = idle_processors(w);
    c->rates[DEVICES + why] = idle_part(w, false, 0);
    c->rates[OTHERS] = w->score->others_rate;
}

void job_score_come(struct job *j) { share_come(&j->w->score->clock, &j->score.share, cq_now_ns()); }
void job_score_go(struct job *j) { share_go(&j->w->score->clock, &j->score.share, cq_now_ns()); }

/* ---- what is necessary ---- */

static void need(struct job_score *s, struct limit *l, int64_t units)
{
    int i = 0;
    while (i < s->n_needs && s->needs[i].limit != l)
        i++;
    if (!l || i == JOB_NEEDS) {
        s->unknown = true;
        return;
    }
    if (i == s->n_needs) {
        s->needs[i].limit = l;
        s->n_needs++;
    }
    s->needs[i].units += units;
}

void job_score_decoded(struct job *j, const struct msg_end *m)
{
    j->score.cpu_s += (double) m->cpu_ns / 1e9;
}

static struct limit *limit_of(struct engine *e, int lane)
{
    struct engine_lane *l = &e->lanes[lane];
    const struct work_lane *model = work_lane(e->w, lane);
    struct store_limit key;
    if (!l->best) {
        limit_key_of_model(e->name, e->driver, e->units, model->hash, model->shape, &key);
        l->best = limits_get(&e->w->score->limits, &key);
        if (l->best)
            l->best->on_processors = e->is_cpu;
    }
    return l->best;
}

void engine_score_batch(struct engine *e, const struct batch *b, const struct msg_result *m)
{
    struct limit *l = limit_of(e, b->lane);
    if (l && m->runs == 1 && !m->halvings)
        limit_see_batch(l, b->n, (double) m->infer_ns / 1e9);
}

void job_score_frame(struct job *j, struct engine *e, int lane, const struct msg_result *m)
{
    struct limit *l = limit_of(e, lane);
    bool measured;
    need(&j->score, l, 1);
    double beyond = l ? ((double) m->infer_ns / 1e9 / m->n - limit_s(l, &measured)) / work_engines_alive(j->w) : 0;
    if (beyond > 0)
        *(m->n < limit_batch(l) ? &j->score.small_s : &j->score.full_s) += beyond;
}

static void need_decoding(struct job *j)
{
    struct store_limit key;
    limit_key_of_clip(&j->claim.probe, &j->pipeline->sample, j->targets, j->pipeline->n_models, &key);
    struct limit *l = limits_get(&j->w->score->limits, &key);
    if (l)
        limit_see_clip(l, j->end.decoded, j->score.cpu_s);
    need(&j->score, l, j->end.decoded);
}

/* ---- sums ---- */

static void add_need(struct score_inputs *in, const struct limit *l, int64_t units)
{
    bool measured;
    double s = limit_s(l, &measured) * (double) units;
    in->observed = in->observed || !measured;
    in->unknown = in->unknown || (units && s <= 0);
    if (l->key.kind == LIMIT_DECODE) {
        in->decoded += units;
        in->decode_s += s;
    } else if (l->on_processors) {
        in->inferred += units;
        in->infer_s += s * l->key.units;
    } else {
        in->on_devices += units;
        in->device_s += s;
    }
}

static void count_resources(const struct work *w, struct score_inputs *in)
{
    const struct engine *e;
    in->processors = w->score->processors;
    for (int i = 0; (e = work_engine(w, i)); i++)
        in->devices += !e->is_cpu && e->state != ENGINE_OUT;
}

static void take_lost(struct score_account *a, const struct share *s)
{
    for (int i = 0; i < 2; i++) {
        a->idle_processors_s[i] = s->lost_s[PROCESSORS + i];
        a->idle_devices_s[i] = s->lost_s[DEVICES + i];
    }
}

const struct store_score *job_score_complete(struct job *j)
{
    struct job_score *s = &j->score;
    struct score_account a = {.small_s = s->small_s, .full_s = s->full_s, .decode_cpu_s = s->cpu_s};
    struct score_inputs *in = &s->kept.inputs;
    need_decoding(j);
    *in = (struct score_inputs) {.took_s = s->share.taken.s, .unknown = s->unknown};
    count_resources(j->w, in);
    for (int i = 0; i < s->n_needs; i++)
        add_need(in, s->needs[i].limit, s->needs[i].units);
    take_lost(&a, &s->share.taken);
    a.others_cpu_s = s->share.taken.lost_s[OTHERS] * in->processors;
    score_explain(in, &a, s->kept.losses);
    return &s->kept;
}

void job_score_accepted(struct job *j)
{
    struct work_score *ws = j->w->score;
    const struct job_score *s = &j->score;
    for (int i = 0; i < s->n_needs; i++)
        s->needs[i].limit->units += s->needs[i].units;
    ws->accepted_s += s->share.taken.s;
    ws->small_s += s->small_s;
    ws->full_s += s->full_s;
    ws->cpu_s += s->cpu_s;
    ws->unknown = ws->unknown || s->unknown;
}

/* By this process and its children, since the start. */
static double own_s(const struct work *w)
{
    return cq_cpu_s(RUSAGE_SELF) - w->score->own_before_s + work_health_children_cpu_s(w);
}

static double host_s(const struct work *w)
{
    return host_cpu_s(w->score->processors) - w->score->host_before_s;
}

void work_score_look(struct work *w)
{
    struct work_score *ws = w->score;
    int64_t now = cq_now_ns();
    double own = own_s(w), host = host_s(w), s = (double) (now - ws->seen_ns) / 1e9 * ws->processors;
    ws->others_rate = s > 0 ? score_harm_s(s, own - ws->seen_own_s, host - ws->seen_host_s) / s : 0;
    ws->seen_own_s = own;
    ws->seen_host_s = host;
    ws->seen_ns = now;
}

/* For the time in which there was work. */
static double others_s(const struct work *w, double took_s)
{
    double wall_s = (double) (cq_now_ns() - w->score->begun_ns) / 1e9;
    return wall_s > 0 ? score_harm_s(wall_s * w->score->processors, own_s(w), host_s(w)) * took_s / wall_s : 0;
}

void work_score_run(struct work *w, struct store_score *out)
{
    struct work_score *ws = w->score;
    share_clock_advance(&ws->clock, cq_now_ns());
    const struct share_clock *c = &ws->clock;
    struct score_inputs *in = &out->inputs;
    *in = (struct score_inputs) {.took_s = c->all.s + c->empty_s, .unknown = ws->unknown};
    count_resources(w, in);
    for (int i = 0; i < ws->limits.n; i++) {
        limit_settle(ws->limits.list[i]);
        if (ws->limits.list[i]->units)
            add_need(in, ws->limits.list[i], ws->limits.list[i]->units);
    }
    struct score_account a = {
        .startup_s = c->empty_s, .lost_s = c->all.s - ws->accepted_s, .small_s = ws->small_s, .full_s = ws->full_s,
        .decode_cpu_s = ws->cpu_s, .own_cpu_s = cq_cpu_s(RUSAGE_SELF) - ws->own_before_s, .others_cpu_s = others_s(w, in->took_s),
    };
    take_lost(&a, &c->all);
    score_explain(in, &a, out->losses);
}

enum cq_err work_score_limits(struct work *w, struct store_limit **list, int *n)
{
    const struct limits *ls = &w->score->limits;
    *n = 0;
    *list = malloc((size_t) (ls->n + 1) * sizeof **list);
    if (!*list)
        return CQ_NOMEM;
    for (int i = 0; i < ls->n; i++) {
        const struct limit *l = ls->list[i];
        if (!l->fresh)
            continue;
        struct store_limit *to = &(*list)[(*n)++];
        *to = l->key;
        to->batch = l->observed_batch;
        to->unit_s = l->observed_s;
        to->measured = false;
    }
    return CQ_OK;
}
