/* Gathering, summing, and finding what limits.
 *
 * A resource's load is its busy time over what its workers could have given: decode and scale run in the decode
 * workers, infer and postprocess in the engines. Both are times of the clock, in which a step may wait for a processor
 * that another has; how full the processors were is known from what each process computed. Only runs that ended count,
 * for they alone know both, and only their time after the engines were prepared, for nothing could be done before. A
 * clip is decoded by one worker, so no more workers count than there were clips. The steps wait and write are latencies,
 * in which nobody need be busy; they are not compared.
 */
#include "cmd/report_facts.h"

#include <stdlib.h>
#include <string.h>

static enum cq_err add_class(void *ctx, const struct store_failure_class *c)
{
    struct report *r = ctx;
    struct store_failure_class *more = realloc(r->classes, (size_t) (r->n_classes + 1) * sizeof *more);
    if (!more)
        return CQ_NOMEM;
    more[r->n_classes++] = *c;
    r->classes = more;
    return CQ_OK;
}

static enum cq_err add_run(void *ctx, const struct store_run_row *run)
{
    struct report *r = ctx;
    if (r->n_runs < REPORT_RUNS)
        r->runs[r->n_runs++] = *run;
    return CQ_OK;
}

static enum cq_err add_model(void *ctx, const struct store_model_row *m)
{
    struct report *r = ctx;
    if (r->n_models < REPORT_MODELS)
        r->models[r->n_models++] = *m;
    return CQ_OK;
}

static enum cq_err add_engine(void *ctx, const struct store_engine *e)
{
    struct report *r = ctx;
    if (r->n_engines < REPORT_ENGINES)
        r->engines[r->n_engines++] = *e;
    return CQ_OK;
}

static void add_load(struct load *l, double busy_s, double s, int64_t n)
{
    l->busy_s += busy_s;
    l->capacity_s += s * (double) n;
}

static void add_processors(struct report *r, const struct store_run_row *run, double wall)
{
    if (!run->processors)
        return;
    r->decode_cpu_s += run->decode_cpu_s;
    r->engine_cpu_s += run->engine_cpu_s;
    r->own_cpu_s += run->own_cpu_s;
    add_load(&r->loads[RESOURCE_PROCESSORS], run->decode_cpu_s + run->engine_cpu_s + run->own_cpu_s, wall, run->processors);
}

static void sum_runs(struct report *r)
{
    for (int i = 0; i < r->n_runs; i++) {
        const struct store_run_row *run = &r->runs[i];
        if (!run->ended_ms)
            continue;
        double wall = (double) (run->ended_ms - run->started_ms) / 1000;
        r->wall_s += wall;
        r->media_s += run->media_s;
        r->inferred += run->frames_inferred;
        r->sampled += run->frames_sampled;
        r->decoded += run->frames_decoded;
        r->batches += run->batches;
        r->halvings += run->oom_halvings;
        r->worker_restarts += run->worker_restarts;
        r->engine_restarts += run->engine_restarts;
        double prepare = run->prepare_s < wall ? run->prepare_s : wall;
        r->prepare_s += prepare;
        add_load(&r->loads[RESOURCE_DECODE], run->decode_s, wall - prepare,
                 run->jobs < run->workers ? run->jobs : run->workers);
        add_load(&r->loads[RESOURCE_INFER], run->infer_s, wall - prepare, run->engines);
        add_processors(r, run, wall);
    }
    if (r->wall_s > 0) {
        r->frames_per_s = (double) r->inferred / r->wall_s;
        r->times_real_time = r->media_s / r->wall_s;
    }
    if (r->batches)
        r->mean_batch = (double) r->inferred / (double) r->batches;
}

static void weigh(struct load *l, const char *name)
{
    l->name = name;
    l->share = l->capacity_s > 0 ? l->busy_s / l->capacity_s : 0;
}

static void judge(struct report *r)
{
    struct load *decode = &r->loads[RESOURCE_DECODE], *infer = &r->loads[RESOURCE_INFER];
    struct load *processors = &r->loads[RESOURCE_PROCESSORS];
    weigh(decode, "decoding");
    weigh(infer, "inference");
    weigh(processors, "processors");
    r->busiest = decode->share > infer->share ? RESOURCE_DECODE : infer->share > 0 ? RESOURCE_INFER : -1;
    if (processors->share >= FULL_SHARE)
        r->busiest = RESOURCE_PROCESSORS;
}

enum cq_err report_gather(struct store *s, struct report *out)
{
    memset(out, 0, sizeof *out);
    enum cq_err err = store_get_counts(s, &out->counts);
    if (!err)
        err = store_sum_segments(s, &out->segments);
    if (!err)
        err = store_sum_cache_use(s, &out->cache);
    if (!err)
        err = store_each_failure_class(s, add_class, out);
    if (!err)
        err = store_get_stages(s, out->stages);
    if (!err)
        err = store_each_run(s, REPORT_RUNS, add_run, out);
    if (!err)
        err = store_each_model(s, add_model, out);
    if (!err && out->n_runs)
        err = store_each_engine(s, report_last_run(out)->id, add_engine, out);
    if (!err && out->n_runs)
        err = store_get_run_score(s, report_last_run(out)->id, &out->score);
    if (err) {
        report_finish(out);
        return err;
    }
    const struct store_counts *c = &out->counts;
    out->adds_up = c->submitted == c->done + c->partial + c->failed + c->dead + c->cancelled + c->pending + c->running;
    sum_runs(out);
    judge(out);
    return CQ_OK;
}

const struct store_run_row *report_last_run(const struct report *r)
{
    for (int i = 0; i < r->n_runs; i++)
        if (r->runs[i].ended_ms && r->runs[i].jobs)
            return &r->runs[i];
    return r->n_runs ? &r->runs[0] : NULL;
}

const struct load *report_bottleneck(const struct report *r)
{
    const struct load *l = r->busiest < 0 ? NULL : &r->loads[r->busiest];
    return l && l->share >= BUSY_SHARE ? l : NULL;
}

void report_finish(struct report *r)
{
    free(r->classes);
    r->classes = NULL;
    r->n_classes = 0;
}
