/* The queue as the run sees it: what is known of it, claiming, and what others do to it. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_QUEUE_H
#define CLIPQ_RUNNER_WORK_QUEUE_H

#include <stdbool.h>

#include "kernels/base/err.h"
#include "runner/work_state.h"

struct store_pause;
struct store;

/* ---- work_queue.c ---- */

bool work_queue_is_empty(const struct work *w);    /* as of the newest claim */
bool work_queue_rests(const struct work *w);       /* that claim found none that may be begun now */
void work_queue_look_again(struct work *w);
void work_queue_is(struct work *w, const struct store_counts *counts);   /* seen otherwise than by a claim */
const struct store_counts *work_counts(const struct work *w);

/* ---- work_claim.c ---- */

/* Before the writer has the store: registers the run, takes back what dead processes of this machine held. */
enum cq_err work_claims_create(struct work *w, struct store *s);
void work_claims_destroy(struct work *w);
void work_claim(struct work *w);                   /* when there is need */
void work_heartbeat(struct work *w);
void work_match(struct work *w);                   /* compares signatures; WORK_STOPPED follows */

/* ---- work_control.c ---- */

enum cq_err work_control_create(struct work *w);
void work_control_destroy(struct work *w);
void work_control_tick(struct work *w);            /* looks for what others did to the queue */
bool work_may_claim(const struct work *w);         /* neither paused nor held back */
void work_control_pause(struct work *w, const struct store_pause *pause);   /* as a claim has found it */
void work_control_hold(struct work *w, bool back); /* SIGTSTP, SIGCONT */

#endif
