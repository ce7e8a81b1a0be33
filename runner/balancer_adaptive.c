/* By predicted cost and measured speed: the longest work first, each to the target that is through with it first.
 *
 * All that is known of, spread over all targets by their speeds, would be done at some time: the goal. A target may
 * take whatever it ends before the goal, for then it holds nobody up. What would end later on every ready target
 * waits, if one that is busy now would still be through with it earlier, by a margin: predictions err. So a slow
 * target shares the stream as long as there is much of it, and does not keep the others waiting with the last piece;
 * meanwhile it gets what is short enough.
 *
 * Costs of one class are about equal, and of these the first in the queue goes first: to overtake it by what the
 * prediction's error decides wins nothing, and makes the last pieces' luck another than without a balancer.
 */
#include "runner/balancer.h"

#include "runner/cost.h"

extern const struct balancer_class balancer_adaptive;

static const double margin = 1.1;

static double end_of(const struct balancer_target *t, double cost)
{
    return (t->load + cost) / t->speed;
}

/* When all could be through with everything, if it could be cut at will. */
static double goal_of(const struct balancer_target *targets, int n, const struct balancer_work *work)
{
    double cost = work->later, speed = 0;
    for (int i = 0; i < work->n; i++)
        cost += work->costs[i];
    for (int i = 0; i < n; i++) {
        cost += targets[i].speed > 0 ? targets[i].load : 0;
        speed += targets[i].speed;
    }
    return speed > 0 ? cost / speed : 0;
}

/* The one of those (not) ready that is through with it first; -1: there is none. */
static int first_through(const struct balancer_target *targets, int n, bool ready, double cost)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (targets[i].ready == ready && targets[i].speed > 0 &&
            (best < 0 || end_of(&targets[i], cost) < end_of(&targets[best], cost)))
            best = i;
    return best;
}

static bool pick(void *state, const struct balancer_target *targets, int n, const struct balancer_work *work,
                 struct balancer_pair *out)
{
    double goal = goal_of(targets, n, work);
    int longest = -1;
    (void) state;
    for (int i = 0; i < work->n; i++) {
        double cost = work->costs[i];
        if (cost_class(cost) <= longest)
            continue;
        int here = first_through(targets, n, true, cost), busy = first_through(targets, n, false, cost);
        if (here < 0)
            return false;
        double end = end_of(&targets[here], cost);
        if (end > goal && busy >= 0 && end > margin * end_of(&targets[busy], cost))
            continue;
        *out = (struct balancer_pair) {.target = here, .work = i};
        longest = cost_class(cost);
    }
    return longest >= 0;
}

const struct balancer_class balancer_adaptive = {
    .name = "adaptive",
    .help = "the longest first, to the one that is through with it first, by predicted cost and measured speed",
    .pick = pick,
};
