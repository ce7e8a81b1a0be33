/* See engine_tune.h. */
#include "runner/engine_tune.h"

#include <signal.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "runner/engine_model.h"
#include "runner/fault.h"
#include "runner/tunings.h"
#include "runner/wire.h"
#include "stages/infer/choice.h"
#include "stages/infer/session.h"

/* Less than `clipq tune kernels` takes: a run waits for it. */
static const double budget_ms = 20;

struct telling {
    const struct engine_tune_params *p;
    int64_t told;
    bool changed;
    enum cq_err err;            /* the first */
};

static void take(void *ctx, const struct session_tuned *tuned)
{
    struct telling *t = ctx;
    struct msg_tuned m;
    char text[MSG_TEXT];
    if (t->err || !tunings_describe(tuned, text, &m))
        return;
    m.lane = t->p->lane;
    struct cq_buf body = {0};
    msg_put_tuned(&body, &m);
    t->err = wire_send(t->p->wire, MSG_TUNED, &body);
    cq_buf_finish(&body);
    if (!t->err)
        t->err = choices_add(t->p->choices, m.key, m.list[m.best].kernel);
    t->changed |= m.best != m.first;
    if (fault_at("killtuned", ++t->told))
        raise(SIGKILL);
}

enum cq_err engine_tune(const struct engine_tune_params *p, struct engine_model *m, bool *changed)
{
    struct telling t = {.p = p};
    enum cq_err err = engine_model_tune(m, (struct session_tuning) {
        .budget_ms = budget_ms, .limit_ms = p->limit_ms, .only_unknown = true, .tell = take, .ctx = &t,
    });
    *changed = t.changed;
    if (err && device_is_lost(p->dev))
        return err;
    if (err)
        cq_log_warn(p->log, "timing kernels ended early: %s; the rest are the usual ones", cq_err_text(err));
    return t.err;
}
