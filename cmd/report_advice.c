/* What to try next: each rule looks at one figure and says what it means and what would change it. */
#include <stdarg.h>

#include "cmd/report_facts.h"
#include "cmd/score_rows.h"
#include "stages/failure.h"

enum { SLOW_WRITE_MS = 1000, GOOD_SCORE = 90 };

struct teller {
    void (*say)(void *ctx, const char *text);
    void *ctx;
};

__attribute__((format(printf, 2, 3)))
static void say(const struct teller *t, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    t->say(t->ctx, text);
}

/* What a user can do about a class; NULL: nothing. */
static const char *remedy(enum failure f)
{
    switch (f) {
    case FAIL_NOT_MEDIA:
    case FAIL_EMPTY:
    case FAIL_NO_VIDEO:          return "leave them out, or get them again from where they came from";
    case FAIL_UNSUPPORTED_CODEC: return "convert them with an ffmpeg that has the codec, then submit the copies";
    case FAIL_TRUNCATED:
    case FAIL_DAMAGED:           return "what decodes was kept; copy the originals again if the rest matters";
    case FAIL_DECODE_ERROR:      return "try to play one; if it plays, please report it";
    case FAIL_IO:
    case FAIL_VANISHED:          return "make the files readable again (mounted? permissions?), then submit them again";
    case FAIL_CHANGED:           return "the files were changed after submit; submit them again";
    case FAIL_CRASH:
    case FAIL_HANG:              return "the decoder library cannot stand them; converting them often helps";
    case FAIL_MODEL:
    case FAIL_DEVICE:            return "see `clipq model FILE` and `clipq devices`";
    case FAIL_OUT_OF_MEMORY:     return "take a smaller model or input size, or another --device; where a decoder was killed, fewer --workers";
    case FAIL_INTERNAL:          return "that is a defect in clipq; please report it with the message";
    default:                     return NULL;
    }
}

static void about_failures(const struct report *r, const struct teller *t)
{
    for (int i = 0; i < r->n_classes; i++) {
        const char *what = remedy(failure_by_name(r->classes[i].name));
        if (what)
            say(t, "%lld %s: %s", (long long) r->classes[i].count, r->classes[i].name, what);
    }
}

static void about_queue(const struct report *r, const struct teller *t)
{
    bool active = false;
    for (int i = 0; i < r->n_runs; i++)
        active = active || r->runs[i].active;
    if (r->counts.pending + r->counts.running && !active)
        say(t, "%lld clips are left and nothing is running: clipq work",
            (long long) (r->counts.pending + r->counts.running));
}

/* Did the last run have fewer clips than workers? One worker decodes one clip, so more would have done nothing. */
static bool few_clips(const struct report *r)
{
    const struct store_run_row *run = report_last_run(r);
    return run && run->jobs < run->workers;
}

static void about_inference(const struct report *r, const struct teller *t)
{
    if (!score_advice(&r->score) && r->mean_batch > 0 && r->mean_batch < 3 && !few_clips(r))
        say(t, "batches hold %.1f frames on average: more --workers would fill them", r->mean_batch);
    say(t, "inference sets the pace (%.0f %% busy): a faster --device, a smaller model, or fewer frames "
           "(submit --fps 5, --every 5) would shorten the run", r->loads[RESOURCE_INFER].share * 100);
}

static void about_decoding(const struct report *r, const struct teller *t)
{
    const struct store_run_row *run = report_last_run(r);
    double percent = r->loads[RESOURCE_DECODE].share * 100;
    if (few_clips(r))
        say(t, "decoding sets the pace (%.0f %% busy), and one worker decodes one clip, so that more --workers "
               "do not help: submit --keyframes does, where they are enough", percent);
    else
        say(t, "decoding sets the pace (%.0f %% busy): more --workers than %d where there are cores for them, or "
               "submit --keyframes where they are enough", percent, run ? run->workers : 0);
}

/* More of either part would only take from the other. */
static void about_processors(const struct report *r, const struct teller *t)
{
    const struct load *l = &r->loads[RESOURCE_PROCESSORS];
    double inference = l->busy_s > 0 ? r->engine_cpu_s / l->busy_s * 100 : 0;
    say(t, "the processors set the pace (%.0f %% busy, %.0f %% of that with inference, %.0f %% with decoding), so that more "
           "--workers do not help: %s", l->share * 100, inference, l->busy_s > 0 ? r->decode_cpu_s / l->busy_s * 100 : 0,
        inference >= 50 ? "a GPU (--device), a smaller model, or fewer frames (submit --fps 5, --every 5) would shorten the run"
                        : "submit --keyframes, where they are enough, or --fps decodes less");
}

/* The latency of a row is not work, but when it is long the disk cannot follow. */
static void about_recording(const struct report *r, const struct teller *t)
{
    double p95 = histogram_percentile_ms(&r->stages[METRIC_WRITE], 0.95);
    if (p95 >= SLOW_WRITE_MS)
        say(t, "answers took %.1f s until they were recorded (p95): put the database on a faster disk, or raise "
               "--threshold, so that fewer rows are written", p95 / 1000);
}

static void about_idleness(const struct report *r, const struct teller *t)
{
    double share = r->loads[r->busiest].share * 100;
    if (score_advice(&r->score))
        return;                     /* it has told what was waited for */
    if (few_clips(r))
        say(t, "nothing was busy more than %.0f %% of the time, with fewer clips than workers: the machine has room "
               "for more clips at once", share);
    else
        say(t, "nothing was busy more than %.0f %% of the time: more --workers, unless there was nothing to do or one "
               "long clip was left at the end", share);
}

/* What keeps the newest run from what this machine can do; the pace is what would change that. */
static void about_score(const struct report *r, const struct teller *t)
{
    const char *advice = score_advice(&r->score);
    if (advice && r->score.score < GOOD_SCORE)
        say(t, "the score is %.0f for %s: %s", r->score.score, r->score.reason, advice);
}

static void about_pace(const struct report *r, const struct teller *t)
{
    if (r->busiest < 0)
        return;
    if (r->prepare_s > r->wall_s / 2)
        say(t, "%.0f %% of the time went into preparing engines: the more clips a run has, the less that matters",
            r->prepare_s / r->wall_s * 100);
    if (!report_bottleneck(r))
        about_idleness(r, t);
    else if (r->busiest == RESOURCE_PROCESSORS)
        about_processors(r, t);
    else if (r->busiest == RESOURCE_INFER)
        about_inference(r, t);
    else
        about_decoding(r, t);
    about_recording(r, t);
}

static void about_accidents(const struct report *r, const struct teller *t)
{
    if (r->halvings)
        say(t, "the device ran out of memory and batches were halved %lld times: start with a smaller --batch",
            (long long) r->halvings);
    if (r->engine_restarts)
        say(t, "the engine was started again %lld times: memory or the OpenCL driver; a smaller --batch needs less",
            (long long) r->engine_restarts);
    if (r->worker_restarts)
        say(t, "decode workers died %lld times; the clips at fault are under crash and hang",
            (long long) r->worker_restarts);
}

void report_advise(const struct report *r, void (*fn)(void *ctx, const char *text), void *ctx)
{
    const struct teller t = {fn, ctx};
    about_queue(r, &t);
    about_score(r, &t);
    about_pace(r, &t);
    about_accidents(r, &t);
    about_failures(r, &t);
}
