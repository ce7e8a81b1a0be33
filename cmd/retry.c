/* clipq retry: jobs that ended badly, back into the queue. */
#include "cmd/common.h"

#include "cmd/change.h"
#include "cmd/filter.h"
#include "runner/store_control.h"

struct retry_args {
    bool failed, dead, partial, cancelled, dry_run;
    struct filter_args filter;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct retry_args, failed, .name = "failed", .help = "those that failed for good"),
    CQ_OPT(struct retry_args, dead, .name = "dead", .help = "those that were given up after several tries"),
    CQ_OPT(struct retry_args, partial, .name = "partial", .help = "those that came out in part"),
    CQ_OPT(struct retry_args, cancelled, .name = "cancelled", .help = "those that were cancelled"),
    FILTER_OPTS(struct retry_args, filter),
    CQ_OPT(struct retry_args, dry_run, .name = "dry-run", .letter = 'n', .help = "tell which jobs it would be, change nothing"),
    {0},
};

static enum cq_err apply(struct store *s, const struct store_filter *f, int64_t changed[2])
{
    int64_t n;
    enum cq_err err = store_retry(s, f, &n);
    changed[0] += n;
    return err;
}

/* What is named by number or said by state is meant in whichever state; a condition alone means what came out badly. */
static int wanted_states(const struct retry_args *a, bool numbers)
{
    int states = (a->failed ? JOB_FAILED : 0) | (a->dead ? JOB_DEAD : 0) | (a->partial ? JOB_PARTIAL : 0) |
                 (a->cancelled ? JOB_CANCELLED : 0);
    return states ? states : numbers ? STORE_RETRIED : JOB_FAILED | JOB_DEAD | JOB_PARTIAL;
}

static void tell(const struct retry_args *a, const struct change *c)
{
    char n[FIGURE_SIZE], left[FIGURE_SIZE];
    if (a->common.json) {
        json_t *j = json_object();
        field_int(j, "jobs", c->changed[0]);
        field_int(j, "unprobed", c->unprobed);
        field_bool(j, "dry_run", a->dry_run);
        json_emit("retry", j);
        return;
    }
    if (!a->common.quiet)
        printf("%s job%s %s pending again\n", text_count(c->changed[0], n), c->changed[0] == 1 ? "" : "s",
               a->dry_run ? "would be" : c->changed[0] == 1 ? "is" : "are");
    if (c->unprobed && !a->common.quiet)
        fprintf(stderr, "%s could never be probed, and trying would change nothing: submit the file again once it is mended\n",
                text_count(c->unprobed, left));
}

static int run(const struct command *self, int argc, char **argv)
{
    static struct retry_args a;         /* larger than a stack frame should be */
    struct store_filter f;
    int n, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n, &rc))
        return rc;
    rc = filter_make(self, &a.filter, &f);
    if (rc)
        return rc;
    if (!n && !a.failed && !a.dead && !a.partial && !a.cancelled && !filter_is_given(&a.filter))
        return common_usage(self, "which jobs? Say --failed, --dead, --partial, --cancelled, --class C or their numbers");
    f.states = wanted_states(&a, n > 0);
    struct change c = {.verb = "retry", .states = STORE_RETRIED, .dry_run = a.dry_run, .probed = true, .apply = apply};
    rc = change_run(self, &a.common, &c, &f, argv, n);
    if (rc == EXIT_FINE || c.changed[0])
        tell(&a, &c);
    return rc;
}

const struct command cmd_retry = {
    .name = "retry",
    .usage = "[options] [ID...]",
    .summary = "Put jobs that failed, died, were cancelled or came out in part back",
    .details =
        "They are pending again at once, with their counters of failures at zero; the history of their attempts stays.\n"
        "What a partial job has stays visible until a new attempt has brought results: if none does, it is partial\n"
        "again, with what it had. Jobs whose file could never be probed are left alone: submit the file again.\n\n"
        "Exit codes: 0, 1 no such job, 2 usage, 10 database missing, locked, foreign or newer.",
    .run = run,
};
