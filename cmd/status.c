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
        json_emit("status", json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "time",
                                      json_time(cq_utc_ms()), "submitted", (json_int_t) c->submitted, "pending",
                                      (json_int_t) c->pending, "running", (json_int_t) c->running, "done",
                                      (json_int_t) c->done, "partial", (json_int_t) c->partial, "failed",
                                      (json_int_t) c->failed, "dead", (json_int_t) c->dead, "cancelled",
                                      (json_int_t) c->cancelled, "frames", (json_int_t) c->frames, "media_s_total",
                                      json_figure(c->media_s_total), "media_s_left", json_figure(c->media_s_left)));
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
        json_emit("active_run", json_pack("{s:I, s:o, s:i, s:o}", "run_id", (json_int_t) r->id, "started",
                                          json_time(r->started_ms), "workers", r->workers, "devices",
                                          json_text(r->devices)));
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
        json_emit("running_job", json_pack("{s:I, s:i, s:o, s:o}", "job_id", (json_int_t) r->job_id, "attempt", r->attempt,
                                           "path", json_text(r->path), "since", json_time(r->since_ms)));
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
    .details = "Only reads, so it may be asked at any time.\n\nExit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
