/* clipq bench e2e: the whole run beside its halves, and where its time went. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "cmd/bench_media.h"
#include "cmd/sampling.h"
#include "kernels/device.h"
#include "runner/bench_decode.h"
#include "runner/bench_e2e.h"
#include "runner/bench_spread.h"

enum { BATCH_CPU = 8, BATCH_OTHER = 32 };

struct e2e_args {
    const char *device;
    struct cq_opt_size size;
    struct sampling_args sampling;
    struct cq_opt_bytes memory_limit;
    int workers, batch, runs;
    struct common common;

    const char *model;
    struct device_info info;
    struct bench_e2e_round *rounds;   /* owned; [runs] */
    bool some_unfit;                  /* clips that never came to the queue */
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct e2e_args, workers, BENCH_WORKERS_OPT),
    CQ_OPT(struct e2e_args, batch, .name = "batch", .letter = 'b', .value = "B", .min = 1, .max = 1024, .zero = "auto",
           .help = "frames per inference"),
    CQ_OPT(struct e2e_args, device, .name = "device", .letter = 'd', .value = "WHAT", .def_text = "auto",
           .help = "auto (the fastest), cpu, gpu or P:D"),
    CQ_OPT(struct e2e_args, size, .name = "size", .value = "WxH", .min = 1, .max = 8192,
           .help = "input size where the model leaves it open"),
    SAMPLING_OPTS(struct e2e_args, sampling),
    CQ_OPT(struct e2e_args, memory_limit, MEMORY_LIMIT_OPT),
    CQ_OPT(struct e2e_args, runs, .name = "runs", .value = "N", .def = 5, .min = 1, .max = 1000,
           .help = "measure so many rounds, after one that warms up"),
    {0},
};

/* ---- what a round says ---- */

static double steady_s(const struct bench_e2e_round *r)
{
    return r->whole_s > r->prepare_s ? r->whole_s - r->prepare_s : r->whole_s;
}

static double decode_rate(const struct e2e_args *a, const struct bench_e2e_round *r) { (void) a; return r->decode_rate; }
static double infer_rate(const struct e2e_args *a, const struct bench_e2e_round *r) { (void) a; return r->infer_rate; }

static double whole_rate(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return (double) r->frames / steady_s(r);
}

static double rate_from_start(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return (double) r->frames / r->whole_s;
}

static double share(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    return whole_rate(a, r) / (r->decode_rate < r->infer_rate ? r->decode_rate : r->infer_rate);
}

/* What both halves could do one after the other on the same processors: a bound where the device is a CPU. */
static double cpu_limit_rate(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return 1 / (1 / r->decode_rate + 1 / r->infer_rate);
}

static double cpu_limit_share(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    return whole_rate(a, r) / cpu_limit_rate(a, r);
}

static double decode_busy(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    return r->decode_s / (a->workers * steady_s(r));
}

static double infer_busy(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return r->infer_s / steady_s(r);
}

static double cpu_busy(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return r->cpu_s / (r->whole_s * (double) sysconf(_SC_NPROCESSORS_ONLN));
}

static double own_cpu(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return r->own_cpu_s / r->whole_s;
}

static double mean_batch(const struct e2e_args *a, const struct bench_e2e_round *r)
{
    (void) a;
    return r->batches ? (double) r->frames / (double) r->batches : 0;
}

static double prepare_s(const struct e2e_args *a, const struct bench_e2e_round *r) { (void) a; return r->prepare_s; }
static double whole_s(const struct e2e_args *a, const struct bench_e2e_round *r) { (void) a; return r->whole_s; }

enum unit { RATE, SHARE, SECONDS, NUMBER };

static const struct figure {
    const char *key, *text;
    double (*of)(const struct e2e_args *a, const struct bench_e2e_round *r);
    enum unit unit;
    bool cpu_only;            /* says something only where the device is a CPU */
} figures[] = {
    {"decode_frames_per_s", "decoding alone", decode_rate, RATE},
    {"infer_frames_per_s", "inference alone", infer_rate, RATE},
    {"cpu_limit_frames_per_s", "both on the same CPUs, at best", cpu_limit_rate, RATE, true},
    {"frames_per_s", "the whole, the engine being ready", whole_rate, RATE},
    {"share", "of the slower half", share, SHARE},
    {"cpu_limit_share", "of both on the same CPUs", cpu_limit_share, SHARE, true},
    {"frames_per_s_from_start", "the whole, with the engine's start", rate_from_start, RATE},
    {"elapsed_s", "all of it", whole_s, SECONDS},
    {"prepare_s", "preparing the engine", prepare_s, SECONDS},
    {"decode_busy", "workers decoding and scaling", decode_busy, SHARE},
    {"infer_busy", "engine inferring", infer_busy, SHARE},
    {"cpu_busy", "all CPUs", cpu_busy, SHARE},
    {"supervisor_cpu", "supervisor, of one CPU", own_cpu, SHARE},
    {"mean_batch", "frames a batch", mean_batch, NUMBER},
};
enum { N_FIGURES = sizeof figures / sizeof *figures };

/* ---- telling ---- */

static enum cq_err spread_of(const struct e2e_args *a, const struct figure *f, struct bench_spread *out)
{
    double *values = malloc((size_t) a->runs * sizeof *values);
    if (!values)
        return CQ_NOMEM;
    for (int i = 0; i < a->runs; i++)
        values[i] = f->of(a, &a->rounds[i]);
    *out = bench_spread_of(values, a->runs);
    free(values);
    return CQ_OK;
}

static bool is_told(const struct e2e_args *a, const struct figure *f)
{
    return !f->cpu_only || a->info.kind == DEVICE_CPU;
}

static void figure_text(const struct figure *f, const struct bench_spread *s)
{
    static const char *const formats[] = {
        [RATE] = "%-36s %9.1f frames/s", [SHARE] = "%-36s %9.1f %%      ", [SECONDS] = "%-36s %9.2f s      ",
        [NUMBER] = "%-36s %9.2f        ",
    };
    printf(formats[f->unit], f->text, f->unit == SHARE ? 100 * s->median : s->median);
    printf("  spread %.1f %%\n", s->median > 0 ? 100 * s->iqr / s->median : 0);
}

static enum cq_err tell(const struct e2e_args *a, const struct bench_clips *clips)
{
    const struct bench_e2e_round *last = &a->rounds[a->runs - 1];
    json_t *j = a->common.json ? json_object() : NULL;
    char name[256];
    if (j) {
        field_text(j, "model", a->model);
        field_text(j, "device_name", a->info.name);
        field_int(j, "clips", clips->n);
        field_int(j, "frames", last->frames);
        field_int(j, "workers", a->workers);
        field_int(j, "batch", a->batch);
        field_int(j, "runs", a->runs);
    } else {
        printf("%s on %s, %d clips, %lld frames, %d workers, batches of %d; medians of %d rounds\n",
               text_safe(a->model, name, sizeof name), a->info.name, clips->n, (long long) last->frames, a->workers,
               a->batch, a->runs);
    }
    for (int i = 0; i < N_FIGURES; i++) {
        struct bench_spread s;
        if (!is_told(a, &figures[i]))
            continue;
        if (spread_of(a, &figures[i], &s)) {
            json_decref(j);
            return CQ_NOMEM;
        }
        if (j) {
            char key[64];
            snprintf(key, sizeof key, "%s_iqr", figures[i].key);
            field_figure(j, figures[i].key, s.median);
            field_figure(j, key, s.iqr);
        } else {
            figure_text(&figures[i], &s);
        }
    }
    if (j)
        json_emit("bench_e2e", j);
    return CQ_OK;
}

/* ---- measuring ---- */

static bool some_unfit(const struct bench_clips *c)
{
    bool unfit = c->missing > 0;
    for (int i = 0; i < c->n; i++)
        unfit = unfit || c->list[i].probe.failure;
    return unfit;
}

static enum cq_err measure(struct e2e_args *a, struct device *dev, char **paths, int n_paths)
{
    const struct bench_e2e_params params = {
        .log = &a->common.log, .paths = paths, .n_paths = n_paths, .model = a->model, .width = a->size.width,
        .height = a->size.height, .sample = sampling_spec(&a->sampling), .device = a->info.spec, .dev = dev,
        .workers = a->workers, .batch = a->batch, .memory_limit = a->memory_limit.n,
    };
    struct bench_e2e *b = NULL;
    a->rounds = calloc((size_t) a->runs, sizeof *a->rounds);
    enum cq_err err = a->rounds ? bench_e2e_create(&params, &b) : CQ_NOMEM;
    for (int run = -1; run < a->runs && !err; run++)
        err = bench_e2e_round(b, &a->rounds[run < 0 ? 0 : run]);
    if (!err) {
        a->some_unfit = some_unfit(bench_e2e_clips(b));
        err = tell(a, bench_e2e_clips(b));
    }
    bench_e2e_destroy(&b);
    return err;
}

static int exit_code(const struct e2e_args *a, enum cq_err err)
{
    if (err)
        return common_exit(err, false);
    const struct work_result *r = &a->rounds[a->runs - 1].result;
    return a->some_unfit || r->failed || r->dead || r->partial ? EXIT_SOME_FAILED : EXIT_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct e2e_args a = {0};
    struct device *dev = NULL;
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest < 2)
        return common_usage(self, "name clips, then the model");
    if (!common_is_device(a.device, strlen(a.device)))
        return common_usage(self, "--device: '%s' is none: say auto, cpu, gpu or P:D as `clipq devices` lists them",
                            a.device);
    rc = sampling_check(self, &a.sampling);
    if (rc)
        return rc;
    a.model = argv[n_rest - 1];
    a.workers = bench_decode_workers(a.workers);
    device_setup_environment(0);
    enum cq_err err = device_find(&a.common.log, a.device, &a.info);
    if (!err)
        err = device_open(&a.common.log, &a.info, &dev);
    if (!err) {
        a.batch = a.batch ? a.batch : a.info.kind == DEVICE_CPU ? BATCH_CPU : BATCH_OTHER;
        err = measure(&a, dev, argv, n_rest - 1);
    }
    rc = exit_code(&a, err);
    device_close(&dev);
    free(a.rounds);
    return rc;
}

const struct command cmd_bench_e2e = {
    .name = "bench e2e",
    .usage = "[options] PATH... MODEL",
    .summary = "Measure the whole run beside decoding and inference alone",
    .details =
        "A round decodes all clips alone, as `clipq bench decode`; infers batches of noise alone, as `clipq bench\n"
        "infer`; then submits the clips to a queue in a database of its own under $TMPDIR and works it off, as\n"
        "`clipq work` does. Printed are medians of the rounds' figures, and the middle half of the rounds in percent\n"
        "of the median as the spread. The slower half alone is what the whole could reach if decoding and inference\n"
        "did not share anything. Where the device is a CPU they share it, and the bound is what one after the other\n"
        "could do. Kernels are the usual ones, whatever was tuned.\n\n"
        "Exit codes: 0, 1 could not be measured, 2 usage, 3 some clips failed, 11 no usable device.",
    .run = run,
};
