/* clipq cancel: jobs out of the queue, running ones too. */
#include "cmd/common.h"

#include "cmd/change.h"
#include "cmd/filter.h"
#include "runner/store_control.h"

struct cancel_args {
    bool all, dry_run;
    struct filter_args filter;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct cancel_args, all, .name = "all", .letter = 'a', .help = "all that are pending or running"),
    FILTER_OPTS(struct cancel_args, filter),
    CQ_OPT(struct cancel_args, dry_run, .name = "dry-run", .letter = 'n', .help = "tell which jobs it would be, change nothing"),
    {0},
};

static enum cq_err apply(struct store *s, const struct store_filter *f, int64_t changed[2])
{
    int64_t pending, running;
    enum cq_err err = store_cancel(s, f, &pending, &running);
    changed[0] += pending;
    changed[1] += running;
    return err;
}

static void tell(const struct cancel_args *a, const struct change *c)
{
    char n[FIGURE_SIZE];
    int64_t sum = c->changed[0] + c->changed[1];
    if (a->common.json) {
        json_t *j = json_object();
        field_int(j, "jobs", sum);
        field_int(j, "running", c->changed[1]);
        field_bool(j, "dry_run", a->dry_run);
        json_emit("cancel", j);
    } else if (!a->common.quiet) {
        printf("%s job%s %s cancelled", text_count(sum, n), sum == 1 ? "" : "s", a->dry_run ? "would be" : sum == 1 ? "is" : "are");
        if (c->changed[1])
            printf("; %s of them %s running and will be let go within a second or two", text_count(c->changed[1], n),
                   c->changed[1] == 1 ? "was" : "were");
        printf("\n");
    }
}

static int run(const struct command *self, int argc, char **argv)
{
    static struct cancel_args a;        /* larger than a stack frame should be */
    struct store_filter f;
    int n, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n, &rc))
        return rc;
    rc = filter_make(self, &a.filter, &f);
    if (rc)
        return rc;
    if (!n && !a.all && !filter_is_given(&a.filter))
        return common_usage(self, "which jobs? Say --all, a condition such as --path PATTERN, or their numbers");
    if (a.all && n)
        return common_usage(self, "--all and numbers exclude each other");
    struct change c = {.verb = "cancel", .states = STORE_CANCELLED, .dry_run = a.dry_run, .apply = apply};
    rc = change_run(self, &a.common, &c, &f, argv, n);
    if (rc == EXIT_FINE || c.changed[0] + c.changed[1])
        tell(&a, &c);
    return rc;
}

const struct command cmd_cancel = {
    .name = "cancel",
    .usage = "[options] [ID...]",
    .summary = "Take jobs out of the queue; running ones stop",
    .details =
        "A `clipq work` that has such a job under way, whichever process it is, lets go of it within a second or two: its\n"
        "decoder ends, frames that are with an engine are the last, and nothing of that attempt is kept. What an earlier\n"
        "attempt at a partial job had brought stays, and the job is partial again. `clipq retry` brings cancelled jobs back.\n\n"
        "Exit codes: 0, 1 no such job, 2 usage, 10 database missing, locked, foreign or newer.",
    .run = run,
};
