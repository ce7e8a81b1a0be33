/* clipq bench queue: claims and completions a second, and whether a long queue is as fast as a short one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/bench.h"
#include "cmd/report_facts.h"
#include "kernels/base/clock.h"
#include "runner/bench_queue.h"
#include "runner/store.h"

enum { MAX_VALUES = 16, WORKERS = 16 };

struct queue_args {
    const char *claimants, *sizes;
    int jobs, group;
    struct common common;

    int64_t claimant[MAX_VALUES], size[MAX_VALUES];
    int n_claimants, n_sizes;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct queue_args, claimants, .name = "claimants", .value = "N[,N...]", .def_text = "1,4,16",
           .help = "processes that claim at once; each number is measured"),
    CQ_OPT(struct queue_args, jobs, .name = "jobs", .value = "N", .def = 20000, .min = 1, .max = 100000000,
           .help = "in the queue for each of these measurements"),
    CQ_OPT(struct queue_args, group, .name = "group", .value = "N", .def = WORKERS, .min = 1, .max = BENCH_QUEUE_GROUP,
           .help = "jobs a claim, as `clipq work --workers N` claims them;\none by one is measured, too"),
    CQ_OPT(struct queue_args, sizes, .name = "sizes", .value = "N[,N...]", .def_text = "1e3,1e4,1e5",
           .help = "jobs in the queue for the curve; 1e6 takes a minute or two"),
    {0},
};

/* Whole numbers, also as 1e6. */
static bool parse_list(const char *text, double max, int64_t *out, int *n)
{
    for (*n = 0; *n < MAX_VALUES; text++) {
        char *end;
        double v = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
        if (!(v >= 1 && v <= max) || v != floor(v))
            return false;
        out[(*n)++] = (int64_t) v;
        text = end;
        if (!*text)
            return true;
        if (*text != ',')
            return false;
    }
    return false;
}

/* ---- claims and completions ---- */

static void tell_load(const struct queue_args *a, const struct bench_queue_load *load, const struct bench_queue_result *r)
{
    double rate = (double) r->jobs / r->seconds, p50 = histogram_percentile_ms(&r->claim, 0.5),
           p99 = histogram_percentile_ms(&r->claim, 0.99);
    if (a->common.json) {
        json_t *j = json_object();
        field_int(j, "claimants", load->claimants);
        field_int(j, "group", load->group);
        field_int(j, "jobs", r->jobs);
        field_figure(j, "cycles_per_s", rate);
        field_figure(j, "claim_ms_p50", p50);
        field_figure(j, "claim_ms_p99", p99);
        json_emit("bench_queue_load", j);
        return;
    }
    printf("%9d  %12d  %12.0f  %13.3f  %13.3f\n", load->claimants, load->group, rate, p50, p99);
}

static enum cq_err measure_load(struct queue_args *a, int claimants, int group)
{
    const struct bench_queue_load load = {.claimants = claimants, .group = group};
    struct bench_queue_result r;
    struct bench_queue *b;
    double seconds;
    enum cq_err err = bench_queue_create(&a->common.log, &b);
    if (!err)
        err = bench_queue_submit(b, a->jobs, &seconds);
    if (!err)
        err = bench_queue_drain(b, &load, &r);
    if (!err)
        tell_load(a, &load, &r);
    bench_queue_destroy(&b);
    return err;
}

static enum cq_err measure_loads(struct queue_args *a)
{
    enum cq_err err = CQ_OK;
    if (!a->common.json)
        printf("claimants  jobs a claim  cycles a s    claim p50 ms   claim p99 ms\n");
    for (int i = 0; i < a->n_claimants && !err; i++) {
        err = measure_load(a, (int) a->claimant[i], a->group);
        if (!err && a->group > 1)
            err = measure_load(a, (int) a->claimant[i], 1);
    }
    return err;
}

/* ---- the curve ---- */

struct point {
    int64_t jobs;
    double submit_s, status_ms, report_ms;
    struct bench_queue_result drain;
};

static double ms_since(int64_t start_ns) { return (double) (cq_now_ns() - start_ns) / 1e6; }

/* As the commands do it: the database is opened anew. */
static enum cq_err look(struct queue_args *a, const char *path, struct point *p)
{
    struct store *s = NULL;
    struct store_counts counts;
    struct report r;
    int64_t start = cq_now_ns();
    enum cq_err err = store_open(&a->common.log, path, STORE_READ, &s);
    if (!err)
        err = store_get_counts(s, &counts);
    p->status_ms = ms_since(start);
    start = cq_now_ns();
    if (!err)
        err = report_gather(s, &r);
    if (!err)
        report_finish(&r);
    p->report_ms = ms_since(start);
    store_close(&s);
    return err;
}

static void tell_point(const struct queue_args *a, const struct point *p)
{
    double jobs = (double) p->jobs, submit = p->submit_s * 1e6 / jobs, claim = p->drain.claim_s * 1e6 / jobs,
           complete = p->drain.complete_s * 1e6 / jobs, commit = p->drain.commit_s * 1e6 / jobs;
    if (a->common.json) {
        json_t *j = json_object();
        field_int(j, "jobs", p->jobs);
        field_figure(j, "submit_us", submit);
        field_figure(j, "claim_us", claim);
        field_figure(j, "complete_us", complete);
        field_figure(j, "commit_us", commit);
        field_figure(j, "status_ms", p->status_ms);
        field_figure(j, "report_ms", p->report_ms);
        json_emit("bench_queue_size", j);
        return;
    }
    printf("%9lld  %9.1f  %8.1f  %11.1f  %9.1f  %9.2f  %9.2f\n", (long long) p->jobs, submit, claim, complete, commit,
           p->status_ms, p->report_ms);
}

static enum cq_err measure_size(struct queue_args *a, int64_t jobs)
{
    const struct bench_queue_load load = {.claimants = 1, .group = a->group};
    struct point p = {.jobs = jobs};
    struct bench_queue *b;
    enum cq_err err = bench_queue_create(&a->common.log, &b);
    if (!err)
        err = bench_queue_submit(b, jobs, &p.submit_s);
    if (!err)
        err = bench_queue_drain(b, &load, &p.drain);
    if (!err)
        err = look(a, bench_queue_path(b), &p);
    if (!err)
        tell_point(a, &p);
    bench_queue_destroy(&b);
    return err;
}

static enum cq_err measure_sizes(struct queue_args *a)
{
    enum cq_err err = CQ_OK;
    if (!a->common.json)
        printf("\n     jobs  submit us  claim us  complete us  commit us  status ms  report ms\n");
    for (int i = 0; i < a->n_sizes && !err; i++)
        err = measure_size(a, a->size[i]);
    return err;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct queue_args a = {0};
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "takes no arguments");
    if (!parse_list(a.claimants, BENCH_QUEUE_CLAIMANTS, a.claimant, &a.n_claimants))
        return common_usage(self, "--claimants: '%s' is no list of numbers from 1 to %d", a.claimants, BENCH_QUEUE_CLAIMANTS);
    if (!parse_list(a.sizes, 1e8, a.size, &a.n_sizes))
        return common_usage(self, "--sizes: '%s' is no list of numbers from 1 to 1e8", a.sizes);
    enum cq_err err = measure_loads(&a);
    if (!err)
        err = measure_sizes(&a);
    return err ? common_exit(err, true) : EXIT_FINE;
}

const struct command cmd_bench_queue = {
    .name = "bench queue",
    .usage = "[options]",
    .summary = "Measure how fast jobs are claimed and completed",
    .details =
        "Fills databases of its own under $TMPDIR with made-up jobs, and lets processes claim and complete them with the\n"
        "calls of `clipq work`, with nothing to decode between. First so many claimants at once, in groups and one by\n"
        "one, each ending what it had and claiming the next in one transaction; then queues of growing size, worked off\n"
        "by one claimant: microseconds for each job, and milliseconds for\n"
        "what `clipq status` and `clipq report` ask of the database then. CLIPQ_DURABLE=1 holds here, too.\n\n"
        "Exit codes: 0, 2 usage, 10 the database cannot be written there.",
    .run = run,
};
