/* The ready target that has least in hand, by predicted cost; of equal ones the first. How fast it is does not count. */
#include "runner/balancer.h"

extern const struct balancer_class balancer_least_loaded;

static bool pick(void *state, const struct balancer_target *targets, int n, const struct balancer_work *work,
                 struct balancer_pair *out)
{
    int best = -1;
    (void) state;
    (void) work;
    for (int i = 0; i < n; i++)
        if (targets[i].ready && (best < 0 || targets[i].load < targets[best].load))
            best = i;
    if (best >= 0)
        *out = (struct balancer_pair) {.target = best};
    return best >= 0;
}

const struct balancer_class balancer_least_loaded = {
    .name = "least-loaded",
    .help = "to the one that has least in hand",
    .pick = pick,
};
