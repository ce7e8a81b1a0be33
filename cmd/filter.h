/* Which jobs are meant, as options and as ids: the same for every command over the queue.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_CMD_FILTER_H
#define CLIPQ_CMD_FILTER_H

#include "kernels/base/opt.h"
#include "runner/store_jobs.h"

struct command;

struct filter_args {
    const char *state, *reason, *path, *pipeline, *model;
    int run;
    char path_glob[STORE_PATH + 2], model_glob[256];   /* what the filter points to */
};

/* Entries of an option table over `state`, whose `field` is a struct filter_args. */
#define FILTER_OPTS(state, field)                                                                                      \
    CQ_OPT(state, field.reason, .name = "class", .value = "C",                                                         \
           .help = "whose newest failure is of that class: io, crash, damaged..."),                                    \
    CQ_OPT(state, field.path, .name = "path", .value = "PATTERN",                                                      \
           .help = "with a path like that: a part of it, or all of it with * ? []"),                                   \
    CQ_OPT(state, field.model, .name = "with-model", .value = "PATTERN", .help = "with a model of such a name"),       \
    CQ_OPT(state, field.pipeline, .name = "pipeline", .value = "HASH",                                                 \
           .help = "of that pipeline; the first digits will do"),                                                      \
    CQ_OPT(state, field.run, .name = "run", .value = "N", .min = 1, .max = 0x7fffffff, .zero = "any",                  \
           .help = "that run tried; v_runs lists them")

/* 0, or the exit code after telling what is wrong. `out` points into `a`. */
int filter_make(const struct command *self, struct filter_args *a, struct store_filter *out);
bool filter_is_given(const struct filter_args *a);

/* "12" to a job's id; 0, or the exit code after telling that it is none. */
int filter_id(const struct command *self, const char *text, int64_t *id);

#endif
