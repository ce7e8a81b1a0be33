/* clipq report: what happened, what was slow, what to change. */
#include <stdlib.h>

#include "cmd/common.h"
#include "cmd/report_facts.h"
#include "kernels/base/clock.h"

enum { RUNS_SHOWN = 5 };

/* ---- text ---- */

static void print_counts(const struct report *r)
{
    const struct store_counts *c = &r->counts;
    char left[FIGURE_SIZE], total[FIGURE_SIZE], frames[FIGURE_SIZE];
    printf("Clips\n  submitted %lld = done %lld + partial %lld + failed %lld + dead %lld + cancelled %lld + pending %lld",
           (long long) c->submitted, (long long) c->done, (long long) c->partial, (long long) c->failed, (long long) c->dead,
           (long long) c->cancelled, (long long) c->pending);
    if (c->running)
        printf(" + running %lld", (long long) c->running);
    printf("\n");
    if (!r->adds_up)
        printf("  THIS DOES NOT ADD UP: please report it with the database\n");
    printf("  %s of video, %s left; %s frames recorded\n", text_seconds(c->media_s_total, total),
           text_seconds(c->media_s_left, left), text_count(c->frames, frames));
}

static void print_classes(const struct report *r)
{
    if (!r->n_classes)
        return;
    printf("\nFailures\n");
    for (int i = 0; i < r->n_classes; i++) {
        const struct store_failure_class *c = &r->classes[i];
        char path[STORE_PATH], message[STORE_TEXT];
        printf("  %-18s %6lld  e.g. %s\n", c->name, (long long) c->count, text_safe(c->example_path, path, sizeof path));
        if (*c->example_message)
            printf("  %-18s %6s  %s\n", "", "", text_safe(c->example_message, message, sizeof message));
    }
}

static void print_stages(const struct report *r)
{
    bool any = false;
    for (int i = 0; i < METRIC_COUNT; i++)
        any = any || r->stages[i].count;
    if (!any)
        return;
    printf("\nTime per step, in ms\n  %-12s %10s %10s %10s %10s %10s %12s\n", "step", "count", "mean", "p50", "p95", "max",
           "total");
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct histogram *h = &r->stages[i];
        char f[6][FIGURE_SIZE];
        if (!h->count)
            continue;
        printf("  %-12s %10s %10s %10s %10s %10s %12s\n", metric_name((enum metric_stage) i), text_count(h->count, f[0]),
               text_ms(histogram_mean_ms(h), f[1]), text_ms(histogram_percentile_ms(h, 0.5), f[2]),
               text_ms(histogram_percentile_ms(h, 0.95), f[3]), text_ms((double) h->max_ns / 1e6, f[4]),
               i == METRIC_WAIT ? "-" : text_seconds((double) h->sum_ns / 1e9, f[5]));   /* frames wait side by side */
    }
}

static void print_bottleneck(const struct report *r)
{
    if (r->bottleneck < 0)
        return;
    printf("\nBottleneck: %s\n", r->loads[r->bottleneck].name);
    for (int i = 0; i < RESOURCE_COUNT; i++) {
        const struct load *l = &r->loads[i];
        char busy[FIGURE_SIZE], capacity[FIGURE_SIZE];
        printf("  %-12s busy %s of %s (%.0f %%)\n", l->name, text_seconds(l->busy_s, busy),
               text_seconds(l->capacity_s, capacity), l->share * 100);
    }
}

static void print_run(const struct store_run_row *run)
{
    char started[CQ_RFC3339_SIZE], wall[FIGURE_SIZE], frames[FIGURE_SIZE];
    double s = run->ended_ms ? (double) (run->ended_ms - run->started_ms) / 1000 : 0;
    const char *end = run->ended_ms ? run->end_reason : run->active ? "active" : "killed";
    printf("  %4lld  %.19sZ %-9s %7d %6lld %10s", (long long) run->id, cq_rfc3339(run->started_ms, started), end,
           run->workers, (long long) run->jobs, text_count(run->frames_inferred, frames));
    if (s > 0)
        printf(" %11s %9.1f %7.2fx\n", text_seconds(s, wall), (double) run->frames_inferred / s, run->media_s / s);
    else
        printf(" %11s %9s %8s\n", "-", "-", "-");
}

static void print_runs(const struct report *r)
{
    if (!r->n_runs)
        return;
    printf("\nRuns, newest first\n  %4s  %-20s %-9s %7s %6s %10s %11s %9s %8s\n", "run", "started", "end", "workers", "clips",
           "frames", "wall", "frames/s", "speed");
    for (int i = 0; i < r->n_runs && i < RUNS_SHOWN; i++)
        print_run(&r->runs[i]);
    if (r->n_runs > RUNS_SHOWN)
        printf("  and %d more\n", r->n_runs - RUNS_SHOWN);
    if (r->wall_s <= 0)
        return;
    char f[5][FIGURE_SIZE];
    printf("  all ended runs: %.1f frames/s, %.2f times real time in %s\n", r->frames_per_s, r->times_real_time,
           text_seconds(r->wall_s, f[0]));
    printf("  frames: %s decoded, %s sampled, %s inferred in %s batches of %.1f on average\n", text_count(r->decoded, f[1]),
           text_count(r->sampled, f[2]), text_count(r->inferred, f[3]), text_count(r->batches, f[4]), r->mean_batch);
    printf("  accidents: %lld out-of-memory halvings, %lld worker restarts, %lld engine restarts\n", (long long) r->halvings,
           (long long) r->worker_restarts, (long long) r->engine_restarts);
    printf("  --device %s\n", r->runs[0].devices);
}

static void print_models(const struct report *r)
{
    if (!r->n_models)
        return;
    printf("\nRows by model\n  %-28s %-14s %10s %10s %10s %10s %7s %7s\n", "model", "decoder", "frames", "detections", "classes",
           "embeddings", "shots", "files");
    for (int i = 0; i < r->n_models; i++) {
        const struct store_model_row *m = &r->models[i];
        printf("  %-28s %-14s %10lld %10lld %10lld %10lld %7lld %7lld\n", m->name, m->decoder, (long long) m->frames,
               (long long) m->detections, (long long) m->classifications, (long long) m->embeddings, (long long) m->shots,
               (long long) m->artifacts);
    }
}

static void print_advice(void *ctx, const char *text)
{
    bool *any = ctx;
    if (!*any)
        printf("\nWhat to try next\n");
    *any = true;
    printf("  - %s\n", text);
}

static void print_text(const struct report *r)
{
    bool any = false;
    print_counts(r);
    print_classes(r);
    print_stages(r);
    print_bottleneck(r);
    print_runs(r);
    print_models(r);
    report_advise(r, print_advice, &any);
}

/* ---- JSON: one line for the whole, then one for each class, step, run, model, advice ---- */

static void emit_totals(const struct report *r)
{
    const struct store_counts *c = &r->counts;
    json_t *j = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:o, s:o}", "time", json_time(cq_utc_ms()),
                          "submitted", (json_int_t) c->submitted, "done", (json_int_t) c->done, "partial",
                          (json_int_t) c->partial, "failed", (json_int_t) c->failed, "dead", (json_int_t) c->dead,
                          "cancelled", (json_int_t) c->cancelled, "pending", (json_int_t) c->pending, "running",
                          (json_int_t) c->running, "reconciles", r->adds_up, "frames", (json_int_t) c->frames, "media_s_total",
                          json_figure(c->media_s_total), "media_s_left", json_figure(c->media_s_left));
    json_t *speed = json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:s}", "wall_s", json_figure(r->wall_s),
                              "frames_per_s", json_figure(r->frames_per_s), "times_real_time",
                              json_figure(r->times_real_time), "frames_decoded", (json_int_t) r->decoded, "frames_sampled",
                              (json_int_t) r->sampled, "frames_inferred", (json_int_t) r->inferred, "batches",
                              (json_int_t) r->batches, "mean_batch", json_figure(r->mean_batch), "oom_halvings",
                              (json_int_t) r->halvings, "worker_restarts", (json_int_t) r->worker_restarts,
                              "engine_restarts", (json_int_t) r->engine_restarts, "bottleneck",
                              r->bottleneck < 0 ? "" : r->loads[r->bottleneck].name);
    json_object_update(j, speed);
    json_decref(speed);
    json_emit("report", j);
}

static void emit_stages(const struct report *r)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct histogram *h = &r->stages[i];
        if (h->count)
            json_emit("stage", json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "stage", metric_name((enum metric_stage) i),
                                         "count", (json_int_t) h->count, "mean_ms", json_figure(histogram_mean_ms(h)), "p50_ms",
                                         json_figure(histogram_percentile_ms(h, 0.5)), "p95_ms",
                                         json_figure(histogram_percentile_ms(h, 0.95)), "max_ms",
                                         json_figure((double) h->max_ns / 1e6), "total_s",
                                         json_figure((double) h->sum_ns / 1e9)));
    }
    for (int i = 0; i < RESOURCE_COUNT; i++)
        json_emit("load", json_pack("{s:s, s:o, s:o, s:o}", "resource", r->loads[i].name, "busy_s",
                                    json_figure(r->loads[i].busy_s), "capacity_s", json_figure(r->loads[i].capacity_s), "share",
                                    json_figure(r->loads[i].share)));
}

static void emit_run(const struct store_run_row *run)
{
    json_emit("run", json_pack("{s:I, s:o, s:o, s:s, s:b, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "run_id",
                               (json_int_t) run->id, "started", json_time(run->started_ms), "ended", json_time(run->ended_ms),
                               "end_reason", run->end_reason, "active", run->active, "workers", run->workers, "devices",
                               json_text(run->devices), "clips", (json_int_t) run->jobs, "frames_decoded",
                               (json_int_t) run->frames_decoded, "frames_sampled", (json_int_t) run->frames_sampled,
                               "frames_inferred", (json_int_t) run->frames_inferred, "batches", (json_int_t) run->batches,
                               "oom_halvings", (json_int_t) run->oom_halvings, "worker_restarts",
                               (json_int_t) run->worker_restarts, "engine_restarts", (json_int_t) run->engine_restarts,
                               "media_s", json_figure(run->media_s)));
}

static void emit_advice(void *ctx, const char *text)
{
    (void) ctx;
    json_emit("advice", json_pack("{s:o}", "text", json_text(text)));
}

static void print_json(const struct report *r)
{
    emit_totals(r);
    for (int i = 0; i < r->n_classes; i++)
        json_emit("failure_class", json_pack("{s:s, s:I, s:o, s:o}", "reason", r->classes[i].name, "count",
                                             (json_int_t) r->classes[i].count, "example_path",
                                             json_text(r->classes[i].example_path), "example_message",
                                             json_text(r->classes[i].example_message)));
    emit_stages(r);
    for (int i = 0; i < r->n_runs; i++)
        emit_run(&r->runs[i]);
    for (int i = 0; i < r->n_models; i++) {
        const struct store_model_row *m = &r->models[i];
        json_emit("model_rows", json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "model", json_text(m->name), "decoder",
                                          m->decoder, "frames", (json_int_t) m->frames, "detections",
                                          (json_int_t) m->detections, "classifications", (json_int_t) m->classifications,
                                          "embeddings", (json_int_t) m->embeddings, "shots", (json_int_t) m->shots,
                                          "artifacts", (json_int_t) m->artifacts));
    }
    report_advise(r, emit_advice, NULL);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct common c;
    struct store *store;
    int n_rest, rc;
    if (!common_parse(self, &c, NULL, NULL, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': report takes no names", argv[0]);
    enum cq_err err = store_open(&c.log, c.db, STORE_READ, &store);
    if (err)
        return common_exit(err, true);
    struct report *r = calloc(1, sizeof *r);
    err = r ? report_gather(store, r) : CQ_NOMEM;
    if (!err) {
        (c.json ? print_json : print_text)(r);
        report_finish(r);
    }
    free(r);
    store_close(&store);
    return common_exit(err, true);
}

const struct command cmd_report = {
    .name = "report",
    .usage = "[options]",
    .summary = "Tell what happened, what was slow and what to change",
    .details =
        "Reconciles the counts, lists failures by class with an example, gives p50, p95 and max of each step, names\n"
        "the bottleneck and says what to try next. The rest is SQL: see the v_* views.\n\n"
        "Exit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
