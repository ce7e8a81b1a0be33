/* Gathering, summing, and finding what limits.
 *
 * A resource's load is its busy time over what its workers could have given: decode and scale run in the decode
 * workers, infer and postprocess in the engines, write in the one writer. The largest share is the bottleneck;
 * stages such as wait are a symptom of it and are not compared.
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

static int engines_of(const struct store_run_row *run)
{
    int n = 1;
    for (const char *c = run->devices; *c; c++)
        n += *c == ',';
    return n;
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
        r->loads[RESOURCE_DECODE].capacity_s += wall * run->workers;
        r->loads[RESOURCE_INFER].capacity_s += wall * engines_of(run);
        r->loads[RESOURCE_WRITE].capacity_s += wall;
    }
    if (r->wall_s > 0) {
        r->frames_per_s = (double) r->inferred / r->wall_s;
        r->times_real_time = r->media_s / r->wall_s;
    }
    if (r->batches)
        r->mean_batch = (double) r->inferred / (double) r->batches;
}

static double sum_s(const struct report *r, enum metric_stage a)
{
    return (double) r->stages[a].sum_ns / 1e9;
}

static void judge(struct report *r)
{
    static const char *const names[] = {[RESOURCE_DECODE] = "decoding", [RESOURCE_INFER] = "inference",
                                        [RESOURCE_WRITE] = "recording"};
    r->loads[RESOURCE_DECODE].busy_s = sum_s(r, METRIC_DECODE) + sum_s(r, METRIC_SCALE);
    r->loads[RESOURCE_INFER].busy_s = sum_s(r, METRIC_INFER) + sum_s(r, METRIC_POSTPROCESS);
    r->loads[RESOURCE_WRITE].busy_s = sum_s(r, METRIC_WRITE);
    r->bottleneck = -1;
    for (int i = 0; i < RESOURCE_COUNT; i++) {
        struct load *l = &r->loads[i];
        l->name = names[i];
        l->share = l->capacity_s > 0 ? l->busy_s / l->capacity_s : 0;
        if (l->share > 0 && (r->bottleneck < 0 || l->share > r->loads[r->bottleneck].share))
            r->bottleneck = i;
    }
}

enum cq_err report_gather(struct store *s, struct report *out)
{
    memset(out, 0, sizeof *out);
    enum cq_err err = store_get_counts(s, &out->counts);
    if (!err)
        err = store_each_failure_class(s, add_class, out);
    if (!err)
        err = store_get_stages(s, out->stages);
    if (!err)
        err = store_each_run(s, REPORT_RUNS, add_run, out);
    if (!err)
        err = store_each_model(s, add_model, out);
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

void report_finish(struct report *r)
{
    free(r->classes);
    r->classes = NULL;
    r->n_classes = 0;
}
