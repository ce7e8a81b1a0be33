/* One case of ONNX's backend suite, a model with inputs and the outputs it must give, run through the engine.
 *
 * Many of these models take shapes and axes as inputs, which real models hold as constants, so a case may be
 * run in several ways that differ in what the model knows before it runs.
 *
 * Thread-safety: one thread.
 */
#ifndef CLIPQ_TESTS_CONFORMANCE_CASE_H
#define CLIPQ_TESTS_CONFORMANCE_CASE_H

#include <stdbool.h>

#include "kernels/base/err.h"

struct cq_log;
struct device;

enum case_way {
    WAY_AS_IT_STANDS,
    WAY_FIRST_INPUT,     /* every input but the first becomes a constant */
    WAY_FOLDED,          /* every input does: the C reference computes the model while it is loaded */
    WAY_COUNT
};

struct conformance_case;

/* NULL when the folder holds no model. Destroying NULL is fine. */
struct conformance_case *case_read(const char *dir);
void case_destroy(struct conformance_case **c);

/* What became of a case in one way. `steps` and `host_steps`: kernels in its plan, and how many of these are
 * the C reference on the host. */
struct case_run {
    bool right;
    int steps, host_steps;
};

/* CQ_OK: it ran, and out->right says whether the outputs are the wanted ones. Others: declined, and why is in the
 * log's last_error. Ways are tried in order: a way keeps the constants of the one before it. */
enum cq_err case_run(struct conformance_case *c, struct cq_log *log, struct device *dev, enum case_way way,
                     struct case_run *out);

#endif
