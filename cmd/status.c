/* clipq status: where the queue stands, read beside whatever is running; once, or over and over. */
#include <unistd.h>

#include "cmd/common.h"

#include "kernels/base/clock.h"
#include "runner/store.h"
#include "runner/store_control.h"

struct status {
    bool watch;
    double interval;

    struct common common;
    int running, workers; /* rows printed */
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct status, watch, .name = "watch", .help = "show it again and again, with the health of every worker, until Ctrl-C"),
    CQ_OPT(struct status, interval, .name = "interval", .value = "S", .def = 2, .min = 0.1, .max = 3600,
           .help = "seconds between two looks of --watch"),
    {0},
};

static void print_counts(const struct status *s, const struct store_counts *c, const struct store_pause *pause)
{
    if (s->common.json) {
        json_t *j = json_object();
        field_time(j, "time", cq_utc_ms());
        field_int(j, "submitted", c->submitted);
        field_int(j, "pending", c->pending);
        field_int(j, "running", c->running);
        field_int(j, "done", c->done);
        field_int(j, "partial", c->partial);
        field_int(j, "failed", c->failed);
        field_int(j, "dead", c->dead);
        field_int(j, "cancelled", c->cancelled);
        field_int(j, "frames", c->frames);
        field_figure(j, "media_s_total", c->media_s_total);
        field_figure(j, "media_s_left", c->media_s_left);
        field_bool(j, "paused", pause->since_ms != 0);
        field_time(j, "paused_since", pause->since_ms);
        field_text(j, "paused_by", pause->by);
        json_emit("status", j);
        return;
    }
    const struct { const char *name; int64_t n; } rows[] = {
        {"pending", c->pending}, {"running", c->running}, {"done", c->done}, {"partial", c->partial},
        {"failed", c->failed}, {"dead", c->dead}, {"cancelled", c->cancelled}, {"submitted", c->submitted},
    };
    char n[FIGURE_SIZE], left[FIGURE_SIZE], total[FIGURE_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-10s %12s\n", rows[i].name, text_count(rows[i].n, n));
    printf("%-10s %12s\n", "frames", text_count(c->frames, n));
    printf("video      %s left of %s\n", text_seconds(c->media_s_left, left), text_seconds(c->media_s_total, total));
    char at[CQ_RFC3339_SIZE], by[512];
    if (pause->since_ms)
        printf("paused since %s, by %s; `clipq resume` lets it go on\n", cq_rfc3339(pause->since_ms, at),
               text_safe(pause->by, by, sizeof by));
}

static enum cq_err print_run(void *ctx, const struct store_run_row *r)
{
    const struct status *s = ctx;
    if (!r->active)
        return CQ_OK;
    if (s->common.json) {
        json_t *j = json_object();
        field_int(j, "run_id", r->id);
        field_time(j, "started", r->started_ms);
        field_int(j, "workers", r->workers);
        field_text(j, "devices", r->devices);
        json_emit("active_run", j);
        return CQ_OK;
    }
    char since[FIGURE_SIZE];
    printf("run %lld is active: %d workers, %s, since %s\n", (long long) r->id, r->workers, r->devices,
           text_seconds((double) (cq_utc_ms() - r->started_ms) / 1000, since));
    return CQ_OK;
}

static enum cq_err print_running(void *ctx, const struct store_running_row *r)
{
    struct status *s = ctx;
    if (s->common.json) {
        json_t *j = json_object();
        field_int(j, "job_id", r->job_id);
        field_int(j, "attempt", r->attempt);
        field_text(j, "path", r->path);
        field_time(j, "since", r->since_ms);
        field_int(j, "segments", r->segments);
        field_int(j, "segments_done", r->segments_done);
        json_emit("running_job", j);
        return CQ_OK;
    }
    char path[STORE_PATH], since[FIGURE_SIZE], parts[64] = "";
    if (r->segments)
        snprintf(parts, sizeof parts, " (%d of %d segments done)", r->segments_done, r->segments);
    if (!s->running++)
        printf("%-8s %7s %12s  %s\n", "job", "attempt", "for", "path");
    printf("%-8lld %7d %12s  %s%s\n", (long long) r->job_id, r->attempt,
           text_seconds((double) (cq_utc_ms() - r->since_ms) / 1000, since), text_safe(r->path, path, sizeof path), parts);
    return CQ_OK;
}

static void emit_worker(const struct store_worker_row *r)
{
    json_t *j = json_object();
    field_int(j, "run_id", r->run_id);
    field_text(j, "role", r->role);
    field_int(j, "slot", r->w.slot);
    field_int(j, "pid", r->w.pid);
    field_text(j, "state", r->state);
    field_int(j, "restarts", r->w.restarts);
    field_int(j, "clips", r->w.clips);
    field_int(j, "frames", r->w.frames);
    field_figure(j, "frames_per_s", r->w.frames_per_s);
    field_figure(j, "cpu_s", r->w.cpu_s);
    field_int(j, "rss", r->w.rss);
    field_time(j, "last_frame", r->w.last_frame_ms);
    field_int(j, "job_id", r->w.job_id);
    field_text(j, "path", r->path);
    json_emit("worker", j);
}

static enum cq_err print_worker(void *ctx, const struct store_worker_row *r)
{
    struct status *s = ctx;
    if (s->common.json) {
        emit_worker(r);
        return CQ_OK;
    }
    char path[STORE_PATH], clips[FIGURE_SIZE], frames[FIGURE_SIZE], cpu[FIGURE_SIZE], rss[FIGURE_SIZE], ago[FIGURE_SIZE];
    if (!s->workers++)
        printf("%-13s %8s %-8s %8s %8s %10s %8s %12s %10s %10s  %s\n", "process", "pid", "state", "restarts", "clips", "frames",
               "frames/s", "cpu", "memory", "last", "path");
    printf("%-10s %2d %8d %-8s %8lld %8s %10s %8.1f %12s %10s %10s  %s\n", r->role, r->w.slot, r->w.pid, r->state,
           (long long) r->w.restarts, text_count(r->w.clips, clips), text_count(r->w.frames, frames), r->w.frames_per_s,
           text_seconds(r->w.cpu_s, cpu), text_bytes((double) r->w.rss, rss),
           r->w.last_frame_ms ? text_seconds((double) (cq_utc_ms() - r->w.last_frame_ms) / 1000, ago) : "-",
           text_safe(r->path, path, sizeof path));
    return CQ_OK;
}

static enum cq_err look(struct status *s, struct store *store)
{
    struct store_counts counts;
    struct store_pause pause;
    s->running = s->workers = 0;
    enum cq_err err = store_get_counts(store, &counts);
    if (!err)
        err = store_get_pause(store, &pause);
    if (!err) {
        print_counts(s, &counts, &pause);
        err = store_each_run(store, 16, print_run, s);
    }
    if (!err)
        err = s->watch ? store_each_worker(store, print_worker, s) : store_each_running(store, print_running, s);
    return err;
}

/* Until Ctrl-C, or until nobody reads it any more. */
static enum cq_err keep_looking(struct status *s, struct store *store)
{
    bool screen = isatty(STDOUT_FILENO) && !s->common.json;
    for (;;) {
        if (screen)
            printf("\033[H\033[J");
        enum cq_err err = look(s, store);
        if (!screen && !s->common.json)
            printf("\n");
        if (err || fflush(stdout))
            return err;
        usleep((useconds_t) (s->interval * 1e6));
    }
}

static int run(const struct command *self, int argc, char **argv)
{
    struct status s = {0};
    struct store *store;
    int n_rest, rc;
    if (!common_parse(self, &s.common, opts, &s, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': status takes no names", argv[0]);
    enum cq_err err = store_open(&s.common.log, s.common.db, STORE_READ, &store);
    if (err)
        return common_exit(err, true);
    err = s.watch ? keep_looking(&s, store) : look(&s, store);
    store_close(&store);
    return common_exit(err, true);
}

const struct command cmd_status = {
    .name = "status",
    .usage = "[options]",
    .summary = "Count the queue's clips by state and show what is under way",
    .details = "Only reads, so it may be asked at any time. --watch adds a line for each decode worker and engine of the\n"
               "active runs: clips that it ended (batches, of an engine), frames, what it computes and takes.\n\n"
               "Exit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
