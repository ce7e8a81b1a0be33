/* clipq tune kernels: which of several kernels is the fastest for each operator of a model, measured here and kept in
 * the database for `clipq work` and `clipq bench infer`. */
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "kernels/device.h"
#include "runner/bench_infer.h"
#include "runner/budget.h"
#include "runner/store.h"
#include "runner/tunings.h"
#include "stages/infer/tune.h"

struct tune_args {
    const char *device;
    struct cq_opt_size size;
    struct cq_opt_bytes memory_limit;
    int batch, threads, precision;
    double budget_ms;
    struct common common;

    struct device_info info;
    struct store *store;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct tune_args, batch, .name = "batch", .letter = 'b', .value = "B", .def = 8, .min = 1, .max = 1024,
           .help = "images at once; a batch of another size may be computed by\n"
                   "other operators, and is tuned by itself"),
    CQ_OPT(struct tune_args, device, .name = "device", .letter = 'd', .value = "WHAT", .def_text = "auto",
           .help = "auto (the fastest), cpu, gpu or P:D"),
    CQ_OPT(struct tune_args, threads, .name = "threads", .value = "N", .min = 1, .max = 1024, .zero = "auto",
           .help = "of a CPU device; auto is one per core"),
    CQ_OPT(struct tune_args, budget_ms, .name = "budget", .value = "MS", .def = 50, .min = 0.1, .max = 60000,
           .help = "milliseconds to spend on each kernel of each operator"),
    CQ_OPT(struct tune_args, size, .name = "size", .value = "WxH", .min = 1, .max = 8192,
           .help = "input size where a model leaves it open"),
    CQ_OPT(struct tune_args, precision, PRECISION_OPT),
    CQ_OPT(struct tune_args, memory_limit, MEMORY_LIMIT_OPT),
    {0},
};

/* One model: what was found so far. */
struct tuning {
    struct tune_args *args;
    const char *model;
    int operators, changed;       /* measured; not as the heuristic says */
    double before_ms, after_ms;   /* of all uses of those operators */
    enum cq_err err;              /* of the database */
};

/* ---- telling ---- */

static void print_json(const struct tuning *t, const struct session_tuned *tuned, const char *in, const char *out)
{
    const struct tune_result *r = tuned->result;
    json_t *j = json_object(), *measured = json_object();
    field_text(j, "model", t->model);
    field_int(j, "batch", t->args->batch);
    field_text(j, "operator", tuned->op);
    field_text(j, "node", tuned->node);
    field_text(j, "input", in);
    field_text(j, "output", out);
    field_int(j, "uses", tuned->uses);
    field_text(j, "heuristic", r->candidates[r->first].kernel->name);
    field_text(j, "variant", r->candidates[r->best].kernel->name);
    for (int i = 0; i < r->n; i++)
        field_figure(measured, r->candidates[i].kernel->name, r->candidates[i].ms);
    json_object_set_new(j, "ms", measured);
    field_figure(j, "gain", r->candidates[r->first].ms / r->candidates[r->best].ms - 1);
    json_emit("tuned_kernel", j);
}

static void print_head(const struct tune_args *a, const char *model)
{
    char name[256];
    printf("%s at batch %d on %s, %s\n", text_safe(model, name, sizeof name), a->batch, a->info.spec, a->info.name);
    printf("%-28s %4s %-18s %-18s %7s  %s\n", "node", "uses", "heuristic", "measured", "gain", "ms of each; operator");
}

static void print_text(const struct session_tuned *tuned, const char *in, const char *out)
{
    const struct tune_result *r = tuned->result;
    const struct tune_candidate *first = &r->candidates[r->first], *best = &r->candidates[r->best];
    char node[256], ms[FIGURE_SIZE];
    printf("%-28.28s %4d %-18s %-18s %6.1f%%  ", text_safe(tuned->node ? tuned->node : "", node, sizeof node),
           tuned->uses, first->kernel->name, best == first ? "=" : best->kernel->name,
           100 * (first->ms / best->ms - 1));
    for (int i = 0; i < r->n; i++) {
        const struct tune_candidate *c = &r->candidates[i];
        printf("%s%s %s", i ? ", " : "", c->kernel->name, c->wrong ? "wrong" : text_ms(c->ms, ms));
    }
    printf("; %s %s -> %s\n", tuned->op, in, out);
    fflush(stdout);
}

/* One by one, so that the database is not locked while the next operator is measured. */
static enum cq_err keep(const struct tune_args *a, const struct session_tuned *tuned)
{
    struct msg_tuned m;
    char text[MSG_TEXT];
    if (!tunings_describe(tuned, text, &m))
        return CQ_OK;
    enum cq_err err = store_begin(a->store);
    if (!err)
        err = tunings_put(a->store, a->info.name, a->info.driver, &m);
    if (!err)
        err = store_commit(a->store);
    if (err)
        store_rollback(a->store);
    return err;
}

static void take(void *ctx, const struct session_tuned *tuned)
{
    struct tuning *t = ctx;
    const struct tune_result *r = tuned->result;
    char in[TENSOR_TEXT_SIZE] = "", out[TENSOR_TEXT_SIZE];
    if (tuned->in.type != DT_NONE)
        tensor_text(&tuned->in, in);
    tensor_text(&tuned->out, out);
    if (t->args->common.json)
        print_json(t, tuned, in, out);
    else
        print_text(tuned, in, out);
    t->operators++;
    t->changed += r->best != r->first;
    t->before_ms += tuned->uses * r->candidates[r->first].ms;
    t->after_ms += tuned->uses * r->candidates[r->best].ms;
    if (!t->err)
        t->err = keep(t->args, tuned);
}

static void print_sum(const struct tuning *t)
{
    char before[FIGURE_SIZE], after[FIGURE_SIZE];
    printf("%d operators measured, %d with another kernel than the heuristic's: %s ms instead of %s\n\n", t->operators,
           t->changed, text_ms(t->after_ms, after), text_ms(t->before_ms, before));
}

/* ---- measuring ---- */

static enum cq_err tune_model(struct tune_args *a, struct device *dev, const char *model)
{
    struct tuning t = {.args = a, .model = model};
    struct bench_infer *b;
    const struct bench_infer_params params = {
        .model = model, .width = a->size.width, .height = a->size.height,
        .memory_limit = budget_here(&a->info, (size_t) a->memory_limit.n), .precision = a->precision,
    };
    enum cq_err err = bench_infer_create(&a->common.log, dev, &params, &b);
    if (!err && !a->common.json)
        print_head(a, model);
    if (!err)
        err = bench_infer_tune(b, a->batch, a->budget_ms, take, &t);
    err = err ? err : t.err;
    if (!err && !a->common.json)
        print_sum(&t);
    if (err)
        cq_log_error(&a->common.log, "%s cannot be tuned: %s", model, cq_err_text(err));
    bench_infer_destroy(&b);
    return err;
}

static int tune_all(struct tune_args *a, char **models, int n_models)
{
    struct device *dev = NULL;
    device_setup_environment(a->threads);
    enum cq_err err = device_find(&a->common.log, a->device, &a->info);
    if (!err)
        err = device_open(&a->common.log, &a->info, &dev);
    if (err)
        return common_exit(err, false);
    int rc = EXIT_FINE;
    for (int i = 0; i < n_models; i++)
        if (tune_model(a, dev, models[i]))
            rc = EXIT_FATAL;
    device_close(&dev);
    return rc;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct tune_args a = {0};
    int n, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n, &rc))
        return rc;
    if (n < 2 || strcmp(argv[0], "kernels"))
        return common_usage(self, "say `kernels` and name models: files, or builtin:scene");
    if (!common_is_device(a.device, strlen(a.device)))
        return common_usage(self, "--device: '%s' is none: say auto, cpu, gpu or P:D as `clipq devices` lists them",
                            a.device);
    enum cq_err err = store_open(&a.common.log, a.common.db, STORE_CREATE, &a.store);
    if (err)
        return common_exit(err, true);
    rc = tune_all(&a, argv + 1, n - 1);
    store_close(&a.store);
    return rc;
}

const struct command cmd_tune = {
    .name = "tune",
    .usage = "kernels [options] MODEL...",
    .summary = "Find the fastest kernels for a model on this device",
    .details =
        "Several kernels can compute many an operator; which one is taken is a guess from its shape. This times them\n"
        "all, on random numbers, each checked against the one that would be taken, and keeps the fastest in the\n"
        "database, from where `clipq work` and `clipq bench infer` have it; `clipq work --tune` does the same within a\n"
        "run. Answers stay as they are, but for\n"
        "rounding: a kernel whose result differs by more than 3e-5 of the largest value is not used.\n"
        "What was measured holds for the device, its driver, the number of its compute units and this version of\n"
        "clipq's kernels; another one starts with guesses again.\n\n"
        "Exit codes: 0, 1 a model could not be tuned (the rest was), 2 usage, 10 database, 11 no usable device.",
    .run = run,
};
