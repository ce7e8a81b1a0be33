/* A pipeline: which models look at which frames. One canonical JSON document, whose hash names it.
 *
 *     {"version":1,"sample":{...},"models":[{"name":..,"hash":..,"card":{...}},...]}
 *
 * Keys are sorted and spaces left out, so equal pipelines have equal hashes; a model's path is not part of it
 * (its content hash is), nor is a clip's priority.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_PIPELINE_H
#define CLIPQ_RUNNER_PIPELINE_H

#include <stdint.h>

#include "kernels/base/err.h"
#include "stages/answer/card.h"
#include "stages/media/sample.h"
#include "stages/media/scale.h"

struct cq_log;

enum { PIPELINE_MAX_MODELS = 8 };

struct pipeline_model {
    char name[128];             /* file name without folder, or "builtin:scene" */
    char hash[33];              /* model_hash() */
    char path[4096];            /* absolute, or "builtin:scene"; not part of the document */
    struct card card;
};

struct pipeline {
    struct sample_spec sample;
    int n_models;
    struct pipeline_model models[PIPELINE_MAX_MODELS];
};

/* Canonical text, to be freed by the caller; NULL when out of memory. */
char *pipeline_to_text(const struct pipeline *p);
/* CQ_CORRUPT or CQ_NEWER with the reason logged. Paths are left empty. */
enum cq_err pipeline_from_text(struct cq_log *log, const char *text, struct pipeline *out);
void pipeline_hash(const char *text, char out[33]);
void pipeline_finish(struct pipeline *p);

/* What frames are scaled to for a model with that card, its input being `width` x `height`. */
struct scale_target pipeline_target(const struct card *c, int width, int height);
/* "416x416x3", "416x416x3 fp16": such an input, and how it is computed, as limits in the database name it. */
enum { PIPELINE_SHAPE = 48 };
void pipeline_shape(const struct card *c, int width, int height, char out[PIPELINE_SHAPE]);

#endif
