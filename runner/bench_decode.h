/* Decoding alone, as `clipq work` does it: the same worker processes, clips to them and slots of shared memory on loan,
 * frames scaled into those. What an engine would do is left out: a filled slot is lent again at once.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BENCH_DECODE_H
#define CLIPQ_RUNNER_BENCH_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/bench_clips.h"
#include "runner/sandbox.h"
#include "stages/failure.h"
#include "stages/media/sample.h"

struct bench_decode;
struct card;
struct cq_log;
struct store_limit;

struct bench_decode_params {
    struct cq_log *log;               /* borrowed, as are the next two */
    const struct bench_clips *clips;  /* those that cannot be decoded are left out */
    const struct card *card;          /* of the model that frames are scaled for */
    struct sample_spec sample;
    int workers;                      /* >= 1 */
    int threads;                      /* of each one's decoder, 1..MSG_DECODER_THREADS */
    enum sandbox_mode sandbox;        /* of the workers */
};

/* What became of one clip. */
struct bench_decode_clip {
    enum failure failure;             /* as probed, or at the end */
    char message[256];
    int64_t decoded, sampled;         /* frames */
    double decode_s, scale_s;         /* in which its worker decoded, scaled */
    double cpu_s;                     /* what that computed */
    uint64_t chosen;                  /* hash of its frames' times: equal for equal frames */
};

/* What its limit is of (runner/limits.h). */
void bench_decode_key(const struct bench_decode_params *p, const struct bench_clip *c, struct store_limit *out);

int bench_decode_workers(int asked);  /* 0: as many as CPUs may be used */

/* Starts the workers. */
enum cq_err bench_decode_create(const struct bench_decode_params *params, struct bench_decode **out);
void bench_decode_destroy(struct bench_decode **b);

/* All clips once. `all`: as struct clip_params' decode_all. results: one for each clip. *wall_s: seconds from the
 * first clip's start to the last one's end. A clip that fails is no error. */
enum cq_err bench_decode_run(struct bench_decode *b, bool all, struct bench_decode_clip *results, double *wall_s);

#endif
