/* What a unit of work takes at best on this machine: the limits that scores are held against (runner/score.h).
 *
 * A limit is of decoding (processor-seconds for a frame that is decoded, and scaled where it is sampled, by codec, pixel
 * format, size, and what is made of it) or of inference (seconds of its device for a frame, by model and input). There are two
 * figures for it: what `clipq bench --record` measured with nothing beside it, and the best that runs have shown. The
 * measured one counts where there is one. A device that was faster in a run than when it was measured has that as its limit
 * from then on; of decoding that is not so, for other clips of the same kind may be easier.
 *
 * Limits belong to a host: a database that moves takes none of them along.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_LIMITS_H
#define CLIPQ_RUNNER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/store_limits.h"

struct cq_log;
struct probe;
struct sample_spec;
struct scale_target;

struct limit {
    struct store_limit key;     /* its last three members are not used */
    double bench_s, observed_s; /* for a unit; 0: unknown */
    int bench_batch, observed_batch;
    bool on_processors;         /* of inference */
    bool fresh;                 /* observed_s is not in the database yet */

    /* In this run. */
    int64_t units;              /* accepted */
    double trial_s;             /* of what is being observed: seconds, */
    int64_t trial_units;        /* and units in them, */
    int trial_n, trial_batch;   /* in so many batches of that size */
};

struct limits {                 /* zeroed: empty */
    struct limit **list;        /* owned; places in memory stay */
    int n;
};

enum cq_err limits_read(struct store *s, struct limits *out);
void limits_finish(struct limits *l);
/* That with this key, made when there is none; NULL: out of memory. */
struct limit *limits_get(struct limits *l, const struct store_limit *key);

/* Seconds for a unit; 0: nothing is known. `*measured`: by itself. */
double limit_s(const struct limit *l, bool *measured);
int limit_batch(const struct limit *l);

/* A batch took `s`. */
void limit_see_batch(struct limit *l, int n, double s);
/* An accepted clip took `cpu_s` of processors. */
void limit_see_clip(struct limit *l, int64_t frames, double cpu_s);

/* The run is over: what it has shown of decoding, and of inference where nothing better is known, counts. */
void limit_settle(struct limit *l);

/* The key of decoding: `targets` are what frames are scaled to. */
void limit_key_of_clip(const struct probe *p, const struct sample_spec *sample, const struct scale_target *targets, int n,
                       struct store_limit *out);
/* The key of inference. `units`: compute units of the device. */
void limit_key_of_model(const char *device, const char *driver, int units, const char *hash, const char *shape, struct store_limit *out);

/* Writes what was measured into the database at `path`, which is made when it is missing. */
enum cq_err limits_record(struct cq_log *log, const char *path, const struct store_limit *list, int n);

#endif
