/* What is done next and by whom: clips to workers and batches to engines, through one small interface.
 *
 * A balancer is pure: it sees what waits, the targets as they are and its own state, and names a pair, or lets all
 * wait for a target that is better than those which are ready. The caller asks again whenever something has changed,
 * and a few times a second, until the answer is no. What targets have in hand and how fast they are is the caller's to
 * know (runner/speed.h); costs are predictions (runner/cost.h), and no balancer may rely on them being right.
 *
 * runner/balance_sim.h plays balancers against made-up loads.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BALANCER_H
#define CLIPQ_RUNNER_BALANCER_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"

/* One worker or engine, now. Costs are in any unit, the same for all of a call. */
struct balancer_target {
    bool ready;                 /* may be given work */
    double load;                /* predicted cost of what it has in hand, less what is done of it */
    double speed;               /* cost a second, measured or guessed; 0: out of service, nothing is expected of it */
};

/* What waits. */
struct balancer_work {
    const double *costs;        /* [n] predicted, in the queue's order; any of them may be taken next */
    int n;                      /* > 0 */
    double later;               /* predicted cost of all that comes after these, as far as it is known */
};

struct balancer_pair { int target, work; };

struct balancer_class {
    const char *name;           /* as --balance takes it */
    const char *help;           /* one line */
    size_t state_size;          /* bytes; given zeroed */

    /* A ready target and the work for it; false: nothing of it goes to anybody now. With work and no target busy, a
     * ready one with a speed always gets some. */
    bool (*pick)(void *state, const struct balancer_target *targets, int n, const struct balancer_work *work,
                 struct balancer_pair *out);
};

/* All balancers, in the order of BALANCER_CHOICES; ends with NULL. */
extern const struct balancer_class *const balancer_classes[];
const struct balancer_class *balancer_find(const char *name);   /* NULL when there is none */

#define BALANCER_CHOICES "adaptive|least-loaded|round-robin"    /* the first is the default */

struct balancer {
    const struct balancer_class *cls;
    void *state;                /* owned */
};

enum cq_err balancer_init(struct balancer *b, const struct balancer_class *cls);
void balancer_finish(struct balancer *b);
bool balancer_pick(struct balancer *b, const struct balancer_target *targets, int n, const struct balancer_work *work,
                   struct balancer_pair *out);

#endif
