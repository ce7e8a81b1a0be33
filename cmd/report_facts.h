/* What the report says, as numbers: gathered from the store once, then printed as text or JSON.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_CMD_REPORT_FACTS_H
#define CLIPQ_CMD_REPORT_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/err.h"
#include "runner/store.h"
#include "runner/store_jobs.h"

enum { REPORT_RUNS = 100, REPORT_MODELS = 64, REPORT_ENGINES = 16 };

/* Things that work at the same time as each other; the busiest one limits the whole. The processors are what the others
 * share: when they are full, nothing else limits. */
enum resource { RESOURCE_DECODE, RESOURCE_INFER, RESOURCE_PROCESSORS, RESOURCE_COUNT };

struct load {
    const char *name;          /* "decoding" */
    double busy_s;             /* summed over its workers */
    double capacity_s;         /* what they could have been busy: time after preparing, times their number */
    double share;              /* busy/capacity, 0..1 */
};

/* Below it, nothing is a bottleneck: the run waited for something else. */
#define BUSY_SHARE 0.5
/* From it on, the processors are. */
#define FULL_SHARE 0.85

struct report {
    struct store_counts counts;
    struct store_segment_sums segments;
    struct store_cache_use cache;
    bool adds_up;              /* submitted is the sum of the states */
    struct store_failure_class *classes;   /* owned */
    int n_classes;
    struct histogram stages[METRIC_COUNT];
    struct store_run_row runs[REPORT_RUNS];
    int n_runs;
    struct store_model_row models[REPORT_MODELS];
    int n_models;
    struct store_engine engines[REPORT_ENGINES];   /* of report_last_run() */
    int n_engines;
    struct store_score_row score;                  /* that too */

    /* Over the runs that have ended. */
    double wall_s, media_s, prepare_s;
    int64_t inferred, sampled, decoded, batches, halvings, worker_restarts, engine_restarts;
    double frames_per_s, times_real_time, mean_batch;
    double decode_cpu_s, engine_cpu_s, own_cpu_s;    /* of the processors' busy time */
    struct load loads[RESOURCE_COUNT];
    int busiest;               /* a resource, or -1 when there is nothing to judge by */
};

enum cq_err report_gather(struct store *s, struct report *out);
void report_finish(struct report *r);
/* The newest ended run that settled a clip, else the newest; NULL when there is none. */
const struct store_run_row *report_last_run(const struct report *r);
/* What limits the whole; NULL when neither step was busy for BUSY_SHARE of its time, nor the processors full. */
const struct load *report_bottleneck(const struct report *r);

/* Calls `say` with one line of advice after the other; each follows from a number in `r`, which it names. */
void report_advise(const struct report *r, void (*say)(void *ctx, const char *text), void *ctx);

/* As JSON lines on standard output. */
void report_print_json(const struct report *r);

#endif
