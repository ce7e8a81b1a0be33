/* Engines, and batches to them and back. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_ENGINES_H
#define CLIPQ_RUNNER_WORK_ENGINES_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/batcher.h"
#include "runner/messages.h"
#include "runner/speed.h"
#include "runner/work_lanes.h"
#include "runner/work_state.h"

struct child;
struct child_exit;
struct frame_input;
struct limit;
struct store_engine;
struct store_worker;

/* ---- work_engines.c ---- */

enum { ENGINE_FLIGHT = 2, ENGINES_MAX = 16 };

struct batch {
    int64_t id;
    int lane, n;
    int64_t start_ns;           /* when the engine could begin with it */
    struct frame_input *inputs[BATCHER_MAX];
};

struct engine_lane {
    enum model_state state;
    int64_t sent;               /* 0: loading was not asked for; else it was, as the sent-th of the engine's loads */
    int deaths;                 /* while loading it */
    enum cq_err err;
    char message[MSG_TEXT];
    int limit;                  /* largest batch that may be sent; > 0 when READY */
    int64_t bytes, frame_bytes; /* of memory: at the largest batch by plan, for one frame */
    struct speed speed;         /* in frames a second */
    int tune_ms;                /* what it may spend on timing kernels while it is loaded */
    int tuned;                  /* operators timed then */
    struct limit *best;         /* how fast it can be (runner/limits.h); NULL: not looked up */
};

enum engine_state { ENGINE_STARTING, ENGINE_UP, ENGINE_WAITING /* to be started again */, ENGINE_OUT };

struct engine {
    struct work *w;
    struct child *child;
    enum engine_state state;
    char spec[64];              /* as asked, then as found */
    char name[128];
    char chosen[128];           /* how it came to be chosen */
    char driver[64];            /* of the device found */
    bool is_cpu;
    int units;                  /* compute units */
    int64_t budget;             /* bytes of memory for all its models */
    enum cq_err err;            /* of OUT */
    int deaths;                 /* in a row, without a result or a smaller batch between */
    int64_t preparing_ns;       /* since when it starts or loads what it was last sent */
    int64_t prepare_ns;         /* starting, loading models, compiling kernels so far */
    bool was_ready;             /* with one model at least */
    bool afresh;                /* compiled kernels may have been what killed it */
    uv_timer_t restart;
    struct engine_lane lanes[BATCHER_LANES];
    int64_t loads;              /* asked for so far */
    int tune_ms;                /* given out so far for timing kernels */
    int64_t restarts, batches, frames;   /* answered */
    double busy_s;              /* with a batch */
    int64_t last_frame_ms;      /* UTC; 0: never */
    double cpu_before_s;        /* of those that died, as far as it was seen */
    double cpu_s;               /* of the present one, as last seen */
    int64_t silent_ns;          /* with a batch in hand, without an answer */
    bool hung;                  /* killed for it */
    struct batch *flight[ENGINE_FLIGHT];  /* oldest first */
    int n_flight;
};

enum cq_err work_engines_create(struct work *w);
void work_engines_stop(struct work *w);
void work_engines_destroy(struct work *w);
void work_engines_tick(struct work *w, int64_t elapsed_ns);   /* the watchdog */
struct engine *work_engine(const struct work *w, int i);   /* NULL past the end */
int work_engines_alive(const struct work *w);
void work_engines_load(struct work *w);            /* sends models that an engine has not seen */
int work_engines_appetite(const struct work *w);   /* frames that they can use at once */
bool work_engines_load_lane(const struct work *w, int lane);   /* is one of them loading it now? */
void work_engines_forget_lane(struct work *w, int lane);       /* its number will be another lane's */
/* State of a lane over all engines; `*why` is an engine's lane that failed. */
enum model_state work_engines_lane_state(const struct work *w, int lane, const struct engine_lane **why);
double work_engines_prepare_s(const struct work *w);   /* of the one that had least; before that nothing can be done */
const char *work_engines_text(const struct work *w);   /* names, for progress */
const char *work_engines_account(const struct work *w);   /* names, budgets and batches, for the run's row */
const char *work_engines_folder(const struct work *w); /* of the files that they write */
int work_engines_health(struct work *w, struct store_worker *rows, int max);   /* how many */
int work_engines_shares(const struct work *w, struct store_engine rows[ENGINES_MAX]);   /* how many */
void engine_set_limit(struct engine *e, int lane, int limit, bool remember);

/* ---- work_batches.c ---- */

enum cq_err work_batches_create(struct work *w);
void work_batches_destroy(struct work *w);
void work_batches_turn(struct work *w);            /* sends what is due */
enum cq_err engine_take_result(struct engine *e, struct cq_rd *body);
void engine_return_batches(struct engine *e, const struct child_exit *why);   /* it died */
void engine_drop_batches(struct engine *e);         /* the run is over */

/* ---- work_tunings.c ---- */

enum cq_err work_tunings_create(struct work *w, struct store *s);   /* before the writer has the store */
void work_tunings_destroy(struct work *w);
void work_tunings_send(struct engine *e);          /* to one that has opened its device, before any model */
/* Decides what it may spend on timing kernels of a lane that it is to load, which is one of `sharers` still to come. */
void work_tunings_allow(struct engine *e, int lane, int sharers);
enum cq_err engine_take_tuning(struct engine *e, struct cq_rd *body);
void work_tunings_loaded(struct engine *e, int lane);   /* what was not spent is given back */

#endif
