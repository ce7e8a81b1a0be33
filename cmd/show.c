/* clipq show: one job and all that is known of it; clipq log: the whole history of its attempts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/filter.h"
#include "cmd/job_rows.h"
#include "cmd/score_rows.h"
#include "kernels/base/clock.h"
#include "runner/store.h"
#include "runner/store_jobs.h"

struct show {
    bool whole;                 /* the history with everything that is kept */
    int64_t job_id;
    int n;                      /* attempts or stages printed */
    struct store *store;
    struct common common;
};

/* ---- attempts ---- */

static void emit_attempt(const struct show *s, const struct store_attempt_row *a)
{
    json_t *j = json_object();
    field_int(j, "job_id", s->job_id);
    field_int(j, "attempt", a->attempt);
    field_int(j, "segment", a->segment);
    field_text(j, "outcome", a->outcome);
    field_bool(j, "accepted", a->accepted);
    field_text(j, "reason", a->reason);
    field_text(j, "message", a->message);
    field_text(j, "last_words", a->last_words);
    field_text(j, "host", a->host);
    field_int(j, "pid", a->pid);
    field_int(j, "supervisor_pid", a->supervisor_pid);
    field_text(j, "owner", a->owner);
    field_text(j, "device", a->device);
    field_int(j, "run_id", a->run_id);
    field_time(j, "started", a->started_ms);
    field_time(j, "ended", a->ended_ms);
    field_figure(j, "wall_s", a->ended_ms ? a->wall_s : (double) NAN);
    field_int(j, "frames_decoded", a->frames_decoded);
    field_int(j, "frames_sampled", a->frames_sampled);
    field_int(j, "frames_inferred", a->frames_inferred);
    field_int(j, "frames_cached", a->frames_cached);
    field_int(j, "batches", a->batches);
    field_int(j, "oom_halvings", a->oom_halvings);
    json_emit("attempt", j);
}

static const char *wall(const struct store_attempt_row *a, char out[FIGURE_SIZE])
{
    return a->ended_ms ? text_seconds(a->wall_s, out) : "-";
}

static void print_line(struct show *s, const struct store_attempt_row *a)
{
    char took[FIGURE_SIZE], message[STORE_TEXT], number[32];
    snprintf(number, sizeof number, a->segment ? "%d, seg %d" : "%d", a->attempt, a->segment);
    if (!s->n++)
        printf("\n%-8s %-9s %-17s %12s %8s  %s\n", "attempt", "outcome", "reason", "took", "frames", "message");
    printf("%-8s %-9s %-17s %12s %8lld  %s\n", number, a->outcome, a->reason[0] ? a->reason : "-", wall(a, took),
           (long long) (a->frames_inferred + a->frames_cached), text_safe(a->message, message, sizeof message));
}

static void print_words(const char *words)
{
    char line[4 * 256];
    printf("  last words\n");
    for (const char *at = words; *at; ) {
        size_t length = strcspn(at, "\n");
        char text[256];
        snprintf(text, sizeof text, "%.*s", (int) length, at);
        printf("    %s\n", text_safe(text, line, sizeof line));
        at += length + (at[length] == '\n');
    }
}

static void print_whole(struct show *s, const struct store_attempt_row *a)
{
    char since[CQ_RFC3339_SIZE], took[FIGURE_SIZE], text[4 * STORE_TEXT], segment[32] = "";
    if (a->segment)
        snprintf(segment, sizeof segment, " at segment %d", a->segment);
    printf("%sattempt %d%s: %s%s%s%s\n", s->n++ ? "\n" : "", a->attempt, segment, a->outcome, a->reason[0] ? ", " : "", a->reason,
           a->accepted ? " (its results count)" : "");
    if (a->message[0])
        printf("  message   %s\n", text_safe(a->message, text, sizeof text));
    printf("  started   %s, took %s\n", cq_rfc3339(a->started_ms, since), wall(a, took));
    printf("  by        run %lld on %s (process %d), decoder process %d\n", (long long) a->run_id,
           a->host[0] ? text_safe(a->host, text, sizeof text) : "?", a->supervisor_pid, a->pid);
    if (a->device[0])
        printf("  device    %s\n", text_safe(a->device, text, sizeof text));
    printf("  frames    %lld decoded, %lld sampled, %lld inferred in %lld batches, %lld cached, %lld halvings\n", (long long) a->frames_decoded,
           (long long) a->frames_sampled, (long long) a->frames_inferred, (long long) a->batches,
           (long long) a->frames_cached, (long long) a->oom_halvings);
    if (a->last_words[0])
        print_words(a->last_words);
}

static enum cq_err print_attempt(void *ctx, const struct store_attempt_row *a)
{
    struct show *s = ctx;
    if (s->common.json)
        emit_attempt(s, a);
    else if (s->whole)
        print_whole(s, a);
    else
        print_line(s, a);
    return CQ_OK;
}

/* ---- the job ---- */

static enum cq_err print_stage(void *ctx, const struct store_stage_row *r)
{
    struct show *s = ctx;
    char ms[4][FIGURE_SIZE];
    if (s->common.json) {
        json_t *j = json_object();
        field_int(j, "job_id", s->job_id);
        field_text(j, "stage", metric_name(r->stage));
        field_int(j, "count", r->count);
        field_figure(j, "mean_ms", r->mean_ms);
        field_figure(j, "p50_ms", r->p50_ms);
        field_figure(j, "p95_ms", r->p95_ms);
        field_figure(j, "max_ms", r->max_ms);
        json_emit("job_stage", j);
        return CQ_OK;
    }
    if (!s->n++)
        printf("\n%-12s %8s %10s %10s %10s %10s\n", "stage, ms", "count", "mean", "p50", "p95", "max");
    printf("%-12s %8lld %10s %10s %10s %10s\n", metric_name(r->stage), (long long) r->count, text_ms(r->mean_ms, ms[0]),
           text_ms(r->p50_ms, ms[1]), text_ms(r->p95_ms, ms[2]), text_ms(r->max_ms, ms[3]));
    return CQ_OK;
}

static enum cq_err print_segment(void *ctx, const struct store_segment_row *r)
{
    struct show *s = ctx;
    if (s->common.json) {
        json_t *j = json_object();
        field_int(j, "job_id", s->job_id);
        field_int(j, "segment", r->number);
        field_text(j, "state", r->state);
        field_int(j, "attempts", r->attempts);
        field_figure(j, "from_s", r->from_s);
        field_figure(j, "to_s", r->to_s);
        field_int(j, "sampled", r->sampled);
        field_text(j, "message", r->message);
        json_emit("segment", j);
        return CQ_OK;
    }
    char from[FIGURE_SIZE], to[FIGURE_SIZE], message[STORE_TEXT];
    if (!s->n++)
        printf("\n%-8s %-9s %8s %12s %12s %8s  %s\n", "segment", "state", "attempts", "from", "to", "frames", "message");
    printf("%-8d %-9s %8d %12s %12s %8lld  %s\n", r->number, r->state, r->attempts, text_seconds(r->from_s, from),
           text_seconds(r->to_s, to), (long long) r->sampled, text_safe(r->message, message, sizeof message));
    return CQ_OK;
}

static void emit_job(const struct store_job_row *r, const struct probe *p, const char *pipeline)
{
    json_t *j = job_row_json(r);
    field_text(j, "fingerprint", p->fingerprint);
    field_text(j, "container", p->container);
    field_text(j, "codec", p->codec);
    field_text(j, "pixel_format", p->pixel_format);
    field_int(j, "display_w", p->display_w);
    field_int(j, "display_h", p->display_h);
    field_int(j, "rotation", p->rotation);
    field_figure(j, "fps", p->fps);
    field_int(j, "size", p->size);
    field_text(j, "stream_reason", p->stream_reason);
    json_object_set_new(j, "document", json_loads(pipeline, 0, NULL));
    json_emit("job", j);
}

/* "yolox_nano.onnx, builtin:scene"; the rest of the document is for --json. */
static void print_models(const char *pipeline)
{
    json_t *document = json_loads(pipeline, 0, NULL), *model;
    size_t i;
    json_array_foreach(json_object_get(document, "models"), i, model) {
        const char *name = json_string_value(json_object_get(model, "name"));
        char text[256];
        printf("%s%s", i ? ", " : " ", text_safe(name ? name : "?", text, sizeof text));
    }
    json_decref(document);
}

static void print_job(const struct store_job_row *r, const struct probe *p, const char *pipeline)
{
    char text[4 * STORE_TEXT], path[STORE_PATH], size[FIGURE_SIZE], video[FIGURE_SIZE], at[3][CQ_RFC3339_SIZE];
    printf("job %lld: %s%s%s\n", (long long) r->id, r->state, r->reason[0] ? ", " : "", r->reason);
    if (r->message[0])
        printf("  message    %s\n", text_safe(r->message, text, sizeof text));
    printf("  path       %s\n", text_safe(r->path, path, sizeof path));
    printf("  clip       %lld: %s, %s in %s, %dx%d, %s", (long long) r->clip_id, text_bytes((double) p->size, size),
           p->codec[0] ? p->codec : "no video", p->container[0] ? p->container : "nothing", p->display_w, p->display_h,
           text_seconds(r->duration_s, video));
    printf("%s%s\n", p->rotation ? ", turned" : "", p->mirrored ? ", mirrored" : "");
    printf("  pipeline   %s:", r->pipeline);
    print_models(pipeline);
    printf("\n");
    printf("  attempts   %d, %d failed, %d of them crashes or hangs, %d lost with their run\n", r->attempts, r->failures,
           r->crashes, r->lost);
    printf("  frames     %lld\n", (long long) r->frames);
    printf("  submitted  %s\n", cq_rfc3339(r->submitted_ms, at[0]));
    if (r->started_ms)
        printf("  started    %s\n", cq_rfc3339(r->started_ms, at[1]));
    if (r->ended_ms)
        printf("  ended      %s\n", cq_rfc3339(r->ended_ms, at[2]));
    if (r->not_before_ms > cq_utc_ms())
        printf("  again in   %s\n", text_seconds((double) (r->not_before_ms - cq_utc_ms()) / 1e3, video));
    if (r->owner[0])
        printf("  held by    %s\n", text_safe(r->owner, text, sizeof text));
}

static enum cq_err print_known(void *ctx, const struct store_job_row *r)
{
    struct show *s = ctx;
    struct probe p;
    char *pipeline = NULL;
    enum cq_err err = store_get_probe(s->store, r->id, &p);
    if (!err)
        err = store_get_pipeline(s->store, r->pipeline_id, &pipeline);
    if (!err && s->common.json)
        emit_job(r, &p, pipeline);
    else if (!err)
        print_job(r, &p, pipeline);
    free(pipeline);
    return err;
}

static enum cq_err show_score(const struct show *s)
{
    struct store_score_row r;
    enum cq_err err = store_get_job_score(s->store, s->job_id, &r);
    if (err || !r.kept)
        return err;
    if (s->common.json) {
        json_t *j = json_object();
        field_int(j, "job_id", s->job_id);
        score_fields(j, &r);
        json_emit("job_score", j);
        return CQ_OK;
    }
    printf("\n");
    score_print(&r);
    if (score_advice(&r))
        printf("  advice     %s\n", score_advice(&r));
    return CQ_OK;
}

static enum cq_err show_one(struct show *s)
{
    const struct store_filter f = {.id = s->job_id};
    int64_t n = 0;
    s->n = 0;
    enum cq_err err = store_count_jobs(s->store, &f, &n);
    if (!err && !n)
        return CQ_NOT_FOUND;
    if (!err && !s->whole)
        err = store_each_job(s->store, &f, 0, 1, print_known, s);
    if (!err && !s->whole)
        err = store_each_segment(s->store, s->job_id, print_segment, s);
    s->n = 0;
    if (!err)
        err = store_each_attempt(s->store, s->job_id, print_attempt, s);
    if (!err && s->whole && !s->n && !s->common.json)
        printf("job %lld has not been tried\n", (long long) s->job_id);
    s->n = 0;
    if (!err && !s->whole)
        err = store_each_job_stage(s->store, s->job_id, print_stage, s);
    return err || s->whole ? err : show_score(s);
}

static int show_all(const struct command *self, struct show *s, char **ids, int n)
{
    int rc = EXIT_FINE;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++) {
        if (filter_id(self, ids[i], &s->job_id))
            return EXIT_USAGE;
        if (i && !s->common.json)
            printf("\n");
        err = show_one(s);
        if (err == CQ_NOT_FOUND) {
            cq_log_error(&s->common.log, "there is no job %s; `clipq list` shows what there is", ids[i]);
            rc = EXIT_FATAL;
            err = CQ_OK;
        }
    }
    return err ? common_exit(err, true) : rc;
}

static int run(const struct command *self, int argc, char **argv, bool whole)
{
    struct show s = {0};
    int n, rc;
    if (!common_parse(self, &s.common, NULL, NULL, argc, argv, &n, &rc))
        return rc;
    if (!n)
        return common_usage(self, "which job? `clipq list` shows their numbers");
    s.whole = whole;
    enum cq_err err = store_open(&s.common.log, s.common.db, STORE_READ, &s.store);
    if (err)
        return common_exit(err, true);
    rc = show_all(self, &s, argv, n);
    store_close(&s.store);
    return rc;
}

static int run_show(const struct command *self, int argc, char **argv) { return run(self, argc, argv, false); }
static int run_log(const struct command *self, int argc, char **argv) { return run(self, argc, argv, true); }

const struct command cmd_show = {
    .name = "show",
    .usage = "[options] ID...",
    .summary = "Show a job: clip, pipeline, attempts, failures, where its time went",
    .details = "With --json a line `job`, a line `attempt` for each, a line `job_stage` for each step, and\n"
               "`job_score`, how near it came to what the machine can do.\n\n"
               "Exit codes: 0, 1 no such job, 2 usage, 10 database missing, foreign or newer.",
    .run = run_show,
};

const struct command cmd_log = {
    .name = "log",
    .usage = "[options] ID...",
    .summary = "Tell the whole history of a job's attempts, with the decoder's last words",
    .details = "Every attempt with its outcome, failure and message, who tried it on which device, how long it took, and the\n"
               "last lines that its decoder said (libav's messages too). With --json a line `attempt` for each.\n\n"
               "Exit codes: 0, 1 no such job, 2 usage, 10 database missing, foreign or newer.",
    .run = run_log,
};
