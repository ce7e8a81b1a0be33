/* The steps of a plan as chains (kernels/chain.h), each a single launch. Where the host computes a step one chain ends
 * and the next begins.
 *
 * A chain's kernel is compiled for the set of kernels in it, which takes longer than a few launches cost: plans of few
 * steps run theirs one by one, as do devices without chains.
 */
#include <stdlib.h>

#include "kernels/chain.h"
#include "stages/infer/session_impl.h"

enum { LEAST_STEPS = 12 };

void session_free_legs(struct session_plan *sp)
{
    for (int k = 0; sp->legs && k <= sp->streams; k++) {
        for (int i = 0; i < sp->legs[k].n; i++)
            chain_destroy(&sp->legs[k].of[i].chain);
        free(sp->legs[k].of);
    }
    free(sp->legs);
    sp->legs = NULL;
}

static enum cq_err enqueue_steps(struct session *s, const struct plan *p, const struct kernel_bufs *bufs, int from, int to)
{
    enum cq_err err = CQ_OK;
    for (int i = from; i < to && !err; i++)
        err = p->steps[i].kernel->enqueue(s->dev, p->steps[i].inst, &bufs[i]);
    return err;
}

/* A chain where one can be had. */
static enum cq_err make_chain(struct session *s, const struct plan *p, const struct kernel_bufs *bufs,
                              struct session_leg *leg)
{
    enum cq_err err = chain_begin(s->dev, &leg->chain);
    if (!err)
        err = chain_end(&leg->chain, enqueue_steps(s, p, bufs, leg->from, leg->to));
    return err == CQ_OOM || err == CQ_NOMEM ? err : CQ_OK;
}

static int leg_end(const struct plan *p, int from)
{
    int to = from;
    while (to < p->n_steps && !kernel_is_host(p->steps[to].kernel))
        to++;
    return to > from ? to : from + 1;
}

/* `stream` as for device_use_stream. */
static enum cq_err make_legs(struct session *s, struct session_plan *sp, int stream, struct session_legs *legs)
{
    const struct plan *p = sp->plan;
    const struct kernel_bufs *bufs = sp->bufs + (size_t) (stream > 0 ? stream : 0) * (size_t) p->n_steps;
    enum cq_err err = CQ_OK;
    legs->of = calloc((size_t) p->n_steps + 1, sizeof *legs->of);
    if (!legs->of)
        return CQ_NOMEM;
    for (int from = 0; from < p->n_steps && !err; from = legs->of[legs->n++].to) {
        struct session_leg *leg = &legs->of[legs->n];
        *leg = (struct session_leg){.from = from, .to = leg_end(p, from)};
        device_use_stream(s->dev, stream);
        if (!kernel_is_host(p->steps[from].kernel))
            err = make_chain(s, p, bufs, leg);
        legs->chained = legs->chained || leg->chain;
    }
    device_use_stream(s->dev, DEVICE_WHOLE);
    return err;
}

enum cq_err session_link(struct session *s, struct session_plan *sp, const struct session_way *way)
{
    int first = way->streams ? 0 : DEVICE_WHOLE, end = way->streams ? way->streams : first + 1;
    enum cq_err err = CQ_OK;
    if (sp->plan->n_steps < LEAST_STEPS || !chain_suits(s->dev))
        return CQ_OK;
    if (!sp->legs && !(sp->legs = calloc((size_t) sp->streams + 1, sizeof *sp->legs)))
        return CQ_NOMEM;
    for (int stream = first; stream < end && !err; stream++)
        if (!sp->legs[stream + 1].of)
            err = make_legs(s, sp, stream, &sp->legs[stream + 1]);
    if (err)
        session_free_legs(sp);
    return err;
}

bool session_is_chained(const struct session_plan *sp, int stream)
{
    return sp->legs && sp->legs[stream + 1].chained;
}

enum cq_err session_enqueue(struct session *s, const struct session_plan *sp, int stream)
{
    const struct plan *p = sp->plan;
    const struct kernel_bufs *bufs = sp->bufs + (size_t) (stream > 0 ? stream : 0) * (size_t) p->n_steps;
    enum cq_err err = CQ_OK;
    if (!session_is_chained(sp, stream))
        return enqueue_steps(s, p, bufs, 0, p->n_steps);
    const struct session_legs *legs = &sp->legs[stream + 1];
    for (int i = 0; i < legs->n && !err; i++) {
        const struct session_leg *leg = &legs->of[i];
        err = leg->chain ? chain_run(leg->chain) : enqueue_steps(s, p, bufs, leg->from, leg->to);
    }
    return err;
}
