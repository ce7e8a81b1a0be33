/* What was measured of kernels, out of the database at the start of a run, for engines, which do not see it. */
#include <stdlib.h>

#include "runner/child.h"
#include "runner/tunings.h"
#include "runner/work_private.h"

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

void work_tunings_send(struct engine *e, const char *device, const char *driver)
{
    const struct tunings *t = e->w->tunings;
    struct msg_choices m = {.n = 0};
    for (int i = 0; i < t->n; i++) {
        if (!tunings_is_for(&t->rows[i], device, driver))
            continue;
        m.list[m.n++] = (struct msg_choice){t->rows[i].key, t->rows[i].variant};
        if (m.n == MSG_CHOICES_MAX)
            flush(e, &m);
    }
    flush(e, &m);
}
