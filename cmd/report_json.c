/* The report as JSON lines: one for the whole, then one for each class, step, resource, run, model, advice. */
#include "cmd/common.h"
#include "cmd/report_facts.h"
#include "cmd/score_rows.h"
#include "kernels/base/clock.h"

static void emit_totals(const struct report *r)
{
    const struct store_counts *c = &r->counts;
    const struct load *bottleneck = report_bottleneck(r);
    json_t *j = json_object();
    field_time(j, "time", cq_utc_ms());
    field_int(j, "submitted", c->submitted);
    field_int(j, "done", c->done);
    field_int(j, "partial", c->partial);
    field_int(j, "failed", c->failed);
    field_int(j, "dead", c->dead);
    field_int(j, "cancelled", c->cancelled);
    field_int(j, "pending", c->pending);
    field_int(j, "running", c->running);
    field_bool(j, "reconciles", r->adds_up);
    field_int(j, "clips_in_segments", r->segments.clips);
    field_int(j, "segments", r->segments.segments);
    field_int(j, "segments_tried_again", r->segments.again);
    field_int(j, "frames", c->frames);
    field_figure(j, "media_s_total", c->media_s_total);
    field_figure(j, "media_s_left", c->media_s_left);
    field_figure(j, "wall_s", r->wall_s);
    field_figure(j, "prepare_s", r->prepare_s);
    field_figure(j, "frames_per_s", r->frames_per_s);
    field_figure(j, "times_real_time", r->times_real_time);
    field_int(j, "frames_decoded", r->decoded);
    field_int(j, "frames_sampled", r->sampled);
    field_int(j, "frames_inferred", r->inferred);
    field_int(j, "frames_cached", r->cache.hits);
    field_int(j, "cache_misses", r->cache.misses);
    field_int(j, "cache_evictions", r->cache.evictions);
    field_figure(j, "cache_saved_s", (double) r->cache.saved_ns / 1e9);
    field_int(j, "batches", r->batches);
    field_figure(j, "mean_batch", r->mean_batch);
    field_int(j, "oom_halvings", r->halvings);
    field_int(j, "worker_restarts", r->worker_restarts);
    field_int(j, "engine_restarts", r->engine_restarts);
    field_text(j, "bottleneck", bottleneck ? bottleneck->name : "");
    json_emit("report", j);
}

static void emit_class(const struct store_failure_class *c)
{
    json_t *j = json_object();
    field_text(j, "reason", c->name);
    field_int(j, "count", c->count);
    field_text(j, "example_path", c->example_path);
    field_text(j, "example_message", c->example_message);
    json_emit("failure_class", j);
}

static void emit_stage(enum metric_stage stage, const struct histogram *h)
{
    json_t *j = json_object();
    field_text(j, "stage", metric_name(stage));
    field_int(j, "count", h->count);
    field_figure(j, "mean_ms", histogram_mean_ms(h));
    field_figure(j, "p50_ms", histogram_percentile_ms(h, 0.5));
    field_figure(j, "p95_ms", histogram_percentile_ms(h, 0.95));
    field_figure(j, "max_ms", (double) h->max_ns / 1e6);
    field_figure(j, "total_s", (double) h->sum_ns / 1e9);
    json_emit("stage", j);
}

static void emit_load(const struct load *l)
{
    json_t *j = json_object();
    field_text(j, "resource", l->name);
    field_figure(j, "busy_s", l->busy_s);
    field_figure(j, "capacity_s", l->capacity_s);
    field_figure(j, "share", l->share);
    json_emit("load", j);
}

static void emit_run(const struct store_run_row *run)
{
    json_t *j = json_object();
    field_int(j, "run_id", run->id);
    field_time(j, "started", run->started_ms);
    field_time(j, "ended", run->ended_ms);
    field_text(j, "end_reason", run->end_reason);
    field_bool(j, "active", run->active);
    field_int(j, "workers", run->workers);
    field_text(j, "devices", run->devices);
    field_int(j, "clips", run->jobs);
    field_int(j, "frames_decoded", run->frames_decoded);
    field_int(j, "frames_sampled", run->frames_sampled);
    field_int(j, "frames_inferred", run->frames_inferred);
    field_int(j, "batches", run->batches);
    field_int(j, "oom_halvings", run->oom_halvings);
    field_int(j, "worker_restarts", run->worker_restarts);
    field_int(j, "engine_restarts", run->engine_restarts);
    field_figure(j, "media_s", run->media_s);
    field_int(j, "engines", run->engines);
    field_figure(j, "prepare_s", run->prepare_s);
    field_int(j, "processors", run->processors);
    field_figure(j, "decode_cpu_s", run->decode_cpu_s);
    field_figure(j, "engine_cpu_s", run->engine_cpu_s);
    field_figure(j, "supervisor_cpu_s", run->own_cpu_s);
    json_emit("run", j);
}

static void emit_engine(const struct store_engine *e, int64_t run_id)
{
    json_t *j = json_object();
    field_int(j, "run_id", run_id);
    field_int(j, "slot", e->slot);
    field_text(j, "device", e->spec);
    field_text(j, "device_name", e->device);
    field_text(j, "chosen", e->chosen);
    field_int(j, "batches", e->batches);
    field_int(j, "frames", e->frames);
    field_figure(j, "busy_s", e->busy_s);
    json_emit("engine", j);
}

static void emit_score(const struct report *r)
{
    if (!r->score.kept)
        return;
    json_t *j = json_object();
    field_int(j, "run_id", report_last_run(r)->id);
    score_fields(j, &r->score);
    json_emit("score", j);
}

static void emit_model(const struct store_model_row *m)
{
    json_t *j = json_object();
    field_text(j, "model", m->name);
    field_text(j, "decoder", m->decoder);
    field_int(j, "frames", m->frames);
    field_int(j, "detections", m->detections);
    field_int(j, "classifications", m->classifications);
    field_int(j, "embeddings", m->embeddings);
    field_int(j, "shots", m->shots);
    field_int(j, "artifacts", m->artifacts);
    json_emit("model_rows", j);
}

static void emit_advice(void *ctx, const char *text)
{
    (void) ctx;
    json_t *j = json_object();
    field_text(j, "text", text);
    json_emit("advice", j);
}

void report_print_json(const struct report *r)
{
    emit_totals(r);
    for (int i = 0; i < r->n_classes; i++)
        emit_class(&r->classes[i]);
    for (int i = 0; i < METRIC_COUNT; i++)
        if (r->stages[i].count)
            emit_stage((enum metric_stage) i, &r->stages[i]);
    for (int i = 0; i < RESOURCE_COUNT; i++)
        emit_load(&r->loads[i]);
    for (int i = 0; i < r->n_runs; i++)
        emit_run(&r->runs[i]);
    for (int i = 0; i < r->n_engines; i++)
        emit_engine(&r->engines[i], report_last_run(r)->id);
    emit_score(r);
    for (int i = 0; i < r->n_models; i++)
        emit_model(&r->models[i]);
    report_advise(r, emit_advice, NULL);
}
