/* What the files of decode workers share: work_workers.c, and its parts for clips out, slots and deaths. */
#ifndef CLIPQ_RUNNER_WORK_WORKER_H
#define CLIPQ_RUNNER_WORK_WORKER_H

#include <uv.h>

#include "runner/balancer.h"
#include "runner/speed.h"
#include "runner/work_jobs.h"
#include "runner/work_state.h"

struct child_exit;

enum { WORKER_LOANS = 4 };      /* slots that a busy worker should have in hand */
enum { WORKERS_SPARED = 64 };   /* jobs that are remembered to have had their decoder killed once */

enum worker_state { WORKER_READY, WORKER_WAITING /* to be started again */, WORKER_OUT };

struct worker {
    struct work *w;
    struct child *child;        /* NULL while not READY */
    enum worker_state state;
    struct job *job;            /* that it decodes, or NULL */
    int64_t loans[WORKER_LOANS]; /* empty slots that it holds */
    int n_loans;
    int n_told;                 /* of them, those that it was told of */
    int64_t stalled_ns;
    int parsed;                 /* clips, by the present process */
    int64_t scanned;            /* packets, of a job that is scanned */
    bool came_up;               /* it was given a clip since it was started */
    bool hung;                  /* killed by the watchdog */
    bool dismissed;             /* killed because its job was given up */
    int deaths;                 /* in a row */
    struct speed speed;         /* in cost_of_clip() a second of decoding and scaling */
    int64_t restarts, clips, frames;
    int64_t last_frame_ms;      /* UTC; 0: never */
    double cpu_before_s, cpu_s; /* of those that died, as far as it was seen; of the present one */
    uv_timer_t restart;
};

struct work_workers {
    struct worker *list;
    int n, next;                /* next: where lending begins, so that nobody is always first */
    int64_t spared[WORKERS_SPARED]; /* jobs whose decoder the system has killed once */
    int n_spared;               /* so far; the newest are kept */
    int cpus;
    struct balancer balancer;
    struct balancer_target *targets;
};

/* ---- work_dispatch.c ---- */

void workers_begin_jobs(struct work *w);    /* as many as there are workers ready for one */

/* ---- work_blame.c ---- */

/* Its process is gone, with `e`: fails, spares or quarantines the job that it had, which it has no longer. */
void worker_blame_job(struct worker *wk, const struct child_exit *e);

/* ---- work_slots.c ---- */

/* The part of the arena that it writes; whoever comes in its place inherits it. */
int worker_part(const struct worker *wk);
/* Takes the slot that it calls `offset` off the loans; false when it was not on loan. */
bool worker_return_loan(struct worker *wk, int64_t offset, int64_t *slot);
void worker_take_loans_back(struct worker *wk);
/* As many as the engines can use, to whom has a clip. */
void work_slots_grant(struct work *w);

#endif
