/* What any file of the supervisor may tell of the whole run: that it cannot go on, and a word for whoever watches it. */
#include <stdio.h>

#include "runner/log_relay.h"
#include "runner/work_state.h"

void work_fail(struct work *w, enum cq_err err)
{
    if (!w->fatal)
        w->fatal = err;
    w->phase = WORK_STOPPED;
}

bool work_post_failed(struct work *w, enum cq_err err, const char *what)
{
    if (!err)
        return false;
    log_relay_deliver(w->store_log);    /* the reason first */
    if (!w->fatal)
        cq_log_error(w->log, "%s: %s: the run stops; what was done stays done", what, cq_err_text(err));
    work_fail(w, err);
    return true;
}

uint64_t work_backoff_ms(int doublings)
{
    enum { FIRST = 100, MOST = 10000, ENOUGH = 7 };
    return doublings < ENOUGH ? (uint64_t) FIRST << doublings : MOST;
}

void work_note(struct work *w, const char *note)
{
    snprintf(w->note, sizeof w->note, "%s", note);
}
