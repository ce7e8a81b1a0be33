/* What others do to the queue while we work: jobs of ours that were cancelled, or whose lease was taken over, are let go.
 *
 * Twice a second the writer's thread is asked whether we still hold what we hold; as long as nobody else has written to
 * the database, that is one statement. A decoder of such a job is killed in the middle of its clip, frames that an
 * engine has come back by themselves, and nothing more of them is written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runner/store_control.h"
#include "runner/work_private.h"

static const int64_t look_every_ns = 500000000;

struct work_control {
    int64_t looked_ns, version;
    bool out;                     /* a look is on its way */
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

static enum cq_err look(struct store *s, void *arg)
{
    struct look_post *p = arg;
    int64_t version;
    enum cq_err err = store_version_seen(s, &version);
    if (err || version == p->version)
        return err;
    p->version = version;
    for (int i = 0; i < p->n && !err; i++) {
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
    snprintf(p->owner, sizeof p->owner, "%s", w->owner);
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled)
            p->held[p->n++] = (struct held) {.id = j->claim.id, .attempt = j->claim.attempt};
    c->looked_ns = now;
    c->out = !writer_post(w->writer, &(struct writer_post) {look, looked, p});
    if (!c->out)
        free(p);
}
