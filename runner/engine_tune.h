/* What an engine does about kernels that nobody has timed: it times them when it has loaded the model, tells the
 * supervisor of each operator at once, so that nothing is lost when it dies, and takes the fastest itself.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_RUNNER_ENGINE_TUNE_H
#define CLIPQ_RUNNER_ENGINE_TUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct choices;
struct cq_log;
struct device;
struct engine_model;
struct wire;

struct engine_tune_params {
    struct cq_log *log;
    struct device *dev;
    struct wire *wire;
    struct choices *choices;    /* what is known, and will be; the model's own */
    uint32_t lane;
    int limit_ms;               /* no other operator is begun after that */
};

/* *changed: the model has to be made anew, for another kernel than the usual one is the fastest somewhere. Trouble with
 * measuring ends it, and is no error; those are a lost device's, the wire's, and CQ_NOMEM. */
enum cq_err engine_tune(const struct engine_tune_params *p, struct engine_model *m, bool *changed);

#endif
