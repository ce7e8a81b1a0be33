/* The registry of balancers, and an instance's life. */
#include "runner/balancer.h"

#include <stdlib.h>
#include <string.h>

extern const struct balancer_class balancer_adaptive, balancer_least_loaded, balancer_round_robin;

const struct balancer_class *const balancer_classes[] = {
    &balancer_adaptive,
    &balancer_least_loaded,
    &balancer_round_robin,
    NULL,
};

const struct balancer_class *balancer_find(const char *name)
{
    for (int i = 0; balancer_classes[i]; i++)
        if (!strcmp(balancer_classes[i]->name, name))
            return balancer_classes[i];
    return NULL;
}

enum cq_err balancer_init(struct balancer *b, const struct balancer_class *cls)
{
    /* One byte more, for calloc() may give NULL for none. */
    *b = (struct balancer) {.cls = cls, .state = calloc(1, cls->state_size + 1)};
    return b->state ? CQ_OK : CQ_NOMEM;
}

void balancer_finish(struct balancer *b)
{
    free(b->state);
    *b = (struct balancer) {0};
}

bool balancer_pick(struct balancer *b, const struct balancer_target *targets, int n, const struct balancer_work *work,
                   struct balancer_pair *out)
{
    return b->cls->pick(b->state, targets, n, work, out);
}
