/* Which of the variants that serve an operator is the fastest on this device: measured, not guessed.
 *
 * Each candidate runs alone, on buffers and random numbers of its own, and must give the answer of the one that
 * kernel_find() would take, within a tolerance; one that does not is out of the race. Candidates take turns, so that
 * what else the machine does disturbs all alike, and the least time of each counts. Another one wins only where it is
 * clearly faster.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_STAGES_INFER_TUNE_H
#define CLIPQ_STAGES_INFER_TUNE_H

#include "stages/infer/choice.h"

struct cq_log;

enum { TUNE_MAX = 12 };          /* candidates for one operator */

/* Largest difference from the first choice's answer, over that answer's largest magnitude. What kernels may differ from
 * the reference is stated in tests/check_kernels_*.c: 2e-5 for Winograd's convolution, 5e-6 at most for all others. */
#define TUNE_TOLERANCE 3e-5
#define TUNE_TOLERANCE_HALF 2e-3     /* where op_inst.half lets weights be rounded to 11 bits */

struct tune_candidate {
    const struct kernel_class *kernel;
    double ms;                   /* of one run */
    double error;                /* against the first choice's answer */
    bool wrong;                  /* by more than the tolerance: not timed */
};

struct tune_result {
    char key[CHOICE_KEY];
    struct tune_candidate candidates[TUNE_MAX];
    int n;                       /* less than 2: there was nothing to choose, or random numbers would make no sense */
    int first, best;             /* indices: what kernel_find() takes, and what to take */
};

/* Spends about `budget_ms` on each candidate, after a run that compiles it. CQ_OOM, CQ_NOMEM, the kernels' errors. */
enum cq_err tune_operator(struct cq_log *log, struct device *dev, const struct op_inst *inst, double budget_ms,
                          struct tune_result *out);

#endif
