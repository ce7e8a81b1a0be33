/* Decode workers: clips and slots out, frames in; and what they go by. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_WORKERS_H
#define CLIPQ_RUNNER_WORK_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct job;
struct store_worker;
struct work;
struct worker;

/* ---- work_workers.c ---- */

enum cq_err work_workers_create(struct work *w);
void work_workers_stop(struct work *w);
void work_workers_destroy(struct work *w);
void work_workers_turn(struct work *w);            /* starts jobs, grants slots */
void work_workers_tick(struct work *w, int64_t elapsed_ns);   /* the watchdog */
int work_workers_alive(const struct work *w);
int work_workers_health(struct work *w, struct store_worker *rows, int max);   /* how many */
void worker_forget_job(struct worker *wk);         /* kills it in the middle of its clip */

/* ---- work_slots.c ---- */

bool work_workers_starved(const struct work *w);   /* nobody has a slot to fill */
int work_workers_busy(const struct work *w);       /* with a clip */

/* ---- work_ahead.c ---- */

double work_ahead_cost(const struct work *w);      /* of clips in the queue that we do not hold (runner/cost.h) */
double work_ahead_frames(const struct work *w);    /* that no decoder has brought yet */

/* ---- work_threads.c ---- */

int work_threads_for(const struct work *w, const struct job *j);   /* when it is begun on a decode worker */

#endif
