/* The main job beside its two halves: decoding alone, inference alone, and `clipq work` itself on a queue in a database
 * that is made for it and removed afterwards.
 *
 * Thread-safety: one thread at a time; owns the process's signals while it runs, as work_run() does.
 */
#ifndef CLIPQ_RUNNER_BENCH_E2E_H
#define CLIPQ_RUNNER_BENCH_E2E_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/bench_clips.h"
#include "runner/work.h"
#include "stages/media/sample.h"

struct bench_e2e;
struct cq_log;
struct device;

struct bench_e2e_params {
    struct cq_log *log;           /* borrowed, as are all pointers */
    char *const *paths;           /* clips: files, directories, patterns */
    int n_paths;
    const char *model;            /* a file or builtin name */
    int width, height;            /* for a model that leaves its size open; 0: a default */
    struct sample_spec sample;
    const char *device;           /* spec of `dev`, for the run's own engine */
    struct device *dev;           /* for inference alone */
    int workers, batch;           /* >= 1 */
    int64_t memory_limit;         /* as in struct work_params */
};

/* One round. */
struct bench_e2e_round {
    double decode_rate;           /* frames a second, decoded and scaled alone */
    double infer_rate;            /* inferred alone */
    int64_t frames, batches;      /* of the whole run */
    double whole_s, prepare_s;    /* of it; prepare: starting the engine and loading the model */
    double decode_s, infer_s;     /* in which its workers, its engine were at work */
    double cpu_s, own_cpu_s;      /* processor time of all its processes, of the supervisor */
    struct work_result result;
};

/* Errors: the model's, the device's; CQ_NOT_FOUND without a clip that decodes. Logged. */
enum cq_err bench_e2e_create(const struct bench_e2e_params *params, struct bench_e2e **out);
void bench_e2e_destroy(struct bench_e2e **b);

const struct bench_clips *bench_e2e_clips(const struct bench_e2e *b);

/* Decoding, inference, the whole, one after the other. CQ_CANCELLED when a signal ended it. */
enum cq_err bench_e2e_round(struct bench_e2e *b, struct bench_e2e_round *out);

#endif
