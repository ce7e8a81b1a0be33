/* Who gets the next piece of work: clips to workers and batches to engines, through one small interface.
 *
 * A balancer is pure: it sees the targets as they are and its own state, and says an index. The caller asks
 * whenever it has work and somebody could take it.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BALANCER_H
#define CLIPQ_RUNNER_BALANCER_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"

/* One worker or engine, now. */
struct balancer_target {
    bool ready;                 /* may be given work */
    double load;                /* predicted cost of what it has in hand, in the unit of `cost` */
};

struct balancer_class {
    const char *name;           /* as --balance takes it */
    const char *help;           /* one line */
    size_t state_size;          /* bytes; given zeroed */

    /* The index of a ready target for work of predicted `cost`; -1 when none is ready. */
    int (*pick)(void *state, const struct balancer_target *targets, int n, double cost);
};

/* All balancers; ends with NULL. */
extern const struct balancer_class *const balancer_classes[];
const struct balancer_class *balancer_find(const char *name);   /* NULL when there is none */

struct balancer {
    const struct balancer_class *cls;
    void *state;                /* owned */
};

enum cq_err balancer_init(struct balancer *b, const struct balancer_class *cls);
void balancer_finish(struct balancer *b);
int balancer_pick(struct balancer *b, const struct balancer_target *targets, int n, double cost);

#endif
