/* clipq report: what happened, what was slow, what to change. */
#include <inttypes.h>
#include <stdlib.h>

#include "cmd/common.h"
#include "cmd/report_facts.h"
#include "cmd/score_rows.h"
#include "kernels/base/clock.h"

enum { RUNS_SHOWN = 5 };

#define STAGE_ROW "  %-12s %10s %10s %10s %10s %10s %12s\n"
#define MODEL_ROW "  %-28s %-14s %10s %10s %10s %10s %7s %7s\n"

static void print_counts(const struct report *r)
{
    const struct store_counts *c = &r->counts;
    char left[FIGURE_SIZE], total[FIGURE_SIZE], frames[FIGURE_SIZE];
    printf("Clips\n"
           "  submitted %" PRId64 " = done %" PRId64 " + partial %" PRId64 " + failed %" PRId64 " + dead %" PRId64
           " + cancelled %" PRId64 " + pending %" PRId64, c->submitted, c->done, c->partial, c->failed, c->dead,
           c->cancelled, c->pending);
    if (c->running)
        printf(" + running %" PRId64, c->running);
    printf("\n");
    if (!r->adds_up)
        printf("  THIS DOES NOT ADD UP: please report it with the database\n");
    printf("  %s of video, %s left; %s frames recorded\n", text_seconds(c->media_s_total, total),
           text_seconds(c->media_s_left, left), text_count(c->frames, frames));
    if (r->segments.clips)
        printf("  %" PRId64 " long clip%s in %" PRId64 " segments, of which %" PRId64 " had to be tried again\n", r->segments.clips,
               r->segments.clips == 1 ? "" : "s", r->segments.segments, r->segments.again);
}

static void print_cache(const struct report *r)
{
    char n[4][FIGURE_SIZE];
    const struct store_cache_use *c = &r->cache;
    if (c->hits || c->evictions)
        printf("\nAnswers of frames\n  %s were known, which saved %s of inference; %s were not; %s went to make room\n",
               text_count(c->hits, n[0]), text_seconds((double) c->saved_ns / 1e9, n[1]), text_count(c->misses, n[2]),
               text_count(c->evictions, n[3]));
}

static void print_classes(const struct report *r)
{
    if (!r->n_classes)
        return;
    printf("\nFailures\n");
    for (int i = 0; i < r->n_classes; i++) {
        const struct store_failure_class *c = &r->classes[i];
        char path[STORE_PATH], message[STORE_TEXT];
        text_safe(c->example_path, path, sizeof path);
        printf("  %-18s %6" PRId64 "  e.g. %s\n", c->name, c->count, path);
        if (*c->example_message)
            printf("  %-18s %6s  %s\n", "", "", text_safe(c->example_message, message, sizeof message));
    }
}

/* Of many frames at once, so that the sum is no amount of work. */
static bool is_latency(enum metric_stage stage)
{
    return stage == METRIC_WAIT || stage == METRIC_WRITE;
}

static void print_stages(const struct report *r)
{
    bool any = false;
    for (int i = 0; i < METRIC_COUNT; i++)
        any = any || r->stages[i].count;
    if (!any)
        return;
    printf("\nTime per step, in ms\n");
    printf(STAGE_ROW, "step", "count", "mean", "p50", "p95", "max", "total");
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct histogram *h = &r->stages[i];
        char f[6][FIGURE_SIZE];
        if (!h->count)
            continue;
        printf(STAGE_ROW, metric_name((enum metric_stage) i), text_count(h->count, f[0]),
               text_ms(histogram_mean_ms(h), f[1]), text_ms(histogram_percentile_ms(h, 0.5), f[2]),
               text_ms(histogram_percentile_ms(h, 0.95), f[3]), text_ms((double) h->max_ns / 1e6, f[4]),
               is_latency((enum metric_stage) i) ? "latency" : text_seconds((double) h->sum_ns / 1e9, f[5]));
    }
}

static void print_bottleneck(const struct report *r)
{
    const struct load *bottleneck = report_bottleneck(r);
    const struct load *processors = &r->loads[RESOURCE_PROCESSORS];
    char prepare[FIGURE_SIZE], f[3][FIGURE_SIZE];
    if (r->busiest < 0)
        return;
    printf("\nBottleneck: %s\n", bottleneck ? bottleneck->name : "none, nothing was busy for half of the time");
    for (int i = 0; i < RESOURCE_COUNT; i++) {
        const struct load *l = &r->loads[i];
        char busy[FIGURE_SIZE], capacity[FIGURE_SIZE];
        if (l->capacity_s > 0)
            printf("  %-12s busy %s of %s (%.0f %%)\n", l->name, text_seconds(l->busy_s, busy),
               text_seconds(l->capacity_s, capacity), l->share * 100);
    }
    if (processors->capacity_s > 0)
        printf("  %-12s were computing: decode workers %s, engines %s, supervisor %s\n", "", text_seconds(r->decode_cpu_s, f[0]),
               text_seconds(r->engine_cpu_s, f[1]), text_seconds(r->own_cpu_s, f[2]));
    printf("  not counted for decoding and inference: %s of preparing engines (kernels are compiled once and kept for the next run)\n",
           text_seconds(r->prepare_s, prepare));
}

static void print_score(const struct report *r)
{
    if (!r->score.kept)
        return;
    printf("\nScore of run %" PRId64 "\n", report_last_run(r)->id);
    score_print(&r->score);
}

static void print_run(const struct store_run_row *run)
{
    char started[CQ_RFC3339_SIZE], wall[FIGURE_SIZE], frames[FIGURE_SIZE];
    double s = run->ended_ms ? (double) (run->ended_ms - run->started_ms) / 1000 : 0;
    const char *end = run->ended_ms ? run->end_reason : run->active ? "active" : "killed";
    printf("  %4" PRId64 "  %.19sZ %-9s %7d %6" PRId64 " %10s", run->id, cq_rfc3339(run->started_ms, started), end,
           run->workers, run->jobs, text_count(run->frames_inferred, frames));
    if (s > 0)
        printf(" %11s %9.1f %7.2fx\n", text_seconds(s, wall), (double) run->frames_inferred / s, run->media_s / s);
    else
        printf(" %11s %9s %8s\n", "-", "-", "-");
}

/* Why each device was chosen, and what it did. */
static void print_engines(const struct report *r)
{
    int64_t all = 0;
    for (int i = 0; i < r->n_engines; i++)
        all += r->engines[i].frames;
    for (int i = 0; i < r->n_engines; i++) {
        const struct store_engine *e = &r->engines[i];
        char frames[FIGURE_SIZE], batches[FIGURE_SIZE], device[128], chosen[128];
        printf("  engine %-8s %s frames (%.1f %%) in %s batches, %.1f frames/s while busy; %s, %s\n", e->spec,
               text_count(e->frames, frames), all ? 100.0 * (double) e->frames / (double) all : 0, text_count(e->batches, batches),
               e->busy_s > 0 ? (double) e->frames / e->busy_s : 0, text_safe(e->device, device, sizeof device),
               text_safe(e->chosen, chosen, sizeof chosen));
    }
}

static void print_runs(const struct report *r)
{
    if (!r->n_runs)
        return;
    printf("\nRuns, newest first\n");
    printf("  %4s  %-20s %-9s %7s %6s %10s %11s %9s %8s\n", "run", "started", "end", "workers", "clips", "frames",
           "wall", "frames/s", "speed");
    for (int i = 0; i < r->n_runs && i < RUNS_SHOWN; i++)
        print_run(&r->runs[i]);
    if (r->n_runs > RUNS_SHOWN)
        printf("  and %d more\n", r->n_runs - RUNS_SHOWN);
    if (r->wall_s <= 0)
        return;
    const struct store_run_row *last = report_last_run(r);
    char f[5][FIGURE_SIZE];
    printf("  all ended runs: %.1f frames/s, %.2f times real time in %s\n", r->frames_per_s, r->times_real_time,
           text_seconds(r->wall_s, f[0]));
    printf("  frames: %s decoded, %s sampled, %s inferred in %s batches of %.1f on average\n",
           text_count(r->decoded, f[1]), text_count(r->sampled, f[2]), text_count(r->inferred, f[3]),
           text_count(r->batches, f[4]), r->mean_batch);
    printf("  accidents: %" PRId64 " out-of-memory halvings, %" PRId64 " worker restarts, %" PRId64
           " engine restarts\n", r->halvings, r->worker_restarts, r->engine_restarts);
    printf("  devices of run %" PRId64 ": %s\n", last->id, last->devices);
    print_engines(r);
}

static void print_models(const struct report *r)
{
    if (!r->n_models)
        return;
    printf("\nRows by model\n");
    printf(MODEL_ROW, "model", "decoder", "frames", "detections", "classes", "embeddings", "shots", "files");
    for (int i = 0; i < r->n_models; i++) {
        const struct store_model_row *m = &r->models[i];
        char f[6][FIGURE_SIZE];
        printf(MODEL_ROW, m->name, m->decoder, text_count(m->frames, f[0]), text_count(m->detections, f[1]),
               text_count(m->classifications, f[2]), text_count(m->embeddings, f[3]), text_count(m->shots, f[4]),
               text_count(m->artifacts, f[5]));
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
    print_cache(r);
    print_classes(r);
    print_stages(r);
    print_bottleneck(r);
    print_score(r);
    print_runs(r);
    print_models(r);
    report_advise(r, print_advice, &any);
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
        (c.json ? report_print_json : print_text)(r);
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
        "the bottleneck and says what to try next. The score is how near the newest run came to what this machine was\n"
        "measured to be able to do (`clipq bench infer --record`, `bench decode --record`), and what took the rest. The rest is SQL: see the v_* views.\n\n"
        "Exit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
