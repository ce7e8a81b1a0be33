/* The walls of runner/sandbox.h, tried from inside.
 *
 * Thread-safety: as trial_run().
 */
#ifndef CLIPQ_RUNNER_SANDBOX_TRY_H
#define CLIPQ_RUNNER_SANDBOX_TRY_H

#include <stdbool.h>

#include "kernels/base/err.h"
#include "runner/sandbox.h"

struct cq_log;

enum { SANDBOX_ATTEMPTS = 16 };

/* What a decoder that was taken over may want to do. The list ends with a NULL name. */
struct sandbox_attempt {
    const char *name;     /* "read a file" */
    unsigned walls;       /* each of which alone stops it */
    int (*attempt)(void); /* inside: 0 when it succeeded, else errno */
};

extern const struct sandbox_attempt sandbox_attempts[SANDBOX_ATTEMPTS];

struct sandbox_report {
    unsigned walls;       /* that stand here */
    char missing[256];    /* the others, as sandbox_enter() */
    int errors[SANDBOX_ATTEMPTS];  /* of each attempt: 0 it succeeded, -1 not tried */
};

/* Enters the sandbox in a child and attempts everything there. CQ_INTERNAL when that child died. */
enum cq_err sandbox_try(struct sandbox_report *out);

/* Was it kept from it by a wall, rather than for want of something to do it with? */
bool sandbox_held(const struct sandbox_report *r, int attempt);

/* Before a run starts children in `mode`: warns once of what they can do all the same. CQ_UNSUPPORTED, with an error,
 * when walls are required that do not stand. */
enum cq_err sandbox_announce(struct cq_log *log, enum sandbox_mode mode);

#endif
