/* How the engines fare, for the database, the progress and the run's row. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runner/child.h"
#include "runner/work_engine.h"

int work_engines_alive(const struct work *w)
{
    int n = 0;
    for (int i = 0; w->engines && i < w->engines->n; i++)
        n += w->engines->list[i].state != ENGINE_OUT;
    return n;
}

/* Enough for each engine to have one batch at work, one waiting and one forming. */
int work_engines_appetite(const struct work *w)
{
    int frames = 0;
    for (int i = 0; i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        int most = 1;
        for (int lane = 0; lane < work_lanes(w); lane++)
            if (e->lanes[lane].state == MODEL_READY && e->lanes[lane].limit > most)
                most = e->lanes[lane].limit;
        frames += e->state == ENGINE_OUT ? 0 : (ENGINE_FLIGHT + 1) * most;
    }
    return frames;
}

static const char *state_name(const struct engine *e)
{
    switch (e->state) {
    case ENGINE_STARTING: return "starting";
    case ENGINE_UP:       return e->n_flight ? "busy" : "idle";
    case ENGINE_WAITING:  return "waiting";
    default:              return "out";
    }
}

int work_engines_health(struct work *w, struct store_worker *rows, int max)
{
    int n = w->engines->n < max ? w->engines->n : max;
    for (int i = 0; i < n; i++) {
        struct engine *e = &w->engines->list[i];
        e->cpu_s = e->child ? child_cpu_s(e->child) : 0;
        rows[i] = (struct store_worker) {
            .role = "engine", .state = state_name(e), .slot = i, .pid = e->child ? child_pid(e->child) : 0,
            .restarts = e->restarts, .clips = e->batches, .frames = e->frames, .cpu_s = e->cpu_before_s + e->cpu_s,
            .rss = e->child ? child_rss_bytes(e->child) : 0, .last_frame_ms = e->last_frame_ms,
        };
    }
    return n;
}

int work_engines_shares(const struct work *w, struct store_engine rows[ENGINES_MAX])
{
    for (int i = 0; i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        rows[i] = (struct store_engine) {.slot = i, .batches = e->batches, .frames = e->frames, .busy_s = e->busy_s};
        snprintf(rows[i].spec, sizeof rows[i].spec, "%s", e->spec);
        snprintf(rows[i].device, sizeof rows[i].device, "%s", e->name);
        snprintf(rows[i].chosen, sizeof rows[i].chosen, "%s", e->chosen);
    }
    return w->engines->n;
}

double work_engines_prepare_s(const struct work *w)
{
    int64_t least = 0;
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        if (e->was_ready && (!least || e->prepare_ns < least))
            least = e->prepare_ns;
    }
    return (double) least / 1e9;
}

/* "NAME (5804 MiB for models; yolox_nano.onnx: batches of 8)" */
static void describe(const struct engine *e, char *out, size_t size)
{
    int n = snprintf(out, size, "%s (%" PRId64 " MiB for models", e->name, e->budget >> 20);
    for (int lane = 0; lane < work_lanes(e->w) && n > 0 && (size_t) n < size; lane++)
        if (e->lanes[lane].limit > 0)
            n += snprintf(out + n, size - (size_t) n, "; %s: batches of %d", work_lane(e->w, lane)->name,
                          e->lanes[lane].limit);
    if (n > 0 && (size_t) n + 1 < size)
        snprintf(out + n, size - (size_t) n, ")");
}

const char *work_engines_account(const struct work *w)
{
    struct work_engines *es = w->engines;
    size_t at = 0;
    es->account[0] = '\0';
    for (int i = 0; i < es->n; i++) {
        char one[400];
        if (es->list[i].state == ENGINE_OUT || at >= sizeof es->account)
            continue;
        describe(&es->list[i], one, sizeof one);
        at += (size_t) snprintf(es->account + at, sizeof es->account - at, "%s%s", at ? ", " : "", one);
    }
    return es->account;
}

const char *work_engines_text(const struct work *w)
{
    struct work_engines *es = w->engines;
    char text[sizeof es->text];
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < es->n && at < sizeof text; i++)
        if (es->list[i].state != ENGINE_OUT)
            at += (size_t) snprintf(text + at, sizeof text - at, "%s%s", at ? ", " : "", es->list[i].name);
    memcpy(es->text, text, sizeof text);
    return es->text;
}
