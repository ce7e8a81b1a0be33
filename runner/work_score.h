/* What scores are made of, in the supervisor: whose the time is, what was necessary, what machine and engines can do.
 * Loop's thread only.
 */
#ifndef CLIPQ_RUNNER_WORK_SCORE_H
#define CLIPQ_RUNNER_WORK_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/share_clock.h"
#include "runner/store_limits.h"

struct batch;
struct engine;
struct job;
struct limit;
struct msg_end;
struct msg_result;
struct store;
struct work;

enum { JOB_NEEDS = 32 };        /* limits that a job's frames fall under: models times kinds of devices */

/* Of one job. */
struct job_score {
    struct share_holder share;
    struct { struct limit *limit; int64_t units; } needs[JOB_NEEDS];
    int n_needs;
    bool unknown;               /* there were more, or no memory for them */
    double small_s, full_s, cpu_s;   /* as in struct score_account */
    struct store_score kept;    /* of a completion */
};

enum cq_err work_score_create(struct work *w, struct store *s);    /* before the writer has the store */
void work_score_destroy(struct work *w);
void work_score_turn(struct work *w);              /* once before the loop sleeps: how things stand */
void work_score_look(struct work *w);              /* when it is known anew what the children have computed */

void job_score_come(struct job *j);                /* it is under way */
void job_score_go(struct job *j);                  /* it is not any more */
void job_score_decoded(struct job *j, const struct msg_end *m);
/* A batch is answered: for each of its frames that has an answer, and once for the engine. */
void job_score_frame(struct job *j, struct engine *e, int lane, const struct msg_result *m);
void engine_score_batch(struct engine *e, const struct batch *b, const struct msg_result *m);
/* What goes with its completion; job_score_accepted() when that counts. */
const struct store_score *job_score_complete(struct job *j);
void job_score_accepted(struct job *j);

/* Of the whole run. */
void work_score_run(struct work *w, struct store_score *out);
/* What it has seen of limits that is not in the database: *list, [*n], is the caller's to free. */
enum cq_err work_score_limits(struct work *w, struct store_limit **list, int *n);

#endif
