/* Pipelines of the run, and whether their models can be used. Loop's thread only, but for pipeline_find(). */
#ifndef CLIPQ_RUNNER_WORK_MODELS_H
#define CLIPQ_RUNNER_WORK_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/messages.h"
#include "runner/pipeline.h"
#include "runner/work_lanes.h"
#include "stages/media/sample.h"

struct engine_lane;
struct store;
struct work;

struct work_pipeline {
    struct work_pipeline *next;
    int64_t id;
    enum model_state state;
    enum cq_err err;            /* of FAILED */
    char message[MSG_TEXT];     /* of FAILED */
    struct sample_spec sample;
    int n_models;
    int lanes[PIPELINE_MAX_MODELS];  /* -1: each clip has its own */
    int scene;                  /* index of builtin:scene, or -1 */
    struct pipeline_found *found;  /* owned */
};

/* A pipeline as read from the database, on whatever thread has the store. */
struct pipeline_found {
    int64_t id;
    enum cq_err err;            /* of its document or its models' paths */
    char message[MSG_TEXT];
    struct pipeline doc;        /* with paths; valid when !err */
};
void pipeline_find(struct store *s, int64_t id, struct pipeline_found *out);   /* any thread */
void pipeline_found_free(struct pipeline_found *f);

enum cq_err work_models_create(struct work *w);
void work_models_destroy(struct work *w);
/* Takes over `f`; the models go to the engines. Known ones are left as they are. */
enum cq_err work_models_add(struct work *w, struct pipeline_found *f);
struct work_pipeline *work_models_find(struct work *w, int64_t id);
int work_models_ids(const struct work *w, int64_t *ids, int max);
/* An engine has changed: settles what is settled now. */
void work_models_settle(struct work *w);
/* A model of the pipeline could not be loaded at a clip's size: fails the pipeline unless it is for the size. */
void work_models_lane_failed(struct work *w, struct work_pipeline *p, const struct engine_lane *why);
/* Is there a pipeline whose jobs can go on, if only to fail for want of memory? The others wait for a better day: a
 * model file that is gone may come back. If there is none, and there are pipelines, one of them. */
bool work_models_any_of_use(const struct work *w);
const struct work_pipeline *work_models_all_failed(const struct work *w);

#endif
