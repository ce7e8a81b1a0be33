/* What others do to the queue while we work: jobs of ours that were cancelled, or whose lease was taken over, are let go;
 * while the queue is paused, or we are told by SIGTSTP to hold back, nothing is claimed and what was not begun is given
 * back.
 *
 * Twice a second the writer's thread is asked whether we still hold what we hold; as long as nobody else has written to
 * the database, that is one statement. A decoder of such a job is killed in the middle of its clip, frames that an
 * engine has come back by themselves, and nothing more of them is written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "runner/store_control.h"
#include "runner/work_jobs.h"
#include "runner/work_queue.h"

static const int64_t look_every_ns = 500000000;

struct work_control {
    int64_t looked_ns, version;
    bool out;                     /* a look is on its way */
    bool held_back;               /* by SIGTSTP */
    struct store_pause pause;     /* as of the newest look or claim */
};

struct held {
    int64_t id;
    int attempt;
    bool lost;
};

struct look_post {
    struct work *w;
    char owner[256];
    int64_t version;
    bool waits;                   /* nothing is claimed, which would tell how the queue is */
    struct store_pause pause;
    struct store_counts counts;
    int n;
    struct held held[];
};

enum cq_err work_control_create(struct work *w)
{
    w->control = calloc(1, sizeof *w->control);
    return w->control ? CQ_OK : CQ_NOMEM;
}

void work_control_destroy(struct work *w)
{
    free(w->control);
    w->control = NULL;
}

/* ---- pausing ---- */

bool work_may_claim(const struct work *w)
{
    return !w->control->held_back && !w->control->pause.since_ms;
}

static void tell(struct work *w)
{
    const struct work_control *c = w->control;
    if (w->phase != WORK_RUNNING)
        return;
    char note[320] = "", at[CQ_RFC3339_SIZE];
    if (c->pause.since_ms)
        snprintf(note, sizeof note, "paused since %s by %s; `clipq resume` lets it go on", cq_rfc3339(c->pause.since_ms, at),
                 c->pause.by);
    else if (c->held_back)
        snprintf(note, sizeof note, "held back by a signal; `kill -CONT %d` lets it go on", (int) getpid());
    cq_log_warn(w->log, "%s", note[0] ? note : "clips are begun again");
    work_note(w, note);
}

/* After `may` have we claimed. */
static void turn(struct work *w, bool may)
{
    if (work_may_claim(w) == may)
        return;
    if (may)
        work_jobs_release_waiting(w);
    work_queue_look_again(w);
    tell(w);
}

void work_control_pause(struct work *w, const struct store_pause *pause)
{
    bool may = work_may_claim(w);
    w->control->pause = *pause;
    turn(w, may);
}

void work_control_hold(struct work *w, bool back)
{
    bool may = work_may_claim(w);
    w->control->held_back = back;
    turn(w, may);
}

/* ---- looking ---- */

static enum cq_err look(struct store *s, void *arg)
{
    struct look_post *p = arg;
    int64_t version;
    enum cq_err err = store_version_seen(s, &version);
    bool changed = version != p->version;
    p->version = version;
    if (!err && (changed || p->waits))
        err = store_get_pause(s, &p->pause);
    if (!err && p->waits)
        err = store_get_counts(s, &p->counts);
    for (int i = 0; i < p->n && changed && !err; i++) {
        bool held;
        err = store_is_held(s, p->owner, p->held[i].id, p->held[i].attempt, &held);
        p->held[i].lost = !err && !held;
    }
    return err;
}

/* One that ended while the look was out has no lease either, and is gone or settled by now. */
static void let_go(struct work *w, const struct held *h)
{
    for (struct job *j = work_jobs_first(w), *next; j; j = next) {
        next = j->next;
        if (j->claim.id == h->id && j->claim.attempt == h->attempt)
            job_drop(j);
    }
}

static void looked(void *arg, enum cq_err err)
{
    struct look_post *p = arg;
    struct work *w = p->w;
    w->control->out = false;
    if (!work_post_failed(w, err, "looking for cancelled jobs")) {
        w->control->version = p->version;
        work_control_pause(w, &p->pause);
        if (p->waits && !work_may_claim(w))
            work_queue_is(w, &p->counts);
        for (int i = 0; i < p->n; i++)
            if (p->held[i].lost)
                let_go(w, &p->held[i]);
    }
    free(p);
}

void work_control_tick(struct work *w)
{
    struct work_control *c = w->control;
    int64_t now = cq_now_ns();
    if (c->out || now - c->looked_ns < look_every_ns || w->phase == WORK_STOPPED)
        return;
    struct look_post *p = calloc(1, sizeof *p + (size_t) work_jobs_active(w) * sizeof *p->held);
    if (!p)
        return;                   /* the next look is in time, too */
    p->w = w;
    p->version = c->version;
    p->pause = c->pause;
    p->waits = !work_may_claim(w);
    snprintf(p->owner, sizeof p->owner, "%s", w->owner);
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled)
            p->held[p->n++] = (struct held) {.id = j->claim.id, .attempt = j->claim.attempt};
    c->looked_ns = now;
    c->out = !writer_post(w->writer, &(struct writer_post) {look, looked, p});
    if (!c->out)
        free(p);
}
