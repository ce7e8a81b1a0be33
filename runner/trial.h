/* Trying what may end a process: in a forked one, whose findings come back through memory that both share.
 *
 * Thread-safety: before this process has threads of its own.
 */
#ifndef CLIPQ_RUNNER_TRIAL_H
#define CLIPQ_RUNNER_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"

struct trial_end {
    int signal;           /* that ended it, or 0 */
    int code;             /* its exit code otherwise: 0 when run() returned */
    bool timed_out;       /* `signal` is ours */
};

/* run(ctx, result) in a child that has standard input, output and error only. `result` [size] begins as it is here and
 * comes back as it was at the child's end, whatever that was. CQ_NOMEM, or why no process could be started. */
enum cq_err trial_run(void (*run)(void *ctx, void *result), void *ctx, void *result, size_t size, int seconds,
                      struct trial_end *end);

#endif
