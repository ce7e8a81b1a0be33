/* Where the time of a plan goes: every step run alone, with the queue emptied after it. */
#ifndef CLIPQ_TESTS_PROFILE_H
#define CLIPQ_TESTS_PROFILE_H

#include <stdio.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/device.h"
#include "stages/infer/session_impl.h"

enum { PROFILE_STEPS = 4096, PROFILE_RUNS = 3 };

static inline void profile_print(struct session *s, struct device *dev, const struct tensor_desc *input)
{
    static int64_t best[PROFILE_STEPS];
    struct session_plan *sp;
    if (session_get_plan(s, NULL, input, &sp) || session_bind(s, sp) || sp->plan->n_steps > PROFILE_STEPS)
        return;
    int64_t total = 0;
    for (int run = 0; run < PROFILE_RUNS; run++)
        for (int i = 0; i < sp->plan->n_steps; i++) {
            const struct plan_step *ps = &sp->plan->steps[i];
            int64_t start = cq_now_ns();
            if (ps->kernel->enqueue(dev, ps->inst, ps->bufs) || device_finish(dev))
                return;
            int64_t ns = cq_now_ns() - start;
            best[i] = run == 0 || ns < best[i] ? ns : best[i];
        }
    for (int i = 0; i < sp->plan->n_steps; i++) {
        const struct plan_step *ps = &sp->plan->steps[i];
        char x[TENSOR_TEXT_SIZE] = "", y[TENSOR_TEXT_SIZE];
        double flops = op_flops(ps->inst);
        total += best[i];
        if (ps->inst->n_in)
            tensor_text(&ps->inst->in[0], x);
        const char *residual = ps->inst->n_in > 3 && ps->step->op.kind == OP_CONV ? " +res" : "";
        printf("  %8.1f us %6.1f GFLOPS  %-16s %-20s %s -> %s act %d%s\n", (double) best[i] / 1e3,
               flops / (double) best[i], op_kind_name(ps->step->op.kind), ps->kernel->name, x,
               tensor_text(&ps->inst->out[0], y), (int) ps->step->op.act, residual);
    }
    printf("  sum %.2f ms, %d steps, %d on the host\n", (double) total / 1e6, sp->plan->n_steps, sp->plan->host_steps);
}

#endif
