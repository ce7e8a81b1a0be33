/* Where the time of a run goes: each step of the plan by itself, with the queue emptied after it.
 *
 * The steps run in order on the inputs of the newest run, since each reads what those before it have left in the
 * arena.
 */
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "stages/infer/session_impl.h"

static struct session_plan *newest_plan(struct session *s)
{
    struct session_plan *newest = NULL;
    for (int i = 0; i < s->n_plans; i++)
        if (!newest || s->plans[i].used > newest->used)
            newest = &s->plans[i];
    return newest && newest->bound == s->generation ? newest : NULL;
}

static int times_run(const struct session *s)
{
    return s->way.streams ? s->way.streams : 1;
}

/* In all streams at once where the run used them: the time that a step takes while the others are busy too. */
static enum cq_err run_step(struct session *s, const struct session_plan *sp, int i)
{
    const struct plan_step *ps = &sp->plan->steps[i];
    enum cq_err err = CQ_OK;
    for (int k = 0; k < times_run(s) && !err; k++) {
        device_use_stream(s->dev, s->way.streams ? k : DEVICE_WHOLE);
        err = ps->kernel->enqueue(s->dev, ps->inst, &sp->bufs[(size_t) k * (size_t) sp->plan->n_steps + (size_t) i]);
    }
    enum cq_err finished = device_finish_all(s->dev);
    return err ? err : finished;
}

static enum cq_err time_steps(struct session *s, const struct session_plan *sp, int64_t *best)
{
    for (int i = 0; i < sp->plan->n_steps; i++) {
        int64_t start = cq_now_ns();
        enum cq_err err = run_step(s, sp, i);
        if (err)
            return err;
        int64_t ns = cq_now_ns() - start;
        best[i] = ns < best[i] ? ns : best[i];
    }
    return CQ_OK;
}

/* What a packed input replaces is not read. */
static size_t step_bytes(const struct plan *p, const struct plan_step *ps)
{
    const struct op_inst *inst = ps->inst;
    size_t bytes = ps->packed >= 0 ? p->needs[ps->packed].bytes : 0;
    for (int i = 0; i < inst->n_in; i++)
        if (inst->in[i].type != DT_NONE && !(ps->packed >= 0 && ps->kernel->packs >> i & 1))
            bytes += tensor_bytes(&inst->in[i]);
    for (int i = 0; i < inst->n_out; i++)
        if (inst->out[i].type != DT_NONE)
            bytes += tensor_bytes(&inst->out[i]);
    return bytes;
}

static int images_at_once(const struct session *s)
{
    int group = session_group(s);
    return times_run(s) * (group > 1 ? group : s->way.chunk);
}

static struct session_step describe(const struct session *s, const struct session_plan *sp, const struct plan_step *ps, int64_t ns)
{
    return (struct session_step) {
        .op = op_kind_name(ps->step->op.kind), .variant = ps->kernel->name, .node = ps->step->name,
        .in = ps->inst->n_in ? ps->inst->in[0] : (struct tensor_desc){0}, .out = ps->inst->out[0],
        .images = images_at_once(s), .flops = op_flops(ps->inst) * times_run(s),
        .bytes = step_bytes(sp->plan, ps) * (size_t) times_run(s), .best_ns = ns,
    };
}

enum cq_err session_profile(struct session *s, int runs, void (*step)(void *ctx, const struct session_step *step),
                            void *ctx)
{
    struct session_plan *sp = newest_plan(s);
    if (!sp)
        return CQ_INVALID;
    const struct plan *p = sp->plan;
    int64_t *best = malloc(((size_t) p->n_steps + 1) * sizeof *best);
    if (!best)
        return CQ_NOMEM;
    for (int i = 0; i < p->n_steps; i++)
        best[i] = INT64_MAX;
    enum cq_err err = CQ_OK;
    for (int run = 0; run < runs && !err; run++)
        err = time_steps(s, sp, best);
    for (int i = 0; i < p->n_steps && !err; i++) {
        struct session_step told = describe(s, sp, &p->steps[i], best[i]);
        step(ctx, &told);
    }
    free(best);
    return err;
}
