/* The clips to measure with: what the names lead to, probed in children as `clipq submit` does it.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BENCH_CLIPS_H
#define CLIPQ_RUNNER_BENCH_CLIPS_H

#include <stdint.h>

#include "kernels/base/err.h"
#include "stages/media/probe.h"

struct cq_log;

struct bench_clip {
    char *path;                   /* owned */
    struct probe probe;           /* .failure: it cannot be decoded */
};

struct bench_clips {
    struct bench_clip *list;      /* owned; by path */
    int n;
    int64_t missing;              /* names that led nowhere; logged */
};

/* Files, directories and patterns. `out` is to be finished on success only. */
enum cq_err bench_clips_find(struct cq_log *log, char *const *paths, int n_paths, struct bench_clips *out);
void bench_clips_finish(struct bench_clips *c);

#endif
