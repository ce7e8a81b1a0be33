/* Each ready target in turn, whatever the work costs and however fast the target is. */
#include "runner/balancer.h"

extern const struct balancer_class balancer_round_robin;

struct round_robin {
    int next;                   /* where the search begins */
};

static bool pick(void *state, const struct balancer_target *targets, int n, const struct balancer_work *work,
                 struct balancer_pair *out)
{
    struct round_robin *r = state;
    (void) work;
    for (int i = 0; i < n; i++) {
        int at = (r->next + i) % n;
        if (targets[at].ready) {
            r->next = at + 1;
            *out = (struct balancer_pair) {.target = at};
            return true;
        }
    }
    return false;
}

const struct balancer_class balancer_round_robin = {
    .name = "round-robin",
    .help = "each in turn",
    .state_size = sizeof(struct round_robin),
    .pick = pick,
};
