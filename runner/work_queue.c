/* What is known of the queue without asking the database. */
#include "runner/work_queue.h"

bool work_queue_is_empty(const struct work *w)
{
    const struct work_queue *q = &w->queue;
    return !q->claiming && q->counts.pending == 0 && (q->empty || !q->looked_ns);
}

bool work_queue_rests(const struct work *w)
{
    return !w->queue.claiming && w->queue.empty;
}

void work_queue_look_again(struct work *w)
{
    w->queue.empty = false;
    w->queue.counts.pending++;    /* at least what was just put back; the next claim counts anew */
}

void work_queue_is(struct work *w, const struct store_counts *counts)
{
    w->queue.counts = *counts;
    w->queue.empty = true;        /* nothing that we may begin */
}

const struct store_counts *work_counts(const struct work *w)
{
    return &w->queue.counts;
}
