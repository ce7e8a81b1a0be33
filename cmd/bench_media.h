/* What the measurements with clips share. */
#ifndef CLIPQ_CMD_BENCH_MEDIA_H
#define CLIPQ_CMD_BENCH_MEDIA_H

#include "cmd/sampling.h"
#include "kernels/base/err.h"
#include "kernels/base/opt.h"
#include "runner/bench_clips.h"
#include "stages/answer/card.h"

struct cq_log;

/* --workers, for CQ_OPT over an int. */
#define BENCH_WORKERS_OPT \
    .name = "workers", .letter = 'w', .value = "N", .min = 1, .max = 256, .zero = "auto", \
    .help = "decoding processes; auto is one per core"

/* The card of a model file or builtin name; NULL: builtin:scene, or a plain RGB picture where a size is given. */
enum cq_err bench_card(struct cq_log *log, const char *model, const struct cq_opt_size *size, struct card *out);

/* Seconds of the clip that are looked at, by its header. */
double bench_media_s(const struct bench_clip *c, const struct sampling_args *s);

#endif
