/* A pipeline's models from what a user names: loaded, recognised, their cards completed.
 *
 * A card takes, in this order: what the model tells, MODEL.card.json beside it, the flags.
 */
#ifndef CLIPQ_RUNNER_PIPELINE_LOAD_H
#define CLIPQ_RUNNER_PIPELINE_LOAD_H

#include "kernels/base/err.h"

struct card;
struct cq_log;
struct model;
struct pipeline;

struct pipeline_flags {
    const char *decoder;        /* NULL: recognised */
    const char *labels;         /* file; NULL: none */
    double threshold, nms;      /* NAN: the card's own */
    int width, height;          /* for a model that leaves its input size open; 0: a default */
    int precision;              /* 0: the card's own; else 1 + an enum precision */
};

/* Loads `spec` (a file, or "builtin:scene") and completes its card. Errors: the model's and the card's. */
enum cq_err pipeline_load_model(struct cq_log *log, const char *spec, const struct pipeline_flags *flags,
                                struct model **model, struct card *card);

/* Its two halves, for models that need not take pictures: the model with its known inputs fixed, and its card.
 * CQ_UNSUPPORTED of the second: it does not take exactly one picture. */
enum cq_err pipeline_load_file(struct cq_log *log, const char *spec, struct model **model);
enum cq_err pipeline_make_card(struct cq_log *log, const struct model *m, const char *spec,
                               const struct pipeline_flags *flags, struct card *card);

/* Loads it and appends it to `p`. CQ_INVALID when it is there already. */
enum cq_err pipeline_add_model(struct cq_log *log, struct pipeline *p, const char *spec,
                               const struct pipeline_flags *flags);

#endif
