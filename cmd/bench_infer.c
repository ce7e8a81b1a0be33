/* clipq bench infer: how long models take, alone, and how near they come to what the device can do. */
#include <stdlib.h>
#include <string.h>

#include "cmd/bench.h"
#include "kernels/device.h"
#include "kernels/peak.h"
#include "runner/bench_infer.h"
#include "runner/budget.h"
#include "runner/limits.h"
#include "runner/tunings.h"

enum { MAX_BATCHES = 16, MAX_BATCH = 1024 };

struct infer_args {
    const char *batches, *device;
    struct cq_opt_size size;
    struct cq_opt_bytes memory_limit;
    int threads, runs, precision;
    double seconds;
    bool layers, record;
    struct common common;

    int batch[MAX_BATCHES], n_batches;
    struct device_info info;
    double peak;                  /* operations a second */
    struct choices choices;       /* out of the database */
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct infer_args, batches, .name = "batch", .letter = 'b', .value = "B[,B...]", .def_text = "1",
           .help = "images at once; each batch size is measured"),
    CQ_OPT(struct infer_args, device, .name = "device", .letter = 'd', .value = "WHAT", .def_text = "auto",
           .help = "auto (the fastest), cpu, gpu or P:D"),
    CQ_OPT(struct infer_args, threads, .name = "threads", .value = "N", .min = 1, .max = 1024, .zero = "auto",
           .help = "of a CPU device; auto is one per core"),
    CQ_OPT(struct infer_args, runs, .name = "runs", .value = "N", .def = 10, .min = 1, .max = 100000,
           .help = "measure so many runs, after two that warm up,"),
    CQ_OPT(struct infer_args, seconds, .name = "seconds", .value = "S", .def = 0, .min = 0, .max = 3600,
           .help = "and go on for at least so long"),
    CQ_OPT(struct infer_args, layers, .name = "layers", .help = "then time every operator by itself"),
    CQ_OPT(struct infer_args, record, .name = "record", .help = "keep the best figure of each model in the database, for scores"),
    CQ_OPT(struct infer_args, size, .name = "size", .value = "WxH", .min = 1, .max = 8192,
           .help = "input size where a model leaves it open"),
    CQ_OPT(struct infer_args, precision, PRECISION_OPT),
    CQ_OPT(struct infer_args, memory_limit, MEMORY_LIMIT_OPT),
    {0},
};

static bool parse_batches(struct infer_args *a)
{
    const char *at = a->batches;
    for (a->n_batches = 0; a->n_batches < MAX_BATCHES; at++) {
        char *end;
        long b = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : 0;
        if (b < 1 || b > MAX_BATCH)
            return false;
        a->batch[a->n_batches++] = (int) b;
        at = end;
        if (!*at)
            return true;
        if (*at != ',')
            return false;
    }
    return false;
}

/* ---- telling ---- */

static void print_json(const struct infer_args *a, const char *model, int batch, const struct bench_infer_figures *f)
{
    double flops_per_s = f->flops / (f->ms.median / 1e3);
    json_t *j = json_object();
    field_text(j, "model", model);
    field_int(j, "batch", batch);
    field_figure(j, "ms_per_image_min", f->ms.min);
    field_figure(j, "ms_per_image_median", f->ms.median);
    field_figure(j, "ms_per_image_iqr", f->ms.iqr);
    field_figure(j, "images_per_s", 1e3 / f->ms.median);
    field_int(j, "runs", f->ms.n);
    field_text(j, "device", a->info.spec);
    field_text(j, "device_name", a->info.name);
    field_int(j, "threads", a->info.compute_units);
    field_figure(j, "gflops", flops_per_s / 1e9);
    field_figure(j, "peak_gflops", a->peak / 1e9);
    field_figure(j, "share_of_peak", flops_per_s / a->peak);
    field_figure(j, "gflop_per_image", f->flops / 1e9);
    field_int(j, "bytes", (int64_t) f->memory.total);
    field_int(j, "weight_bytes", (int64_t) f->memory.weights);
    field_bool(j, "batchable", f->batchable);
    field_int(j, "host_operators", f->host_ops);
    json_emit("bench_infer", j);
}

static void print_head(const struct infer_args *a)
{
    printf("%s, %s, %d compute unit%s, peak %.1f GFLOPS\n", a->info.spec, a->info.name, a->info.compute_units,
           a->info.compute_units == 1 ? "" : "s", a->peak / 1e9);
    printf("%-28s %5s %9s %9s %7s %9s %8s %6s %10s\n", "model", "batch", "ms/image", "median", "spread", "images/s",
           "GFLOPS", "peak", "memory");
}

static void print_text(const struct infer_args *a, const char *model, int batch, const struct bench_infer_figures *f)
{
    char min[FIGURE_SIZE], median[FIGURE_SIZE], bytes[FIGURE_SIZE], name[256];
    double flops_per_s = f->flops / (f->ms.median / 1e3);
    const char *slash = strrchr(model, '/');
    printf("%-28s %5d %9s %9s %6.1f%% %9.1f %8.1f %5.1f%% %10s%s\n",
           text_safe(slash && slash[1] ? slash + 1 : model, name, sizeof name), batch, text_ms(f->ms.min, min),
           text_ms(f->ms.median, median), 100 * f->ms.iqr / f->ms.median, 1e3 / f->ms.median, flops_per_s / 1e9,
           100 * flops_per_s / a->peak, text_bytes((double) f->memory.total, bytes),
           f->batchable ? "" : "  (one by one)");
    fflush(stdout);
}

/* ---- layers ---- */

struct layers {
    const struct infer_args *args;
    const char *model;
    int batch, n;                 /* n: told so far */
    double ms;                    /* of all those, per image */
};

static double ms_per_image(const struct session_step *step)
{
    return (double) step->best_ns / 1e6 / step->images;
}

static void layer_json(struct layers *l, const struct session_step *step, const char *in, const char *out)
{
    double flops_per_s = step->flops / ((double) step->best_ns / 1e9);
    json_t *j = json_object();
    field_text(j, "model", l->model);
    field_int(j, "batch", l->batch);
    field_int(j, "index", l->n);
    field_text(j, "operator", step->op);
    field_text(j, "variant", step->variant);
    field_text(j, "node", step->node);
    field_text(j, "input", in);
    field_text(j, "output", out);
    field_int(j, "images", step->images);
    field_figure(j, "ms", (double) step->best_ns / 1e6);
    field_figure(j, "ms_per_image", ms_per_image(step));
    field_figure(j, "gflops", flops_per_s / 1e9);
    field_figure(j, "share_of_peak", flops_per_s / l->args->peak);
    field_int(j, "bytes", (int64_t) step->bytes);
    field_figure(j, "bytes_per_image", (double) step->bytes / step->images);
    json_emit("bench_layer", j);
}

static void layer_text(struct layers *l, const struct session_step *step, const char *in, const char *out)
{
    char ms[FIGURE_SIZE], bytes[FIGURE_SIZE], node[256];
    double flops_per_s = step->flops / ((double) step->best_ns / 1e9);
    printf("%4d %-16s %-20s %9s %8.1f %6.1f%% %10s  %s -> %s  %s\n", l->n, step->op, step->variant,
           text_ms(ms_per_image(step), ms), flops_per_s / 1e9, 100 * flops_per_s / l->args->peak,
           text_bytes((double) step->bytes / step->images, bytes), in, out, text_safe(step->node ? step->node : "", node, sizeof node));
}

static void tell_layer(void *ctx, const struct session_step *step)
{
    struct layers *l = ctx;
    char in[TENSOR_TEXT_SIZE] = "", out[TENSOR_TEXT_SIZE];
    if (step->in.type != DT_NONE)
        tensor_text(&step->in, in);
    tensor_text(&step->out, out);
    (l->args->common.json ? layer_json : layer_text)(l, step, in, out);
    l->n++;
    l->ms += ms_per_image(step);
}

static enum cq_err tell_layers(const struct infer_args *a, struct bench_infer *b, const char *model, int batch)
{
    struct layers l = {.args = a, .model = model, .batch = batch};
    if (!a->common.json)
        printf("%4s %-16s %-20s %9s %8s %7s %10s  %s\n", "", "operator", "variant", "ms/image", "GFLOPS", "peak", "bytes/im.",
               "shapes, node");
    enum cq_err err = bench_infer_layers(b, a->runs, tell_layer, &l);
    if (!err && !a->common.json)
        printf("%4d steps, %.3f ms per image in all\n\n", l.n, l.ms);
    return err;
}

/* ---- measuring ---- */

static enum cq_err measure_batch(struct infer_args *a, struct bench_infer *b, const char *model, int batch, struct store_limit *best)
{
    const struct bench_effort effort = {.runs = a->runs, .seconds = a->seconds};
    struct bench_infer_figures f;
    enum cq_err err = bench_infer_run(b, batch, &effort, &f);
    if (!err)
        (a->common.json ? print_json : print_text)(a, model, batch, &f);
    if (!err && (!best->batch || f.ms.min / 1e3 < best->unit_s)) {
        best->batch = batch;
        best->unit_s = f.ms.min / 1e3;
    }
    if (!err && a->layers)
        err = tell_layers(a, b, model, batch);
    if (err)
        cq_log_error(&a->common.log, "%s: batch %d cannot be measured: %s", model, batch, cq_err_text(err));
    return err;
}

/* For scores of runs (runner/score.h). */
static enum cq_err record(struct infer_args *a, const struct bench_infer *b, const char *model, const struct store_limit *best)
{
    const char *hash, *shape;
    struct store_limit l;
    if (!bench_infer_key(b, &hash, &shape)) {
        cq_log_warn(&a->common.log, "%s takes no picture, so no run can use it: nothing is recorded of it", model);
        return CQ_OK;
    }
    limit_key_of_model(a->info.name, a->info.driver, a->info.compute_units, hash, shape, &l);
    l.batch = best->batch;
    l.unit_s = best->unit_s;
    l.measured = true;
    return limits_record(&a->common.log, a->common.db, &l, 1);
}

/* The first error; what can be measured is. */
static enum cq_err measure_model(struct infer_args *a, struct device *dev, const char *model)
{
    struct bench_infer *b = NULL;
    struct store_limit best = {.batch = 0};
    const struct bench_infer_params params = {
        .model = model, .width = a->size.width, .height = a->size.height, .choices = &a->choices, .precision = a->precision,
        .memory_limit = budget_here(&a->info, (size_t) a->memory_limit.n),
    };
    enum cq_err err = bench_infer_create(&a->common.log, dev, &params, &b);
    if (err)
        cq_log_error(&a->common.log, "%s cannot be measured: %s", model, cq_err_text(err));
    for (int i = 0; i < a->n_batches && b; i++) {
        enum cq_err e = measure_batch(a, b, model, a->batch[i], &best);
        err = err ? err : e;
    }
    if (a->record && best.batch) {
        enum cq_err e = record(a, b, model, &best);
        err = err ? err : e;
    }
    bench_infer_destroy(&b);
    return err;
}

static int measure_all(struct infer_args *a, struct device *dev, char **models, int n_models)
{
    int rc = EXIT_FINE;
    if (!a->common.json)
        print_head(a);
    for (int i = 0; i < n_models; i++)
        if (measure_model(a, dev, models[i]))
            rc = EXIT_FATAL;
    return rc;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct infer_args a = {0};
    struct device *dev = NULL;
    int n_models, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_models, &rc))
        return rc;
    if (!n_models)
        return common_usage(self, "name models: files, or builtin:scene");
    if (!parse_batches(&a))
        return common_usage(self, "--batch: '%s' is no list of up to %d numbers from 1 to %d", a.batches, MAX_BATCHES,
                            MAX_BATCH);
    if (!common_is_device(a.device, strlen(a.device)))
        return common_usage(self, "--device: '%s' is none: say auto, cpu, gpu or P:D as `clipq devices` lists them",
                            a.device);
    device_setup_environment(a.threads);
    enum cq_err err = device_find(&a.common.log, a.device, &a.info);
    if (!err)
        err = device_open(&a.common.log, &a.info, &dev);
    if (!err)
        err = peak_flops(dev, &a.peak);
    if (!err)
        err = tunings_load(&a.common.log, a.common.db, &a.info, &a.choices);
    rc = err ? common_exit(err, false) : measure_all(&a, dev, argv, n_models);
    choices_finish(&a.choices);
    device_close(&dev);
    return rc;
}

const struct command cmd_bench_infer = {
    .name = "bench infer",
    .usage = "[options] MODEL...",
    .summary = "Measure how fast models run, alone",
    .details =
        "Each MODEL, a file or builtin:scene, runs at each batch size on noise: 8-bit pictures where it takes one\n"
        "picture, random tensors else. A run is what an engine does: inputs up, kernels, outputs down. Printed are\n"
        "the least and the middle of the runs' milliseconds per image; the spread is the middle half of the runs in\n"
        "percent of the median. Operations are counted for direct convolutions, so that an algorithm with fewer\n"
        "of them can pass the peak, which is the measured rate of float32 multiply-adds in registers.\n"
        "Kernels are those that `clipq tune kernels` left in the database, if there is one, else the usual ones.\n"
        "--layers adds a line for every operator of the plan, in milliseconds and bytes per image; shapes are those of\n"
        "what a stream runs at once. Their sum is more than a run takes, as the device is waited for after each, some\n"
        "tens of microseconds. In JSON, ms and bytes are for the number in images, ms_per_image and bytes_per_image\n"
        "for one.\n"
        "--record keeps the least time of an image over all these batches in the database: it is the limit that scores\n"
        "of runs are held against (see v_limits). Measure with nothing else on the machine, at the batches of `work`.\n\n"
        "Exit codes: 0, 1 something could not be measured (the rest was), 2 usage, 11 no usable device.",
    .run = run,
};
