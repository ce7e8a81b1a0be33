/* Slots on loan to decode workers.
 *
 * How many are out in all is bounded by what the engines can use at once and a few for each worker; that is the
 * back-pressure.
 */
#include "runner/work_worker.h"

#include <inttypes.h>
#include <stdio.h>

#include "runner/arena.h"
#include "runner/child.h"
#include "runner/work_engines.h"
#include "runner/work_workers.h"

enum { DECODERS_PER_CPU = 4 };  /* that may have slots at once, beside those that the engines wait for */

int worker_part(const struct worker *wk)
{
    return (int) (wk - wk->w->workers->list);
}

bool worker_return_loan(struct worker *wk, int64_t offset, int64_t *slot)
{
    for (int i = 0; i < wk->n_loans; i++) {
        if (arena_offset(wk->w->arena, wk->loans[i]) == offset) {
            *slot = wk->loans[i];
            wk->loans[i] = wk->loans[--wk->n_loans];
            wk->n_told = wk->n_loans;
            return true;
        }
    }
    return false;
}

void worker_take_loans_back(struct worker *wk)
{
    while (wk->n_loans)
        arena_give(wk->w->arena, wk->loans[--wk->n_loans]);
    wk->n_told = 0;
}

bool work_workers_starved(const struct work *w)
{
    for (int i = 0; i < w->workers->n; i++)
        if (w->workers->list[i].job && w->workers->list[i].n_loans)
            return false;
    return true;
}

static bool wants_slot(const struct worker *wk)
{
    return wk->job && !wk->job->scanning && wk->state == WORKER_READY && !wk->dismissed && wk->n_loans < WORKER_LOANS;
}

int work_workers_busy(const struct work *w)
{
    int n = 0;
    for (int i = 0; i < w->workers->n; i++)
        n += w->workers->list[i].job != NULL;
    return n;
}

static int slots_out(const struct work *w)
{
    int n = 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        n += j->frames_out;
    for (int i = 0; i < w->workers->n; i++)
        n += w->workers->list[i].n_loans;
    return n;
}

/* One slot more for the worker. CQ_AGAIN: the arena has no room now. */
static enum cq_err lend(struct worker *wk)
{
    int64_t slot;
    enum cq_err err = arena_take(wk->w->arena, worker_part(wk), wk->job->slot_bytes, &slot);
    if (err == CQ_INVALID) {
        char text[MSG_TEXT];
        snprintf(text, sizeof text, "one frame for its models takes %" PRId64 " MiB, the shared memory is %" PRId64 " MiB",
                 wk->job->slot_bytes >> 20, arena_bytes(wk->w->arena) >> 20);
        job_fail(wk->job, FAIL_OUT_OF_MEMORY, text);
        return CQ_OK;
    }
    if (!err)
        wk->loans[wk->n_loans++] = slot;
    return err;
}

static void send_grant(struct worker *wk)
{
    struct msg_grant m = {.serial = wk->job->serial, .n = wk->n_loans - wk->n_told};
    for (int i = 0; i < m.n; i++)
        m.offsets[i] = arena_offset(wk->w->arena, wk->loans[wk->n_told + i]);
    wk->n_told = wk->n_loans;
    struct cq_buf body = {0};
    msg_put_grant(&body, &m);
    if (child_send(wk->child, MSG_GRANT, &body) == CQ_NOMEM)
        work_fail(wk->w, CQ_NOMEM);
    cq_buf_finish(&body);
}

/* As many as the worker may have, as far as there is room; false when the arena has none. */
static bool lend_bunch(struct worker *wk, int *room)
{
    while (wants_slot(wk) && *room > 0) {
        if (lend(wk))
            return false;
        (*room)--;
    }
    return true;
}

/* Whole bunches, in turn: a decoder that fills several slots at once has its pictures in the caches, and when the
 * engines are the slower part no more decoders are awake than it takes. */
static void lend_slots(struct work *w, int room)
{
    struct work_workers *ws = w->workers;
    int begin = ws->next;
    for (int i = 0; i < ws->n && room > 0; i++) {
        struct worker *wk = &ws->list[(begin + i) % ws->n];
        if (!lend_bunch(wk, &room))
            return;
        if (!wants_slot(wk))
            ws->next = (begin + i + 1) % ws->n;
    }
}

/* What the engines can use, and bunches for more decoders than there are processors, for some wait for their disk. */
static int slots_wanted(const struct work *w)
{
    int busy = work_workers_busy(w), most = DECODERS_PER_CPU * w->workers->cpus;
    return work_engines_appetite(w) + WORKER_LOANS * (busy < most ? busy : most);
}

void work_slots_grant(struct work *w)
{
    struct work_workers *ws = w->workers;
    int room = slots_wanted(w) - slots_out(w);
    if (writer_full(w->writer) || room <= 0)
        return;
    lend_slots(w, room);
    for (int i = 0; i < ws->n; i++)
        if (ws->list[i].job && ws->list[i].n_loans > ws->list[i].n_told)
            send_grant(&ws->list[i]);
}
