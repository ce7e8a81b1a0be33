/* What retry and cancel share: which jobs are meant, by filter or by number; telling them (--dry-run) or changing them in
 * one transaction.
 *
 * Thread-safety: one thread.
 */
#ifndef CLIPQ_CMD_CHANGE_H
#define CLIPQ_CMD_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/store_jobs.h"

struct command;
struct common;
struct store;

struct change {
    const char *verb;             /* "retry" */
    int states;                   /* that it acts on */
    bool dry_run;
    bool probed;                  /* acts only on jobs whose clip could be probed */
    /* Changes what the filter says; adds to `changed`. */
    enum cq_err (*apply)(struct store *s, const struct store_filter *f, int64_t changed[2]);

    int64_t changed[2];           /* out */
    int64_t unprobed;             /* out: jobs that were left alone for that reason */
};

/* Either all that `f` says (n_ids 0), or of these jobs those that pass it, too. Returns an exit code; messages are told. */
int change_run(const struct command *self, struct common *common, struct change *c, const struct store_filter *f, char **ids,
               int n_ids);

#endif
