/* Each ready target in turn, whatever the work costs. */
#include "runner/balancer.h"

extern const struct balancer_class balancer_round_robin;

struct round_robin {
    int next;                   /* where the search begins */
};

static int pick(void *state, const struct balancer_target *targets, int n, double cost)
{
    struct round_robin *r = state;
    (void) cost;
    for (int i = 0; i < n; i++) {
        int at = (r->next + i) % n;
        if (targets[at].ready) {
            r->next = at + 1;
            return at;
        }
    }
    return -1;
}

const struct balancer_class balancer_round_robin = {
    .name = "round-robin",
    .help = "each in turn",
    .state_size = sizeof(struct round_robin),
    .pick = pick,
};
