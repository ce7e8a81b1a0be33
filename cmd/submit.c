/* clipq submit: candidates in, rows out. Models are loaded and checked before anything is written. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/common.h"
#include "cmd/progress.h"
#include "cmd/sampling.h"
#include "runner/pipeline.h"
#include "runner/pipeline_load.h"
#include "runner/sandbox_try.h"
#include "runner/submit.h"

struct submit_args {
    struct cq_opt_list models;
    const char *labels, *decoder, *from_file;
    double threshold, nms;
    struct cq_opt_size size;
    struct sampling_args sampling;
    int priority, progress, probers, precision, sandbox;
    bool nul, dry_run;

    struct common common;
    struct progress show;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct submit_args, models, .name = "model", .letter = 'm', .value = "FILE", .max = PIPELINE_MAX_MODELS,
           .help = "an ONNX file, or builtin:scene, which is taken when none is given;\n"
                   "repeatable: one decode feeds up to 8 models"),
    CQ_OPT(struct submit_args, labels, .name = "labels", .value = "FILE", .help = "class names, one per line"),
    CQ_OPT(struct submit_args, decoder, .name = "decoder", .value = "NAME",
           .help = "how to read the model's outputs, instead of recognising it"),
    CQ_OPT(struct submit_args, threshold, .name = "threshold", .value = "T", .def = NAN, .min = 0, .max = 1,
           .help = "drop answers with a lower score; the model's card has a default"),
    CQ_OPT(struct submit_args, nms, .name = "nms", .value = "IOU", .def = NAN, .min = 0, .max = 1,
           .help = "of boxes of a class that overlap more, keep the best"),
    CQ_OPT(struct submit_args, size, .name = "size", .value = "WxH", .word = "clip", .min = 1, .max = 8192,
           .help = "input size for a model that leaves it open; clip: each clip's own"),
    CQ_OPT(struct submit_args, precision, PRECISION_OPT),
    SAMPLING_OPTS(struct submit_args, sampling),
    CQ_OPT(struct submit_args, priority, .name = "priority", .value = "P", .min = -1000, .max = 1000,
           .help = "higher ones are worked on first; the default is 0"),
    CQ_OPT(struct submit_args, from_file, .name = "from-file", .value = "FILE",
           .help = "read more paths from FILE, or - for standard input"),
    CQ_OPT(struct submit_args, nul, .name = "null", .letter = '0',
           .help = "paths in that file end with NUL (find -print0)"),
    CQ_OPT(struct submit_args, dry_run, .name = "dry-run", .letter = 'n', .help = "probe and tell, write nothing"),
    CQ_OPT(struct submit_args, probers, .name = "probers", .value = "N", .min = 1, .max = 64, .zero = "auto",
           .help = "probing processes; auto is one per core"),
    CQ_OPT(struct submit_args, sandbox, SANDBOX_OPT),
    CQ_OPT(struct submit_args, progress, .name = "progress", .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP),
    {0},
};

/* ---- options to a pipeline ---- */

static int check(const struct command *self, const struct submit_args *a, int n_paths)
{
    if (!n_paths && !a->from_file)
        return common_usage(self, "nothing to submit: name files or directories, or use --from-file");
    if (a->nul && !a->from_file)
        return common_usage(self, "--null (-0) goes with --from-file");
    if (a->models.n > 1 && (a->decoder || a->labels || a->size.width))
        return common_usage(self, "--decoder, --labels and --size fit one model only: with several, write a card file "
                                  "beside each (MODEL.card.json)");
    return sampling_check(self, &a->sampling);
}

static enum cq_err make_pipeline(struct submit_args *a, struct pipeline *p)
{
    const struct pipeline_flags flags = {
        .decoder = a->decoder, .labels = a->labels, .threshold = a->threshold, .nms = a->nms,
        .width = a->size.width, .height = a->size.height, .precision = a->precision,
    };
    if (!a->models.n)
        a->models.item[a->models.n++] = "builtin:scene";
    memset(p, 0, sizeof *p);
    p->sample = sampling_spec(&a->sampling);
    enum cq_err err = CQ_OK;
    for (int i = 0; !err && i < a->models.n; i++)
        err = pipeline_add_model(&a->common.log, p, a->models.item[i], &flags);
    return err;
}

/* ---- telling ---- */

static void on_event(void *ctx, const struct submit_event *e)
{
    struct submit_args *a = ctx;
    if (a->common.json) {
        json_t *j = json_object();
        field_text(j, "path", e->path);
        field_int(j, "job_id", e->job_id);
        field_text(j, "outcome", e->outcome);
        field_text(j, "reason", failure_name(e->failure));
        field_text(j, "message", e->message);
        field_figure(j, "duration_s", e->duration_s);
        field_int(j, "width", e->width);
        field_int(j, "height", e->height);
        json_emit("candidate", j);
        return;
    }
    char path[4096];
    bool failed = !strcmp(e->outcome, "failed");
    if (failed && !a->common.quiet)
        cq_log_warn(&a->common.log, "%s: %s: %s", text_safe(e->path, path, sizeof path), failure_name(e->failure),
                    e->message);
    else if (a->common.verbose || a->dry_run)
        fprintf(a->dry_run ? stdout : stderr, "%-12s %5dx%-5d %9.2f s  %s\n", e->outcome, e->width, e->height,
                e->duration_s, text_safe(e->path, path, sizeof path));
}

static json_t *progress_json(const struct submit_progress *p, double rate, bool last)
{
    json_t *j = json_object();
    field_int(j, "found", p->found);
    field_int(j, "settled", p->settled);
    field_int(j, "queued", p->queued);
    field_int(j, "known", p->known);
    field_int(j, "failed", p->failed);
    field_figure(j, "elapsed_s", p->elapsed_s);
    field_figure(j, "per_second", rate);
    field_bool(j, "last", last);
    return j;
}

static void on_progress(void *ctx, const struct submit_progress *p, bool last)
{
    struct submit_args *a = ctx;
    if (!progress_is_due(&a->show, last))
        return;
    double rate = p->elapsed_s > 0 ? (double) p->settled / p->elapsed_s : 0;
    char settled[FIGURE_SIZE], queued[FIGURE_SIZE], known[FIGURE_SIZE], failed[FIGURE_SIZE], text[200];
    snprintf(text, sizeof text, "%s probed (%.0f/s): %s queued, %s known, %s failed", text_count(p->settled, settled),
             rate, text_count(p->queued, queued), text_count(p->known, known), text_count(p->failed, failed));
    progress_show(&a->show, -1, text, "submit_progress", progress_json(p, rate, last), last);
}

static void emit_result(const struct submit_args *a, const struct submit_result *r)
{
    const struct submit_progress *t = &r->totals;
    json_t *j = json_object();
    field_int(j, "candidates", t->settled);
    field_int(j, "queued", t->queued);
    field_int(j, "known", t->known);
    field_int(j, "failed", t->failed);
    field_int(j, "missing", r->missing);
    field_figure(j, "media_s", t->media_s);
    field_figure(j, "elapsed_s", t->elapsed_s);
    field_bool(j, "dry_run", a->dry_run);
    json_emit("submit_result", j);
}

static void print_result(const struct submit_args *a, const struct pipeline *p, const struct submit_result *r)
{
    const struct submit_progress *t = &r->totals;
    char n[4][FIGURE_SIZE], media[FIGURE_SIZE];
    printf("%s candidate%s: %s %s (%s of video), %s known already, %s failed\n", text_count(t->settled, n[0]),
           t->settled == 1 ? "" : "s", text_count(t->queued, n[1]), a->dry_run ? "would be queued" : "queued",
           text_seconds(t->media_s, media), text_count(t->known, n[2]), text_count(t->failed, n[3]));
    for (int i = 0; i < p->n_models; i++) {
        const struct card *c = &p->models[i].card;
        char size[CARD_SIZE_TEXT];
        printf("model %s: %s, input %s (%s)\n", p->models[i].name, c->decoder, card_size_text(c, size), c->why);
    }
    bool other = strcmp(a->common.db, "clipq.db") != 0;
    if (!t->found && !r->missing)
        printf("No media file was found. In directories only known suffixes count; name a file to have it tried.\n");
    else if (t->queued && !a->dry_run)
        printf("Next: clipq work%s%s\n", other ? " --db " : "", other ? a->common.db : "");
}

static int exit_code(enum cq_err err, const struct submit_result *r)
{
    if (err)
        return common_exit(err, r->in_store);
    if (r->signal)
        return 128 + r->signal;
    if (!r->totals.found)
        return EXIT_FATAL;
    return r->totals.failed || r->missing ? EXIT_SOME_FAILED : EXIT_FINE;
}

static int submit(struct submit_args *a, const struct pipeline *p, char **paths, int n_paths, FILE *list)
{
    struct submit_params params = {
        .db_path = a->common.db, .pipeline = p, .paths = paths, .n_paths = n_paths, .list = list, .list_nul = a->nul,
        .priority = a->priority, .dry_run = a->dry_run, .probers = a->probers,
        .sandbox = (enum sandbox_mode) a->sandbox, .event = on_event, .progress = on_progress, .ctx = a,
        .log = &a->common.log,
    };
    struct submit_result result;
    enum cq_err err = submit_run(&params, &result);
    if (!err && !result.signal && !result.totals.found && !result.missing)
        cq_log_error(&a->common.log, "no clip was found: in directories only known video suffixes count; name a file "
                                     "to have it tried");
    if (!err && a->common.json)
        emit_result(a, &result);
    else if (!err && !a->common.quiet)
        print_result(a, p, &result);
    return exit_code(err, &result);
}

static FILE *open_list(struct cq_log *log, const char *name)
{
    if (!strcmp(name, "-"))
        return stdin;
    FILE *f = fopen(name, "re");
    if (!f)
        cq_log_error(log, "--from-file %s: %s", name, strerror(errno));
    return f;
}

static int run(const struct command *self, int argc, char **argv)
{
    static struct submit_args a;      /* progress and log point into it */
    struct pipeline *pipeline = NULL;
    FILE *list = NULL;
    int n_paths, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_paths, &rc))
        return rc;
    rc = check(self, &a, n_paths);
    if (rc)
        return rc;
    progress_init(&a.show, (enum progress_mode) a.progress, a.common.quiet, common_color(&a.common, stderr));
    a.common.log.sink = progress_log;
    a.common.log.ctx = &a.show;

    rc = EXIT_FATAL;
    if (sandbox_announce(&a.common.log, (enum sandbox_mode) a.sandbox))
        return rc;
    pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return rc;
    enum cq_err err = make_pipeline(&a, pipeline);
    if (err) {
        rc = err == CQ_INVALID ? EXIT_USAGE : EXIT_FATAL;
        goto done;
    }
    if (a.from_file && !(list = open_list(&a.common.log, a.from_file)))
        goto done;
    rc = submit(&a, pipeline, argv, n_paths, list);
done:
    if (list && list != stdin)
        fclose(list);
    pipeline_finish(pipeline);
    free(pipeline);
    return rc;
}

const struct command cmd_submit = {
    .name = "submit",
    .usage = "[options] PATH...",
    .summary = "Probe clips and put them into the queue",
    .details =
        "PATH is a file, a directory (searched with everything below it) or a pattern in quotes ('in/*.mp4').\n"
        "In directories files with a known video suffix count, hidden ones are skipped and links to directories are\n"
        "not followed; a file that is named is always tried. A file that cannot be read becomes a failed job with\n"
        "its reason and the others go on. Submitting the same content with the same options again does nothing.\n\n"
        "Exit codes: 0 all fine, 1 fatal (a model cannot be used, nothing was found), 2 usage, 3 some candidates\n"
        "failed, 10 database missing, locked, unwritable or newer, 130 and 143 by signal.",
    .run = run,
};
