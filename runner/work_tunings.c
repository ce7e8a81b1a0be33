/* What was measured of kernels: out of the database at the start of a run, for engines, which do not see it, and into
 * it when an engine times the kernels of a model that nobody has timed.
 *
 * That takes seconds and may bring a few hundredths of the run, so by itself it is done only before a long run. An
 * engine that died while it loaded a model does without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/buf.h"
#include "runner/child.h"
#include "runner/messages_engine.h"
#include "runner/tunings.h"
#include "runner/work_engines.h"
#include "runner/work_queue.h"

enum cq_err work_tunings_create(struct work *w, struct store *s)
{
    w->tunings = calloc(1, sizeof *w->tunings);
    return w->tunings ? tunings_read(s, w->tunings) : CQ_NOMEM;
}

void work_tunings_destroy(struct work *w)
{
    if (w->tunings)
        tunings_finish(w->tunings);
    free(w->tunings);
    w->tunings = NULL;
}

static void flush(struct engine *e, struct msg_choices *m)
{
    struct cq_buf body = {0};
    if (!m->n)
        return;
    msg_put_choices(&body, m);
    child_send(e->child, MSG_CHOICES, &body);    /* an error is followed by on_exit */
    cq_buf_finish(&body);
    m->n = 0;
}

void work_tunings_send(struct engine *e)
{
    const struct tunings *t = e->w->tunings;
    struct msg_choices m = {.n = 0};
    for (int i = 0; i < t->n; i++) {
        if (!tunings_is_for(&t->rows[i], e->name, e->driver))
            continue;
        m.list[m.n++] = (struct msg_choice){t->rows[i].key, t->rows[i].variant};
        if (m.n == MSG_CHOICES_MAX)
            flush(e, &m);
    }
    flush(e, &m);
}

/* ---- timing within a run ---- */

enum { TUNE_MOST_MS = 20000 };                     /* of one engine in a run */
static const double long_s = 3600, ms_per_s = 5000.0 / 3600;   /* of video in the queue: from here on, and how much */

static int allowance(const struct work *w)
{
    if (w->p.tune != TUNE_AUTO)
        return w->p.tune == TUNE_ALWAYS ? TUNE_MOST_MS : 0;
    double left = work_counts(w)->media_s_left, ms = left * ms_per_s;
    return left < long_s ? 0 : ms < TUNE_MOST_MS ? (int) ms : TUNE_MOST_MS;
}

void work_tunings_allow(struct engine *e, int lane, int sharers)
{
    struct engine_lane *l = &e->lanes[lane];
    int left = allowance(e->w) - e->tune_ms;
    l->tuned = 0;
    l->tune_ms = left > 0 && !l->deaths ? left / sharers : 0;
    e->tune_ms += l->tune_ms;
}

void work_tunings_loaded(struct engine *e, int lane)
{
    struct engine_lane *l = &e->lanes[lane];
    if (l->tuned)
        cq_log_info(e->w->log, "%s: %d operators timed on %s", work_lane(e->w, lane)->name, l->tuned, e->name);
    else
        e->tune_ms -= l->tune_ms;
    l->tune_ms = 0;
}

/* A message on its way into the database. */
struct tuning_post {
    struct work *w;
    char device[128], driver[64];
    size_t size;
    uint8_t body[];
};

static enum cq_err put_tuning(struct store *s, void *arg)
{
    const struct tuning_post *p = arg;
    struct cq_rd r = cq_rd_of(p->body, p->size);
    struct msg_tuned m;
    enum cq_err err = msg_get_tuned(&r, &m);
    return err ? err : tunings_put(s, p->device, p->driver, &m);
}

static void tuning_put(void *arg, enum cq_err err)
{
    struct tuning_post *p = arg;
    work_post_failed(p->w, err, "keeping what kernels take");
    free(p);
}

static enum cq_err post(struct engine *e, const struct cq_rd *body)
{
    struct tuning_post *p = malloc(sizeof *p + body->size);
    if (!p)
        return CQ_NOMEM;
    *p = (struct tuning_post) {.w = e->w, .size = body->size};
    memcpy(p->device, e->name, sizeof p->device);
    memcpy(p->driver, e->driver, sizeof p->driver);
    memcpy(p->body, body->data, body->size);
    enum cq_err err = writer_post(e->w->writer, &(struct writer_post) {put_tuning, tuning_put, p});
    if (err)
        free(p);
    return err;
}

/* For the engine's successor, should it die. */
static enum cq_err remember(struct engine *e, const struct msg_tuned *m)
{
    struct store_tuning_row row;
    snprintf(row.device, sizeof row.device, "%s", e->name);
    snprintf(row.driver, sizeof row.driver, "%s", e->driver);
    snprintf(row.key, sizeof row.key, "%s", m->key);
    snprintf(row.variant, sizeof row.variant, "%s", m->list[m->best].kernel);
    return tunings_add(e->w->tunings, &row);
}

enum cq_err engine_take_tuning(struct engine *e, struct cq_rd *body)
{
    struct cq_rd whole = *body;
    struct msg_tuned m;
    if (msg_get_tuned(body, &m) || (int) m.lane >= work_lanes(e->w) || !e->lanes[m.lane].tune_ms)
        return CQ_PROTOCOL;
    struct engine_lane *l = &e->lanes[m.lane];
    if (!l->tuned++)
        cq_log_warn(e->w->log, "%s: its kernels are timed on %s before it runs, for up to %.3g s (--tune)",
                    work_lane(e->w, (int) m.lane)->name, e->name, l->tune_ms / 1e3);
    enum cq_err err = remember(e, &m);
    return err ? err : post(e, &whole);
}
