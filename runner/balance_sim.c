/* A simulation by events: the next thing that happens is an end, or the clock's tick while something waits. */
#include "runner/balance_sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/balancer.h"
#include "runner/cost.h"
#include "runner/speed.h"
#include "stages/infer/noise.h"

enum { DEPTH_MAX = 2, WINDOW_MAX = 64 };
static const double tick_s = 0.25;      /* as the supervisor's */

const struct sim_load sim_loads[] = {
    {"clips", "200 clips of about one length, 8 workers", 8, {1, 1, 1, 1, 1, 1, 1, 1}, {0}, 1, 8, 200, 0.2, 0.3},
    {"clips-heavy", "300 clips, a few of them long, 8 workers", 8, {1, 1, 1, 1, 1, 1, 1, 1}, {0}, 1, 8, 300, 1.2, 0.3},
    {"clips-mixed", "200 clips of about one length, workers of speed 4, 2, 1, 1", 4, {4, 2, 1, 1}, {0}, 1, 4, 200, 0.2, 0.3},
    {"clips-both", "300 clips, a few of them long, workers of speed 4, 2, 1, 1", 4, {4, 2, 1, 1}, {0}, 1, 4, 300, 1.2, 0.3},
    {"batches", "100 batches, two engines alike", 2, {1, 1}, {0}, 2, 1, 100, 0, 0},
    {"batches-mixed", "100 batches, two engines, the second of a quarter's speed", 2, {4, 1}, {0}, 2, 1, 100, 0, 0},
    {"batches-few", "40 batches, two engines, the first of a tenth's speed", 2, {1, 10}, {0}, 2, 1, 40, 0, 0},
    {"batches-slowed", "200 batches, two engines, one falls to a quarter of its speed", 2, {1, 1}, {1, 0.25}, 2, 1, 200, 0, 0},
    {0},
};

struct sim_target {
    int held[DEPTH_MAX];        /* pieces, the one at work first */
    int n;
    double begun_s, end_s;      /* of the one at work */
    double last_end_s;
    struct speed speed;
};

struct sim {
    const struct sim_load *l;
    struct balancer balancer;
    double now_s;
    double costs[SIM_PIECES], predicted[SIM_PIECES];    /* in the queue's order */
    int next;                   /* the first that is not in the window */
    int window[WINDOW_MAX], n_window;
    double later;               /* predicted cost of what is behind the window */
    int done;
    struct sim_target targets[SIM_TARGETS];
    struct sim_result *out;
};

/* ---- loads ---- */

/* Box and Muller's, one of the two. */
static double normal(uint32_t *state)
{
    double u = (noise_next(state) + 1.0) / 4294967297.0, v = noise_next(state) / 4294967296.0;
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v);
}

/* The queue hands out the longer clips first, in classes, within one by age (runner/cost.h); batches come as they come. */
static void order_queue(struct sim *s)
{
    for (int i = 1; i < s->l->n_pieces && s->l->depth == 1 && !s->l->oldest_first; i++) {
        double cost = s->costs[i], predicted = s->predicted[i];
        int at = i;
        for (; at && cost_class(s->predicted[at - 1]) < cost_class(predicted); at--) {
            s->costs[at] = s->costs[at - 1];
            s->predicted[at] = s->predicted[at - 1];
        }
        s->costs[at] = cost;
        s->predicted[at] = predicted;
    }
}

static void make_pieces(struct sim *s, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (int i = 0; i < s->l->n_pieces; i++) {
        s->costs[i] = exp(s->l->sigma * normal(&state));
        s->predicted[i] = s->costs[i] * exp(s->l->error * normal(&state));
        s->later += s->predicted[i];
    }
    order_queue(s);
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x < y) - (x > y);
}

static double fastest(const struct sim_load *l, int i)
{
    return fmax(l->speeds[i], l->later_speeds[i]);
}

/* What no schedule can beat. Where speeds change, each third counts with its own. */
static double bound_of(const struct sim *s)
{
    const struct sim_load *l = s->l;
    double costs[SIM_PIECES], speeds[SIM_TARGETS], total = 0, all = 0, later = 0, cost = 0, speed = 0, bound;
    for (int i = 0; i < l->n_pieces; i++)
        total += costs[i] = s->costs[i];
    for (int i = 0; i < l->n_targets; i++) {
        speeds[i] = fastest(l, i);
        all += l->speeds[i];
        later += l->later_speeds[i] > 0 ? l->later_speeds[i] : l->speeds[i];
    }
    qsort(costs, (size_t) l->n_pieces, sizeof *costs, descending);
    qsort(speeds, (size_t) l->n_targets, sizeof *speeds, descending);
    bound = total / 3 / all + 2 * total / 3 / later;
    for (int i = 0; i < l->n_targets && i < l->n_pieces; i++) {
        cost += costs[i];
        speed += speeds[i];
        bound = fmax(bound, cost / speed);
    }
    return bound;
}

/* ---- giving ---- */

static double true_speed(const struct sim *s, int target)
{
    bool late = 3 * s->done >= s->l->n_pieces && s->l->later_speeds[target] > 0;
    return late ? s->l->later_speeds[target] : s->l->speeds[target];
}

static void begin(struct sim *s, int target)
{
    struct sim_target *t = &s->targets[target];
    t->begun_s = s->now_s;
    t->end_s = s->now_s + s->costs[t->held[0]] / true_speed(s, target);
}

static void look_ahead(struct sim *s)
{
    while (s->n_window < s->l->window && s->next < s->l->n_pieces) {
        s->later -= s->predicted[s->next];
        s->window[s->n_window++] = s->next++;
    }
}

static double best_known(const struct sim *s)
{
    double best = 0;
    for (int i = 0; i < s->l->n_targets; i++)
        best = fmax(best, speed_of(&s->targets[i].speed, 0));
    return best > 0 ? best : 1;
}

static void describe(const struct sim *s, struct balancer_target *out)
{
    double guess = best_known(s);
    for (int i = 0; i < s->l->n_targets; i++) {
        const struct sim_target *t = &s->targets[i];
        out[i] = (struct balancer_target) {.ready = t->n < s->l->depth, .speed = speed_of(&t->speed, guess)};
        for (int k = 0; k < t->n; k++)
            out[i].load += k ? s->predicted[t->held[k]]
                             : speed_left(s->predicted[t->held[k]], out[i].speed, s->now_s - t->begun_s);
    }
}

/* *given: it gave something. */
static enum cq_err give_one(struct sim *s, bool *given)
{
    struct balancer_target targets[SIM_TARGETS];
    double costs[WINDOW_MAX];
    struct balancer_pair p;
    look_ahead(s);
    describe(s, targets);
    for (int i = 0; i < s->n_window; i++)
        costs[i] = s->predicted[s->window[i]];
    const struct balancer_work work = {.costs = costs, .n = s->n_window, .later = fmax(s->later, 0)};
    *given = s->n_window && balancer_pick(&s->balancer, targets, s->l->n_targets, &work, &p);
    if (!*given)
        return CQ_OK;
    if (p.target < 0 || p.target >= s->l->n_targets || !targets[p.target].ready || p.work < 0 || p.work >= s->n_window)
        return CQ_INTERNAL;
    struct sim_target *t = &s->targets[p.target];
    t->held[t->n++] = s->window[p.work];
    memmove(s->window + p.work, s->window + p.work + 1, (size_t) (--s->n_window - p.work) * sizeof *s->window);
    if (t->n == 1)
        begin(s, p.target);
    return CQ_OK;
}

/* ---- time ---- */

static void end_piece(struct sim *s, int target)
{
    struct sim_target *t = &s->targets[target];
    speed_add(&t->speed, s->predicted[t->held[0]], s->now_s - t->begun_s);
    s->out->times[t->held[0]]++;
    s->out->pieces[target]++;
    s->done++;
    t->last_end_s = s->now_s;
    t->held[0] = t->held[1];
    if (--t->n)
        begin(s, target);
}

/* To the next end, or by a tick while something waits. */
static enum cq_err go_on(struct sim *s)
{
    int first = -1;
    for (int i = 0; i < s->l->n_targets; i++)
        if (s->targets[i].n && (first < 0 || s->targets[i].end_s < s->targets[first].end_s))
            first = i;
    if (first < 0)
        return CQ_INTERNAL;
    if (s->n_window && s->targets[first].end_s > s->now_s + tick_s) {
        s->now_s += tick_s;
        return CQ_OK;
    }
    s->now_s = s->targets[first].end_s;
    end_piece(s, first);
    return CQ_OK;
}

static enum cq_err play(struct sim *s)
{
    while (s->done < s->l->n_pieces) {
        bool given = true;
        while (given) {
            enum cq_err err = give_one(s, &given);
            if (err)
                return err;
        }
        enum cq_err err = go_on(s);
        if (err)
            return err;
    }
    return CQ_OK;
}

enum cq_err balance_sim(const struct balancer_class *cls, const struct sim_load *l, uint32_t seed, struct sim_result *out)
{
    struct sim *s = calloc(1, sizeof *s);
    *out = (struct sim_result) {0};
    if (!s)
        return CQ_NOMEM;
    s->l = l;
    s->out = out;
    enum cq_err err = balancer_init(&s->balancer, cls);
    if (!err) {
        make_pieces(s, seed);
        err = play(s);
    }
    double first = s->now_s;
    for (int i = 0; i < l->n_targets; i++)
        first = fmin(first, s->targets[i].last_end_s);
    out->makespan_s = s->now_s;
    out->spread_s = s->now_s - first;
    out->bound_s = bound_of(s);
    balancer_finish(&s->balancer);
    free(s);
    return err;
}
