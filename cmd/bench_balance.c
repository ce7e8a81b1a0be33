/* clipq bench balance: how near each way to divide work comes to the best that could be. */
#include "cmd/bench.h"
#include "runner/balance_sim.h"
#include "runner/balancer.h"

struct balance_args {
    int seeds;
    bool oldest_first;
    struct common common;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct balance_args, seeds, .name = "seeds", .value = "N", .def = 50, .min = 1, .max = 100000,
           .help = "play each load with so many sets of random costs"),
    CQ_OPT(struct balance_args, oldest_first, .name = "oldest-first",
           .help = "with clips in the order of their submission, not the\nlong ones first"),
    {0},
};

/* Over all seeds. */
struct summary {
    double over_mean, over_worst;   /* makespan over the bound, less 1 */
    double spread;                  /* of the makespan, mean */
    double behind;                  /* worst makespan over round-robin's, less 1 */
    int n;
};

static void add(struct summary *s, const struct sim_result *r, const struct sim_result *turn)
{
    double over = r->makespan_s / r->bound_s - 1, behind = r->makespan_s / turn->makespan_s - 1;
    s->over_worst = s->n && s->over_worst > over ? s->over_worst : over;
    s->behind = s->n && s->behind > behind ? s->behind : behind;
    s->over_mean += over;
    s->spread += r->spread_s / r->makespan_s;
    s->n++;
}

static enum cq_err play(const struct balance_args *a, const struct balancer_class *cls, const struct sim_load *l, struct summary *out)
{
    const struct balancer_class *round_robin = balancer_find("round-robin");
    *out = (struct summary) {0};
    for (int seed = 1; seed <= a->seeds; seed++) {
        static struct sim_result r, turn;       /* large */
        enum cq_err err = balance_sim(cls, l, (uint32_t) seed, &r);
        if (!err)
            err = balance_sim(round_robin, l, (uint32_t) seed, &turn);
        if (err)
            return err;
        add(out, &r, &turn);
    }
    out->over_mean /= out->n;
    out->spread /= out->n;
    return CQ_OK;
}

static void tell(const struct balance_args *a, const struct balancer_class *cls, const struct sim_load *l, const struct summary *s)
{
    if (!a->common.json) {
        printf("%-15s %-13s %10.1f %% %7.1f %% %7.1f %% %11.1f %%\n", l->name, cls->name, 100 * s->over_mean,
               100 * s->over_worst, 100 * s->spread, 100 * s->behind);
        return;
    }
    json_t *j = json_object();
    field_text(j, "load", l->name);
    field_text(j, "description", l->help);
    field_bool(j, "oldest_first", l->oldest_first);
    field_text(j, "balancer", cls->name);
    field_int(j, "seeds", s->n);
    field_figure(j, "over_bound_mean", s->over_mean);
    field_figure(j, "over_bound_worst", s->over_worst);
    field_figure(j, "spread", s->spread);
    field_figure(j, "behind_round_robin_worst", s->behind);
    json_emit("bench_balance", j);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct balance_args a = {0};
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': bench balance takes no names", argv[0]);
    if (!a.common.json)
        printf("%-15s %-13s %12s %9s %9s %13s\n", "load", "balancer", "over bound", "worst", "spread", "round-robin");
    for (int i = 0; sim_loads[i].name; i++) {
        struct sim_load l = sim_loads[i];
        l.oldest_first = a.oldest_first;
        for (int c = 0; balancer_classes[c]; c++) {
            struct summary s;
            enum cq_err err = play(&a, balancer_classes[c], &l, &s);
            if (err) {
                cq_log_error(&a.common.log, "%s, %s: %s", l.name, balancer_classes[c]->name, cq_err_text(err));
                return common_exit(err, false);
            }
            tell(&a, balancer_classes[c], &l, &s);
        }
    }
    return EXIT_FINE;
}

const struct command cmd_bench_balance = {
    .name = "bench balance",
    .usage = "[options]",
    .summary = "Play the ways to divide work against made-up loads",
    .details =
        "A simulation, which needs no device: clips to workers and batches to engines, some of them faster than others,\n"
        "by each balancer that `clipq work --balance` knows. Speeds are learned on the way and predictions of what a clip\n"
        "costs err by 30 percent, as they do in a run. Printed in percent: by how much more time it takes than the bound\n"
        "that no schedule can beat (on average, and with the worst set of costs), how long before the end the first\n"
        "target ran out of work, and the worst time beside round-robin's. With --json lines bench_balance, also with a\n"
        "description of each load.\n\n"
        "Exit codes: 0, 1 something could not be measured, 2 usage.",
    .run = run,
};
