/* A model alone, as an engine runs it: uploads, kernels, read-backs, with the decoding of its answers left out.
 *
 * A model that takes one picture gets 8-bit frames of noise at its card's size, any other random tensors.
 *
 * Thread-safety: as the device, one thread at a time.
 */
#ifndef CLIPQ_RUNNER_BENCH_INFER_H
#define CLIPQ_RUNNER_BENCH_INFER_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"
#include "runner/bench_spread.h"
#include "stages/infer/session.h"

struct bench_infer;
struct choices;
struct cq_log;
struct device;

enum { BENCH_WARM_UPS = 2 };        /* runs before those that count: the first one compiles kernels */

struct bench_effort {
    int runs;                       /* at least as many, >= 1 */
    double seconds;                 /* and for at least as long */
};

struct bench_infer_figures {
    struct bench_spread ms;         /* per image */
    double flops;                   /* per image, counted for direct algorithms */
    struct session_memory memory;
    bool batchable;                 /* false: images run one by one */
    int host_ops;
};

struct bench_infer_params {
    const char *model;              /* a file, or builtin:scene */
    int width, height;              /* for a model that leaves its size open; 0: as for a clip of 1280x720 */
    size_t memory_limit;            /* bytes of device memory */
    int precision;                  /* as pipeline_flags.precision */
    const struct choices *choices;  /* as session_params.choices */
};

/* Errors: the model's and the session's, logged. */
enum cq_err bench_infer_create(struct cq_log *log, struct device *dev, const struct bench_infer_params *p,
                               struct bench_infer **out);
void bench_infer_destroy(struct bench_infer **b);

/* CQ_OOM when the batch does not fit the limit. Logged. */
enum cq_err bench_infer_run(struct bench_infer *b, int batch, const struct bench_effort *effort,
                            struct bench_infer_figures *out);

/* What its limit is of (runner/limits.h): the model's hash, and its input as work_lane.shape has it. False: it takes no
 * picture, so that no run can use it. The texts live as long as `b`. */
bool bench_infer_key(const struct bench_infer *b, const char **hash, const char **shape);

/* Where the time of the newest bench_infer_run goes: see session_profile. */
enum cq_err bench_infer_layers(struct bench_infer *b, int runs,
                               void (*step)(void *ctx, const struct session_step *step), void *ctx);

/* See session_tune. */
enum cq_err bench_infer_tune(struct bench_infer *b, int batch, double budget_ms,
                             void (*tell)(void *ctx, const struct session_tuned *tuned), void *ctx);

#endif
