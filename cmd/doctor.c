/* clipq doctor: what would stop or slow a run here, and what to do about it. */
#include "cmd/common.h"
#include "runner/doctor.h"

struct doctor_args {
    bool full;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct doctor_args, full, .name = "full", .help = "check every row of the database, which takes long for a large one"),
    {0},
};

static const char *const words[] = {[DOCTOR_OK] = "ok", [DOCTOR_WARNING] = "warning", [DOCTOR_FAILURE] = "failure"};

static void say(void *ctx, const struct doctor_finding *f)
{
    static const char *const colors[] = {[DOCTOR_OK] = "\033[32m", [DOCTOR_WARNING] = "\033[33m", [DOCTOR_FAILURE] = "\033[31m"};
    const struct doctor_args *a = ctx;
    if (a->common.json) {
        json_t *j = json_object();
        field_text(j, "topic", f->topic);
        field_text(j, "level", words[f->level]);
        field_text(j, "text", f->text);
        field_text(j, "advice", f->advice);
        json_emit("doctor", j);
        return;
    }
    char text[1024];
    bool color = common_color(&a->common, stdout);
    if (a->common.quiet && f->level != DOCTOR_FAILURE)
        return;
    printf("%s%-7s%s  %-8s  %s\n", color ? colors[f->level] : "", words[f->level], color ? "\033[0m" : "", f->topic,
           text_safe(f->text, text, sizeof text));
    if (*f->advice)
        printf("%-7s  %-8s  -> %s\n", "", "", f->advice);
    fflush(stdout);
}

static int exit_code(const struct doctor *d)
{
    if (d->found[DOCTOR_DATABASE][DOCTOR_FAILURE])
        return EXIT_DATABASE;
    if (d->found[DOCTOR_DEVICES][DOCTOR_FAILURE])
        return EXIT_NO_DEVICE;
    return d->found[DOCTOR_REST][DOCTOR_FAILURE] ? EXIT_FATAL : EXIT_FINE;
}

static int sum(const struct doctor *d, enum doctor_level level)
{
    int n = 0;
    for (int i = 0; i < DOCTOR_PARTS; i++)
        n += d->found[i][level];
    return n;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct doctor_args a = {0};
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': doctor takes no names; the database is named with --db", argv[0]);
    struct doctor d = {.db_path = a.common.db, .full = a.full, .say = say, .ctx = &a};
    doctor_run(&d);
    rc = exit_code(&d);
    if (a.common.json) {
        json_t *j = json_object();
        field_int(j, "ok", sum(&d, DOCTOR_OK));
        field_int(j, "warnings", sum(&d, DOCTOR_WARNING));
        field_int(j, "failures", sum(&d, DOCTOR_FAILURE));
        json_emit("doctor_result", j);
    } else if (!a.common.quiet) {
        printf("\n%d ok, %d warnings, %d failures\n", sum(&d, DOCTOR_OK), sum(&d, DOCTOR_WARNING), sum(&d, DOCTOR_FAILURE));
    }
    return rc;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .usage = "[options]",
    .summary = "Look for what would stop or slow a run here",
    .details =
        "Devices (each computes something), usual codecs, the database and the disk below it, the cache of compiled\n"
        "kernels, the walls around decoders (each tried from inside), limits, versions of libraries. A warning does not\n"
        "stop a run, a failure would; each says what to do.\n\n"
        "Exit codes: 0 nothing would stop a run, 1 something would, 2 usage, 10 the database would, 11 no usable device.",
    .run = run,
};
