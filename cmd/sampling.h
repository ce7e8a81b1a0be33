/* Which frames of a clip are looked at, as options: the same for every command that decodes.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_CMD_SAMPLING_H
#define CLIPQ_CMD_SAMPLING_H

#include <math.h>
#include <stdbool.h>

#include "kernels/base/opt.h"
#include "stages/media/sample.h"

struct command;

struct sampling_args {
    int every;
    double fps;                   /* NAN: not given */
    bool keyframes;
    struct cq_opt_seconds from, to;
};

/* Entries of an option table over `state`, whose `field` is a struct sampling_args. */
#define SAMPLING_OPTS(state, field)                                                                              \
    CQ_OPT(state, field.every, .name = "every", .value = "N", .min = 1, .max = 1000000,                          \
           .help = "look at one frame in N; without --every, --fps and --keyframes\nevery frame is looked at"),  \
    CQ_OPT(state, field.fps, .name = "fps", .value = "F", .def = NAN, .min = 0.0001, .max = 1000,                \
           .help = "look at about F frames a second, by their real times"),                                      \
    CQ_OPT(state, field.keyframes, .name = "keyframes", .help = "look at keyframes only"),                       \
    CQ_OPT(state, field.from, .name = "from", .value = "TIME",                                                   \
           .help = "start there in each clip: seconds or HH:MM:SS"),                                             \
    CQ_OPT(state, field.to, .name = "to", .value = "TIME", .help = "end there in each clip")

/* 0, or the exit code after telling what does not go together. */
int sampling_check(const struct command *self, const struct sampling_args *a);

struct sample_spec sampling_spec(const struct sampling_args *a);

#endif
