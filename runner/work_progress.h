/* Telling how the run and its children fare: to whoever watches, and to the database. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_PROGRESS_H
#define CLIPQ_RUNNER_WORK_PROGRESS_H

#include <stdbool.h>

#include "kernels/base/err.h"

struct work;

/* ---- work_progress.c ---- */

enum cq_err work_progress_create(struct work *w);
void work_progress_destroy(struct work *w);
void work_progress_tell(struct work *w, bool last);
void work_progress_log(struct work *w);            /* SIGUSR1 */

/* ---- work_health.c ---- */

enum { WORK_CHILDREN = 272 /* 256 workers and 16 engines, the most there can be */ };
enum cq_err work_health_create(struct work *w);
void work_health_destroy(struct work *w);
void work_health_tell(struct work *w, bool last);  /* now and then */
double work_health_children_cpu_s(const struct work *w);   /* what all of them have computed, as told last */

#endif
