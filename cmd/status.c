/* clipq status: where the queue stands, read beside whatever is running. */
#include "cmd/common.h"

#include "kernels/base/clock.h"
#include "runner/store.h"

struct status {
    struct common common;
    int running;          /* rows printed */
};

static void print_counts(const struct status *s, const struct store_counts *c)
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
        json_emit("running_job", j);
        return CQ_OK;
    }
    char path[STORE_PATH], since[FIGURE_SIZE];
    if (!s->running++)
        printf("%-8s %7s %12s  %s\n", "job", "attempt", "for", "path");
    printf("%-8lld %7d %12s  %s\n", (long long) r->job_id, r->attempt,
           text_seconds((double) (cq_utc_ms() - r->since_ms) / 1000, since), text_safe(r->path, path, sizeof path));
    return CQ_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct status s = {0};
    struct store *store;
    struct store_counts counts;
    int n_rest, rc;
    if (!common_parse(self, &s.common, NULL, NULL, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': status takes no names", argv[0]);
    enum cq_err err = store_open(&s.common.log, s.common.db, STORE_READ, &store);
    if (err)
        return common_exit(err, true);
    err = store_get_counts(store, &counts);
    if (!err) {
        print_counts(&s, &counts);
        err = store_each_run(store, 16, print_run, &s);
    }
    if (!err)
        err = store_each_running(store, print_running, &s);
    store_close(&store);
    return common_exit(err, true);
}

const struct command cmd_status = {
    .name = "status",
    .usage = "[options]",
    .summary = "Count the queue's clips by state and show what is under way",
    .details = "Only reads, so it may be asked at any time.\n\n"
               "Exit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
