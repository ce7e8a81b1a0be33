/* Tuning all operators of a plan, each kind of them once. */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "stages/infer/session_impl.h"
#include "stages/infer/tune.h"

/* How many steps from `i` on are the same operator; 0 when an earlier one is. */
static int uses_of(const struct plan *p, const char (*keys)[CHOICE_KEY], int i)
{
    int uses = 0;
    for (int k = 0; k < p->n_steps; k++) {
        bool same = !strcmp(keys[i], keys[k]);
        if (same && k < i)
            return 0;
        uses += same;
    }
    return uses;
}

static enum cq_err tune_step(struct session *s, const struct session_tuning *t, const struct plan_step *ps, int uses)
{
    struct tune_result r;
    if (t->only_unknown && choices_find(s->choices, s->dev, ps->inst))
        return CQ_OK;
    enum cq_err err = tune_operator(s->log, s->dev, ps->inst, t->budget_ms, &r);
    if (err || r.n < 2)
        return err;
    struct session_tuned tuned = {
        .op = op_kind_name(ps->step->op.kind), .node = ps->step->name, .out = ps->inst->out[0], .uses = uses,
        .in = ps->inst->n_in ? ps->inst->in[0] : (struct tensor_desc){0}, .result = &r,
    };
    t->tell(t->ctx, &tuned);
    return CQ_OK;
}

static bool is_over(const struct session_tuning *t, int64_t start)
{
    return t->limit_ms > 0 && (double) (cq_now_ns() - start) / 1e6 >= t->limit_ms;
}

enum cq_err session_tune(struct session *s, const struct session_tuning *t)
{
    struct session_plan *sp;
    struct session_way way;
    int64_t start = cq_now_ns();
    enum cq_err err = session_plan_for_batch(s, t->batch, &way, &sp);
    if (err)
        return err;
    const struct plan *p = sp->plan;
    char (*keys)[CHOICE_KEY] = malloc(((size_t) p->n_steps + 1) * sizeof *keys);
    if (!keys)
        return CQ_NOMEM;
    for (int i = 0; i < p->n_steps; i++)
        choice_key(s->dev, p->steps[i].inst, keys[i]);
    device_use_stream(s->dev, way.streams ? 0 : DEVICE_WHOLE);      /* with the threads that a run gives it */
    for (int i = 0; i < p->n_steps && !err && !is_over(t, start); i++) {
        int uses = uses_of(p, (const char (*)[CHOICE_KEY]) keys, i);
        if (uses)
            err = tune_step(s, t, &p->steps[i], uses);
    }
    enum cq_err finished = device_finish_all(s->dev);
    free(keys);
    return err ? err : finished;
}
