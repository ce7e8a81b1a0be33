/* Balancers against made-up loads, in no time: as the supervisor uses them, without its processes.
 *
 * Targets take what the balancer gives them, as many pieces at once as the real ones do, and learn their speeds from
 * what they have done; the balancer sees predicted costs, which err, and a window of the queue. The measure is how long
 * it takes until all is done, beside what no schedule can beat: the most of total work over total speed, and for each k the
 * k longest pieces over the k fastest targets.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_BALANCE_SIM_H
#define CLIPQ_RUNNER_BALANCE_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct balancer_class;

enum { SIM_TARGETS = 16, SIM_PIECES = 1000 };

/* A load; random ones differ by seed. */
struct sim_load {
    const char *name;
    const char *help;           /* one line */
    int n_targets;
    double speeds[SIM_TARGETS]; /* true ones; unknown to the balancer */
    double later_speeds[SIM_TARGETS];  /* from a third of the work on; 0: the same */
    int depth;                  /* pieces that a target holds at once: 1 for a worker, 2 for an engine */
    int window;                 /* pieces that are offered at once */
    int n_pieces;               /* at most SIM_PIECES */
    double sigma;               /* costs are exp(sigma x normal): 0 is all alike, 1.2 is heavy-tailed */
    double error;               /* predictions are the truth times exp(error x normal) */
    bool oldest_first;          /* clips in the order of their submission, whatever their lengths */
};

/* Those that the tests and `clipq bench balance` play; ends with a NULL name. */
extern const struct sim_load sim_loads[];

struct sim_result {
    double makespan_s, bound_s;
    double spread_s;            /* from the first target's last end to the last one's */
    int pieces[SIM_TARGETS];    /* done by each */
    int times[SIM_PIECES];      /* how often each piece was done */
};

/* CQ_INTERNAL: the balancer let everything wait for ever, or gave work to a target that was not ready. */
enum cq_err balance_sim(const struct balancer_class *cls, const struct sim_load *l, uint32_t seed, struct sim_result *out);

#endif
