/* clipq list: which jobs there are. */
#include "cmd/common.h"

#include "cmd/filter.h"
#include "cmd/job_rows.h"
#include "runner/store.h"
#include "runner/store_jobs.h"

struct list_args {
    struct filter_args filter;
    int limit, offset;
    bool all;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct list_args, filter.state, .name = "state", .value = "S[,S...]",
           .help = "in that state: pending, running, done, partial, failed, dead or\ncancelled"),
    FILTER_OPTS(struct list_args, filter),
    CQ_OPT(struct list_args, limit, .name = "limit", .value = "N", .def = 100, .min = 1, .max = 0x7fffffff,
           .help = "so many at most"),
    CQ_OPT(struct list_args, offset, .name = "offset", .value = "N", .min = 0, .max = 0x7fffffff,
           .help = "after leaving out so many"),
    CQ_OPT(struct list_args, all, .name = "all", .letter = 'a', .help = "without a limit"),
    {0},
};

/* On standard error, so that the lines stay lines. */
static enum cq_err tell_rest(struct list_args *a, struct store *store, const struct store_filter *f, int printed)
{
    int64_t n;
    char some[FIGURE_SIZE], all[FIGURE_SIZE];
    enum cq_err err = a->all || a->common.quiet ? CQ_EOF : store_count_jobs(store, f, &n);
    if (!err && n > printed + (int64_t) a->offset)
        fprintf(stderr, "%s of %s jobs; --all prints every one, --offset %lld the next\n", text_count(printed, some),
                text_count(n, all), (long long) a->offset + printed);
    return err == CQ_EOF ? CQ_OK : err;
}

static int run(const struct command *self, int argc, char **argv)
{
    static struct list_args a;          /* larger than a stack frame should be */
    struct store_filter f;
    struct store *store;
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': list takes no names; say --path %s, or `clipq show ID`", argv[0], argv[0]);
    rc = filter_make(self, &a.filter, &f);
    if (rc)
        return rc;
    enum cq_err err = store_open(&a.common.log, a.common.db, STORE_READ, &store);
    if (err)
        return common_exit(err, true);
    struct job_rows rows = {.json = a.common.json, .type = "job"};
    err = store_each_job(store, &f, a.offset, a.all ? INT64_MAX : a.limit, job_rows_print, &rows);
    if (!err)
        err = tell_rest(&a, store, &f, rows.n);
    store_close(&store);
    return common_exit(err, true);
}

const struct command cmd_list = {
    .name = "list",
    .usage = "[options]",
    .summary = "List jobs, by state, failure, path, model or run",
    .details =
        "One line for each job, by number; the columns stay as they are: job, state, reason, attempts, frames, video,\n"
        "path. A job passes when every given condition holds. Only reads, so it may be asked at any time.\n\n"
        "Exit codes: 0, 2 usage, 10 database missing, foreign or newer.",
    .run = run,
};
