/* clipq model: what was understood of a model file, and what running it takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "kernels/device.h"
#include "runner/budget.h"
#include "runner/pipeline_load.h"
#include "stages/answer/card.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"

struct model_args {
    const char *decoder, *labels, *device;
    struct cq_opt_size size;
    struct cq_opt_bytes memory_limit;
    int batch, precision;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct model_args, batch, .name = "batch", .letter = 'b', .value = "B", .def = 1, .min = 1, .max = 1024,
           .help = "plan for that many images at once"),
    CQ_OPT(struct model_args, decoder, .name = "decoder", .value = "NAME", .help = "read its outputs that way"),
    CQ_OPT(struct model_args, labels, .name = "labels", .value = "FILE", .help = "class names, one per line"),
    CQ_OPT(struct model_args, size, .name = "size", .value = "WxH", .word = "clip", .min = 1, .max = 8192,
           .help = "input size where the model leaves it open; clip: each clip's own"),
    CQ_OPT(struct model_args, precision, PRECISION_OPT),
    CQ_OPT(struct model_args, memory_limit, MEMORY_LIMIT_OPT),
    CQ_OPT(struct model_args, device, .name = "device", .letter = 'd', .value = "WHAT", .def_text = "auto",
           .help = "plan for this device"),
    {0},
};

/* What a device adds; not made when there is none or the model cannot run on it. */
struct plan {
    bool made;
    struct device_info device;
    struct session_memory memory;
    double flops;                 /* of the whole batch */
    int host_ops;
    bool batchable;
    int group;                    /* images at once, where the file fixes it; else 1 */
    size_t budget;                /* bytes for models */
    int max_batch;                /* that fits it, up to MAX_BATCH; 0: not even one image */
};

enum { MAX_BATCH = 256 };

static void print_op(void *ctx, const char *text)
{
    (void) ctx;
    fprintf(stderr, "  %s\n", text);
}

static enum cq_err plan_on(struct model_args *a, const struct model *m, const struct card *card, struct device *dev,
                           struct plan *out)
{
    struct session *s = NULL;
    struct session_image image = card->image;
    card_size_for(card, 1280, 720, &image.width, &image.height);
    const struct session_params params = {.image = &image, .precision = card->precision};
    enum cq_err err = session_create(&a->common.log, dev, m, &params, &s);
    if (!err)
        err = session_plan_memory(s, a->batch, &out->memory);
    if (!err) {
        out->flops = session_flops(s, a->batch);
        out->host_ops = session_host_ops(s, a->batch);
        out->batchable = session_batchable(s);
        out->group = session_group(s);
        session_set_memory_limit(s, out->budget);
        out->max_batch = session_max_batch(s, MAX_BATCH);
        out->made = true;
    }
    if (!err && a->common.verbose)
        err = session_describe(s, a->batch, print_op, NULL);
    session_destroy(&s);
    return err;
}

static enum cq_err make_plan(struct model_args *a, const struct model *m, const struct card *card, struct plan *out)
{
    struct device *dev = NULL;
    memset(out, 0, sizeof *out);
    device_setup_environment(0);
    enum cq_err err = device_find(&a->common.log, a->device, &out->device);
    if (!err)
        err = device_open(&a->common.log, &out->device, &dev);
    if (!err) {
        out->budget = budget_here(&out->device, (size_t) a->memory_limit.n);
        err = plan_on(a, m, card, dev, out);
    }
    device_close(&dev);
    return err;
}

/* ---- text ---- */

static void io_text(const struct model_io *io, char *out, size_t size)
{
    int n = snprintf(out, size, "%s[", dtype_name(io->type));
    for (int d = 0; d < io->rank && (size_t) n < size; d++) {
        const char *comma = d ? "," : "";
        if (io->dim[d] >= 0)
            n += snprintf(out + n, size - (size_t) n, "%s%lld", comma, (long long) io->dim[d]);
        else
            n += snprintf(out + n, size - (size_t) n, "%s%s", comma, io->symbol[d] ? io->symbol[d] : "?");
    }
    if ((size_t) n < size)
        snprintf(out + n, size - (size_t) n, "]");
}

static void print_io(const char *what, const struct model_io *io)
{
    char shape[256], name[256];
    io_text(io, shape, sizeof shape);
    printf("%-12s %s %s\n", what, text_safe(io->name, name, sizeof name), shape);
}

static void print_ops(const struct model *m)
{
    int n, column = 13, total = 0;
    const struct model_op_count *ops = model_ops(m, &n);
    for (int i = 0; i < n; i++)
        total += ops[i].count;
    printf("%-12s ", "operators");
    column += printf("%d: ", total);
    for (int i = 0; i < n; i++) {
        if (column > 100)
            column = printf("\n%-12s ", "") - 1;
        column += printf("%s %d%s", ops[i].op_type, ops[i].count, i + 1 < n ? ", " : "");
    }
    printf("\n");
}

static void print_card(const struct card *c)
{
    static const char *const channels[] = {"RGB", "BGR", "gray"};
    static const char *const fits[] = {"stretched", "letterboxed", "fitted top-left"};
    static const char *const resamples[] = {"area averages", "linear"};
    const struct session_image *im = &c->image;
    printf("%-12s %s (%s)\n", "decoder", c->decoder, c->why);
    char size[CARD_SIZE_TEXT];
    printf("%-12s %s %s, %s, %s by %s", "image", card_size_text(c, size), channels[c->channels],
           im->nhwc ? "NHWC" : "NCHW", fits[c->fit], resamples[c->resample]);
    if (c->fit != FIT_STRETCH)
        printf(", padded with %d", c->pad);
    printf("; x = (pixel - mean) * scale with mean");
    for (int i = 0; i < im->channels; i++)
        printf(" %g", im->mean[i]);
    printf(", scale");
    for (int i = 0; i < im->channels; i++)
        printf(" %g", im->scale[i]);
    if (c->precision == PRECISION_FP16)
        printf("\n%-12s float16, computed in float32", "weights");
    printf("\n%-12s score >= %g, IoU <= %g, labels %d\n", "keeps", c->threshold, c->nms, c->n_labels);
}

static void print_plan(const struct model_args *a, const struct plan *p)
{
    if (!p->made)
        return;
    char weights[FIGURE_SIZE], act[FIGURE_SIZE], staging[FIGURE_SIZE], total[FIGURE_SIZE], bound[FIGURE_SIZE];
    char scratch[FIGURE_SIZE];
    printf("%-12s %s (%s)\n", "device", p->device.name, p->device.spec);
    printf("%-12s %.3f GFLOP an image\n", "work", p->flops / a->batch / 1e9);
    printf("%-12s batch %d: %s = weights %s + activations %s + staging %s\n", "memory", a->batch,
           text_bytes((double) p->memory.total, total), text_bytes((double) p->memory.weights, weights),
           text_bytes((double) p->memory.activations, act), text_bytes((double) p->memory.staging, staging));
    printf("%-12s no plan could do with less than %s for activations; scratch within them: %s\n", "",
           text_bytes((double) p->memory.activation_bound, bound), text_bytes((double) p->memory.scratch, scratch));
    if (p->max_batch)
        printf("%-12s %s: batches of up to %d images\n", "budget", text_bytes((double) p->budget, total), p->max_batch);
    else
        printf("%-12s %s: not even one image fits\n", "budget", text_bytes((double) p->budget, total));
    if (p->group > 1)
        printf("%-12s made for %d at once: runs in groups of that many, the last one filled up\n", "batching", p->group);
    if (!p->batchable)
        printf("%-12s batch 1 only: at batch 2 it answers differently\n", "batching");
    if (p->host_ops)
        printf("%-12s %d operators run in plain C: "
               "no OpenCL kernel serves them, or their size depends on the image\n", "slow", p->host_ops);
}

static void print_text(const struct model_args *a, const struct model *m, const struct card *card, const struct plan *p)
{
    char n[FIGURE_SIZE], producer[256];
    printf("%-12s %s\n", "hash", model_hash(m));
    text_safe(model_producer(m), producer, sizeof producer);
    printf("%-12s opset %d, by %s\n", "format", model_opset(m), producer);
    for (int i = 0; i < model_input_count(m); i++)
        print_io("input", model_input(m, i));
    for (int i = 0; i < model_output_count(m); i++)
        print_io("output", model_output(m, i));
    print_ops(m);
    printf("%-12s %s\n", "parameters", text_count(model_parameters(m), n));
    print_card(card);
    print_plan(a, p);
}

/* ---- JSON ---- */

static json_t *io_json(const struct model_io *io)
{
    json_t *j = json_object(), *dims = json_array();
    for (int d = 0; d < io->rank; d++)
        json_array_append_new(dims, io->dim[d] >= 0 ? json_integer(io->dim[d])
                                    : io->symbol[d] ? json_text(io->symbol[d]) : json_null());
    field_text(j, "name", io->name);
    field_text(j, "type", dtype_name(io->type));
    json_object_set_new(j, "shape", dims);
    return j;
}

static json_t *ops_json(const struct model *m)
{
    int n;
    const struct model_op_count *counts = model_ops(m, &n);
    json_t *j = json_object();
    for (int i = 0; i < n; i++)
        field_int(j, counts[i].op_type, counts[i].count);
    return j;
}

static json_t *plan_json(const struct model_args *a, const struct plan *p)
{
    if (!p->made)
        return json_null();
    json_t *j = json_object();
    field_text(j, "device", p->device.spec);
    field_text(j, "device_name", p->device.name);
    field_int(j, "batch", a->batch);
    field_figure(j, "flops_per_image", p->flops / a->batch);
    field_int(j, "weight_bytes", (int64_t) p->memory.weights);
    field_int(j, "activation_bytes", (int64_t) p->memory.activations);
    field_int(j, "activation_bound_bytes", (int64_t) p->memory.activation_bound);
    field_int(j, "scratch_bytes", (int64_t) p->memory.scratch);
    field_int(j, "staging_bytes", (int64_t) p->memory.staging);
    field_int(j, "total_bytes", (int64_t) p->memory.total);
    field_int(j, "budget_bytes", (int64_t) p->budget);
    field_int(j, "largest_batch", p->max_batch);
    field_bool(j, "batchable", p->batchable);
    field_int(j, "host_operators", p->host_ops);
    return j;
}

static void print_json(const struct model_args *a, const char *file, const struct model *m, const struct card *card,
                       const struct plan *p)
{
    json_t *j = json_object(), *inputs = json_array(), *outputs = json_array();
    for (int i = 0; i < model_input_count(m); i++)
        json_array_append_new(inputs, io_json(model_input(m, i)));
    for (int i = 0; i < model_output_count(m); i++)
        json_array_append_new(outputs, io_json(model_output(m, i)));
    field_text(j, "file", file);
    field_text(j, "hash", model_hash(m));
    field_int(j, "opset", model_opset(m));
    field_text(j, "producer", model_producer(m));
    field_int(j, "parameters", model_parameters(m));
    json_object_set_new(j, "inputs", inputs);
    json_object_set_new(j, "outputs", outputs);
    json_object_set_new(j, "operators", ops_json(m));
    field_text(j, "decoder", card->decoder);
    field_text(j, "recognised", card->why);
    json_object_set_new(j, "card", card_to_json(card));
    json_object_set_new(j, "plan", plan_json(a, p));
    json_emit("model", j);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct model_args a;
    struct model *m;
    struct card card;
    struct plan plan;
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest != 1)
        return common_usage(self, "name one model: a file, or builtin:scene");
    if (!common_is_device(a.device, strlen(a.device)))
        return common_usage(self, "--device: '%s' is none: say auto, cpu, gpu or P:D as `clipq devices` lists them",
                            a.device);
    const struct pipeline_flags flags = {.decoder = a.decoder, .labels = a.labels, .threshold = NAN, .nms = NAN,
                                         .width = a.size.width, .height = a.size.height, .precision = a.precision};
    enum cq_err err = pipeline_load_model(&a.common.log, argv[0], &flags, &m, &card);
    if (err)
        return err == CQ_INVALID ? EXIT_USAGE : EXIT_FATAL;
    err = make_plan(&a, m, &card, &plan);
    if (a.common.json)
        print_json(&a, argv[0], m, &card, &plan);
    else
        print_text(&a, m, &card, &plan);
    card_finish(&card);
    model_destroy(&m);
    return common_exit(err, false);
}

const struct command cmd_model = {
    .name = "model",
    .usage = "[options] FILE|builtin:scene",
    .summary = "Tell what was understood of a model",
    .details =
        "Inputs, outputs, operators, parameters, how its outputs will be read and how that was recognised, the\n"
        "preprocessing, and the memory that a batch takes on the device. -v lists the kernel of each operator.\n\n"
        "Exit codes: 0, 1 the file is no usable model, 2 usage, 11 no usable device (the rest is still printed).",
    .run = run,
};
