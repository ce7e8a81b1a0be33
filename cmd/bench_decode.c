/* clipq bench decode: how fast clips become pictures for a model, alone, and what leaving frames undecoded saves.
 *
 * Runs that decode everything take turns with those that do not, so that both see the same machine.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "cmd/bench_media.h"
#include "cmd/sampling.h"
#include "runner/bench_decode.h"
#include "runner/bench_spread.h"
#include "runner/cost.h"
#include "runner/limits.h"
#include "runner/messages_decode.h"
#include "runner/sandbox_try.h"

enum mode { SAMPLED, EVERYTHING, MODES };

struct decode_args {
    const char *model;
    struct cq_opt_size size;
    struct sampling_args sampling;
    int workers, threads, runs, sandbox;
    bool against_all, record;
    struct common common;

    struct card card;
    struct bench_clips clips;
    struct limits limits;         /* the best of the runs so far */
    struct bench_decode_clip *results[MODES];    /* owned; of the newest run, for each clip */
    double *seconds[MODES];       /* owned; [clips + 1][runs]: of a clip's worker; last the whole run's */
    double media_s;               /* of the clips that decode, in the range that is looked at */
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct decode_args, model, .name = "model", .letter = 'm', .value = "FILE",
           .help = "scale for this model; else for builtin:scene, or with\n--size to RGB of that size, padded"),
    CQ_OPT(struct decode_args, size, .name = "size", .value = "WxH", .word = "clip", .min = 1, .max = 8192,
           .help = "input size where the model leaves it open; clip: each clip's own"),
    SAMPLING_OPTS(struct decode_args, sampling),
    CQ_OPT(struct decode_args, against_all, .name = "against-all",
           .help = "also decode every frame, take the same ones, and tell the ratio"),
    CQ_OPT(struct decode_args, record, .name = "record",
           .help = "keep the best figure of each kind of clip in the database, for scores"),
    CQ_OPT(struct decode_args, workers, BENCH_WORKERS_OPT),
    CQ_OPT(struct decode_args, threads, .name = "threads", .value = "N", .def = 1, .min = 1, .max = MSG_DECODER_THREADS,
           .help = "threads of each decoder, where its codec may have more than one"),
    CQ_OPT(struct decode_args, runs, .name = "runs", .value = "N", .def = 5, .min = 1, .max = 1000,
           .help = "measure so many runs, after one that warms up"),
    CQ_OPT(struct decode_args, sandbox, SANDBOX_OPT),
    {0},
};

static double *series(const struct decode_args *a, enum mode mode, int clip)
{
    return a->seconds[mode] + (size_t) clip * (size_t) a->runs;
}

/* ---- telling ---- */

/* One clip, or all of them together. */
struct line {
    const struct bench_clip *clip;      /* NULL: all */
    int64_t decoded[MODES], sampled;
    struct bench_spread s[MODES];       /* seconds */
    double scale_share;                 /* of the worker's time */
    bool same;                          /* both modes chose the same frames */
    double media_s;
};

static double rate(const struct line *l, enum mode mode)
{
    return (double) l->sampled / l->s[mode].median;
}

static double ratio(const struct line *l)
{
    return l->s[EVERYTHING].median / l->s[SAMPLED].median;
}

static void put_figures(const struct decode_args *a, const struct line *l, json_t *j)
{
    field_int(j, "frames_decoded", l->decoded[SAMPLED]);
    field_int(j, "frames_sampled", l->sampled);
    field_figure(j, "ms_min", l->s[SAMPLED].min * 1e3);
    field_figure(j, "ms_median", l->s[SAMPLED].median * 1e3);
    field_figure(j, "ms_iqr", l->s[SAMPLED].iqr * 1e3);
    field_figure(j, "frames_per_s", rate(l, SAMPLED));
    field_figure(j, "times_real_time", l->media_s / l->s[SAMPLED].median);
    field_figure(j, "scale_share", l->scale_share);
    field_int(j, "runs", a->runs);
    if (!a->against_all)
        return;
    field_int(j, "all_frames_decoded", l->decoded[EVERYTHING]);
    field_figure(j, "all_ms_median", l->s[EVERYTHING].median * 1e3);
    field_figure(j, "all_frames_per_s", rate(l, EVERYTHING));
    field_figure(j, "ratio", ratio(l));
    field_bool(j, "same_frames", l->same);
}

static void line_json(const struct decode_args *a, const struct line *l)
{
    json_t *j = json_object();
    if (l->clip) {
        field_text(j, "path", l->clip->path);
        field_text(j, "codec", l->clip->probe.codec);
        field_int(j, "width", l->clip->probe.coded_w);
        field_int(j, "height", l->clip->probe.coded_h);
        const struct sample_spec spec = sampling_spec(&a->sampling);
        field_figure(j, "predicted_ms", cost_of_clip(&l->clip->probe, &spec) * 1e3);
    } else {
        field_int(j, "workers", a->workers);
        field_int(j, "threads", a->threads);
        field_int(j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
        field_int(j, "clips", a->clips.n);
    }
    put_figures(a, l, j);
    json_emit(l->clip ? "bench_decode" : "bench_decode_total", j);
}

static void line_text(const struct decode_args *a, const struct line *l)
{
    char name[256] = "all", size[32] = "";
    const char *codec = "", *slash;
    if (l->clip) {
        slash = strrchr(l->clip->path, '/');
        text_safe(slash ? slash + 1 : l->clip->path, name, sizeof name);
        codec = l->clip->probe.codec;
        snprintf(size, sizeof size, "%dx%d", l->clip->probe.coded_w, l->clip->probe.coded_h);
    }
    printf("%-36s %-10s %-10s %8lld %8lld %9.1f %6.1f%% %5.0f%% %8.1fx", name, codec, size,
           (long long) l->decoded[SAMPLED], (long long) l->sampled, rate(l, SAMPLED),
           100 * l->s[SAMPLED].iqr / l->s[SAMPLED].median, 100 * l->scale_share, l->media_s / l->s[SAMPLED].median);
    if (a->against_all)
        printf(" %9.1f %7.2f%s", rate(l, EVERYTHING), ratio(l), l->same ? "" : "  OTHER FRAMES");
    putchar('\n');
}

static void print_head(const struct decode_args *a)
{
    char size[CARD_SIZE_TEXT];
    printf("%d worker%s of %d thread%s on %ld CPUs, scaled to %s, %d run%s\n", a->workers, a->workers == 1 ? "" : "s", a->threads,
           a->threads == 1 ? "" : "s", sysconf(_SC_NPROCESSORS_ONLN), card_size_text(&a->card, size), a->runs, a->runs == 1 ? "" : "s");
    printf("%-36s %-10s %-10s %8s %8s %9s %7s %6s %9s%s\n", "clip", "codec", "size", "decoded", "taken", "frames/s",
           "spread", "scale", "real time", a->against_all ? "  all fr/s   ratio" : "");
}

static void tell_clip(const struct decode_args *a, int i, struct line *total)
{
    const struct bench_decode_clip *r = &a->results[SAMPLED][i], *all = &a->results[EVERYTHING][i];
    struct line l = {
        .clip = &a->clips.list[i], .sampled = r->sampled, .decoded = {r->decoded, a->against_all ? all->decoded : 0},
        .scale_share = r->scale_s / (r->decode_s + r->scale_s), .media_s = bench_media_s(&a->clips.list[i], &a->sampling),
        .same = !a->against_all || (all->sampled == r->sampled && all->chosen == r->chosen),
    };
    for (int m = 0; m < (a->against_all ? MODES : 1); m++) {
        l.s[m] = bench_spread_of(series(a, (enum mode) m, i), a->runs);
        total->decoded[m] += l.decoded[m];
    }
    total->sampled += l.sampled;
    total->media_s += l.media_s;
    total->same = total->same && l.same;
    if (r->sampled)
        (a->common.json ? line_json : line_text)(a, &l);
}

/* The last run's shares stand for all of them. */
static double scale_share(const struct decode_args *a)
{
    double scale_s = 0, all_s = 0;
    for (int i = 0; i < a->clips.n; i++) {
        scale_s += a->results[SAMPLED][i].scale_s;
        all_s += a->results[SAMPLED][i].scale_s + a->results[SAMPLED][i].decode_s;
    }
    return all_s > 0 ? scale_s / all_s : 0;
}

static bool tell_failure(struct decode_args *a, int clip)
{
    const struct bench_decode_clip *r = &a->results[SAMPLED][clip];
    if (!r->failure && a->against_all)
        r = &a->results[EVERYTHING][clip];
    if (r->failure)
        cq_log_warn(&a->common.log, "%s: %s: %s", a->clips.list[clip].path, failure_name(r->failure), r->message);
    return r->failure;
}

static int tell(struct decode_args *a)
{
    struct line total = {.same = true, .scale_share = scale_share(a)};
    int rc = a->clips.missing ? EXIT_SOME_FAILED : EXIT_FINE;
    if (!a->common.json)
        print_head(a);
    for (int i = 0; i < a->clips.n; i++) {
        if (tell_failure(a, i))
            rc = EXIT_SOME_FAILED;
        tell_clip(a, i, &total);
    }
    if (!total.sampled) {
        cq_log_error(&a->common.log, "no frame was decoded");
        return EXIT_FATAL;
    }
    for (int m = 0; m < (a->against_all ? MODES : 1); m++)
        total.s[m] = bench_spread_of(series(a, (enum mode) m, a->clips.n), a->runs);
    (a->common.json ? line_json : line_text)(a, &total);
    return rc;
}

/* ---- measuring ---- */

/* Clips of one kind count together; of the runs, the best does. */
static enum cq_err note_limits(struct decode_args *a, const struct bench_decode_params *params)
{
    struct limits run = {0};
    enum cq_err err = CQ_OK;
    for (int i = 0; i < a->clips.n && !err; i++) {
        const struct bench_decode_clip *r = &a->results[SAMPLED][i];
        struct store_limit key;
        bench_decode_key(params, &a->clips.list[i], &key);
        struct limit *l = limits_get(&run, &key);
        if (l && !r->failure)
            limit_see_clip(l, r->decoded, r->cpu_s);
        err = l ? CQ_OK : CQ_NOMEM;
    }
    for (int i = 0; i < run.n && !err; i++) {
        struct limit *best = limits_get(&a->limits, &run.list[i]->key);
        bool measured;
        double s = limit_s(run.list[i], &measured);
        if (best && s > 0 && (best->bench_s <= 0 || s < best->bench_s))
            best->bench_s = s;
        err = best ? CQ_OK : CQ_NOMEM;
    }
    limits_finish(&run);
    return err;
}

static enum cq_err record(struct decode_args *a)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < a->limits.n && !err; i++) {
        struct store_limit l = a->limits.list[i]->key;
        l.unit_s = a->limits.list[i]->bench_s;
        l.measured = true;
        err = l.unit_s > 0 ? limits_record(&a->common.log, a->common.db, &l, 1) : CQ_OK;
    }
    return err;
}

/* run < 0: one to warm up. */
static enum cq_err measure_run(struct decode_args *a, struct bench_decode *b, enum mode mode, int run)
{
    double wall_s;
    enum cq_err err = bench_decode_run(b, mode == EVERYTHING, a->results[mode], &wall_s);
    for (int i = 0; i < a->clips.n && run >= 0; i++)
        series(a, mode, i)[run] = a->results[mode][i].decode_s + a->results[mode][i].scale_s;
    if (run >= 0)
        series(a, mode, a->clips.n)[run] = wall_s;
    return err;
}

static enum cq_err measure(struct decode_args *a)
{
    const struct bench_decode_params params = {
        .log = &a->common.log, .clips = &a->clips, .card = &a->card, .sample = sampling_spec(&a->sampling),
        .workers = a->workers, .threads = a->threads, .sandbox = (enum sandbox_mode) a->sandbox,
    };
    size_t n = (size_t) a->clips.n;
    struct bench_decode *b = NULL;
    for (int m = 0; m < MODES; m++) {
        a->results[m] = calloc(n + 1, sizeof *a->results[m]);
        a->seconds[m] = calloc((n + 1) * (size_t) a->runs, sizeof *a->seconds[m]);
        if (!a->results[m] || !a->seconds[m])
            return CQ_NOMEM;
    }
    enum cq_err err = bench_decode_create(&params, &b);
    for (int run = -1; run < a->runs && !err; run++) {
        err = measure_run(a, b, SAMPLED, run);
        if (!err && run >= 0)
            err = note_limits(a, &params);
        if (!err && a->against_all)
            err = measure_run(a, b, EVERYTHING, run);
    }
    bench_decode_destroy(&b);
    return err || !a->record ? err : record(a);
}

static void finish(struct decode_args *a)
{
    for (int m = 0; m < MODES; m++) {
        free(a->results[m]);
        free(a->seconds[m]);
    }
    limits_finish(&a->limits);
    bench_clips_finish(&a->clips);
    card_finish(&a->card);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct decode_args a = {0};
    int n_paths, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_paths, &rc))
        return rc;
    if (!n_paths)
        return common_usage(self, "name clips: files or directories");
    rc = sampling_check(self, &a.sampling);
    if (rc)
        return rc;
    if (sandbox_announce(&a.common.log, (enum sandbox_mode) a.sandbox))
        return EXIT_FATAL;
    a.workers = bench_decode_workers(a.workers);
    enum cq_err err = bench_card(&a.common.log, a.model, &a.size, &a.card);
    if (!err)
        err = bench_clips_find(&a.common.log, argv, n_paths, &a.clips);
    if (!err)
        err = measure(&a);
    rc = err ? common_exit(err, false) : tell(&a);
    finish(&a);
    return rc;
}

const struct command cmd_bench_decode = {
    .name = "bench decode",
    .usage = "[options] PATH...",
    .summary = "Measure how fast clips are decoded and scaled",
    .details =
        "PATH is a file, a directory or a pattern, as for clipq submit. The processes that `clipq work` decodes with\n"
        "decode every clip and scale the frames that sampling takes into shared memory; nothing is inferred. For a\n"
        "clip the time is its worker's own; the last line has the time of all, the workers side by side. Frames a\n"
        "second are frames taken; the rate is the median run's, the spread the middle half of the runs in percent\n"
        "of the median. scale is the share of the workers' time that went into colours and size.\n"
        "--record keeps, for clips of one codec, pixel format and size, what a frame takes of a processor, in the best\n"
        "of the runs: it is the limit that scores of runs with this model and sampling are held against (see v_limits).\n"
        "Measure with nothing else on the machine.\n\n"
        "Exit codes: 0, 1 nothing could be measured, 2 usage, 3 some clips failed.",
    .run = run,
};
