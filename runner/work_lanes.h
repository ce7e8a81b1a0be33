/* Models at input sizes, as lanes of the batcher. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_LANES_H
#define CLIPQ_RUNNER_WORK_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/pipeline.h"
#include "runner/store.h"
#include "stages/media/scale.h"

struct engine_lane;
struct job;
struct work;

/* Of a model: in an engine, in all of them, or of all models of a pipeline. */
enum model_state { MODEL_LOADING, MODEL_READY, MODEL_FAILED };

/* One model with one card at one input size, as batches are formed for it; its index is the batcher's lane. */
struct work_lane {
    char hash[33];
    char name[128];
    char path[STORE_PATH];
    char decoder[32];
    char *card;                 /* owned JSON */
    struct scale_target target;
    char shape[PIPELINE_SHAPE];
    bool sized;                 /* for clips of one size: it ends when nobody holds it and another needs the room */
    int holders;                /* jobs, of a sized one */
    int64_t held;               /* when it was last taken, in holds */
    int generation;             /* grows when it becomes another lane */
};

enum cq_err work_lanes_create(struct work *w);
void work_lanes_destroy(struct work *w);
int work_lanes(const struct work *w);
const struct work_lane *work_lane(const struct work *w, int lane);
bool work_lane_is_used(const struct work *w, int lane);
bool work_lanes_share(const struct work *w, int a, int b);   /* the same model and card, at two sizes */
/* The lane of a model whose card knows its input's size. CQ_UNSUPPORTED: there are too many; CQ_NOMEM. */
enum cq_err work_lane_for_model(struct work *w, const struct pipeline_model *m, int *out);
/* The job's lanes, its inputs and its slot's size; held until job_give_lanes(). CQ_AGAIN: there is no room for
 * its clip's size until other jobs have ended; CQ_NOMEM. */
enum cq_err job_take_lanes(struct job *j);
void job_give_lanes(struct job *j);
/* Of all of them together; `*why` when one has failed. */
enum model_state job_lanes_state(const struct job *j, const struct engine_lane **why);

#endif
