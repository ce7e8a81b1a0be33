/* Limits and scores, as the database keeps them. Part of the store's interface (runner/store.h), and like it in threads
 * and errors.
 */
#ifndef CLIPQ_RUNNER_STORE_LIMITS_H
#define CLIPQ_RUNNER_STORE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/score.h"

struct store;

enum store_limit_kind { LIMIT_DECODE, LIMIT_INFER, LIMIT_KINDS };

/* See v_limits. All but the last three are its key. */
struct store_limit {
    enum store_limit_kind kind;
    char device[128], driver[64];
    int units;
    char subject[96], shape[160];
    int batch;
    double unit_s;
    bool measured;                    /* else observed in runs */
};
/* Of this host; takes the place of one with the same key. */
enum cq_err store_put_limit(struct store *s, const struct store_limit *l);
enum cq_err store_each_limit(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_limit *l), void *ctx);

/* Scores to be kept: took_s 0 says that there is none. */
struct store_score {
    struct score_inputs inputs;
    double losses[SCORE_REASON_COUNT];
};
enum cq_err store_put_run_score(struct store *s, int64_t run_id, const struct store_score *score);

struct store_score_row {
    bool kept;                        /* else there is nothing: it is under way, failed, or of an earlier version */
    double score;                     /* NAN: none */
    char reason[32];                  /* of what is missing, or why there is none */
    struct store_score parts;
};
enum cq_err store_get_run_score(struct store *s, int64_t run_id, struct store_score_row *out);
/* Of the accepted attempt. */
enum cq_err store_get_job_score(struct store *s, int64_t job_id, struct store_score_row *out);

#endif
