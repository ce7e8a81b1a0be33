/* A model as an engine keeps it: loaded, on its device, with its card and its decoder, at one input size; frames
 * in, answers out. Models that differ in their size alone share file, weights and buffers.
 *
 * Running a batch survives running out of memory, the device's or the host's: the session is trimmed and the same
 * frames are run again in halves, down to one, and what fitted is remembered for the next batch. After
 * CL_OUT_OF_RESOURCES the context may be dead, in ways that differ by driver; only a new process clears them all, so
 * then CQ_OOM is returned, for the engine to end with.
 *
 * Thread-safety: as the device, one thread at a time.
 */
#ifndef CLIPQ_RUNNER_ENGINE_MODEL_H
#define CLIPQ_RUNNER_ENGINE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/messages_engine.h"
#include "stages/infer/session.h"

struct choices;
struct cq_log;
struct device;
struct engine_model;

struct engine_model_params {
    const char *path;           /* a file, or "builtin:scene" */
    const char *hash;           /* model_hash() as submitted: another content is CQ_STALE */
    const char *card;           /* JSON */
    int width, height;          /* of the input */
    struct engine_model *const *others;  /* n_others loaded ones to share with; entries may be NULL */
    int n_others;
    int max_batch;
    size_t memory_left;         /* bytes of device memory that there are */
    size_t memory_share;        /* of them, what it may take unless one frame needs more */
    const char *folder, *folder_label;  /* for artifacts; borrowed; "": nowhere */
    const struct choices *choices;      /* as session_params.choices */
};

/* Errors: the model's, the card's, the session's; CQ_OOM when not even one frame fits the limit. Logged. */
enum cq_err engine_model_create(struct cq_log *log, struct device *dev, const struct engine_model_params *params,
                                struct engine_model **out);
void engine_model_destroy(struct engine_model **m);
/* The same model and card as `params` say, whatever the size. */
bool engine_model_is_like(const struct engine_model *m, const struct engine_model_params *params);
bool engine_model_shares(const struct engine_model *a, const struct engine_model *b);

int engine_model_max_batch(const struct engine_model *m);
bool engine_model_batchable(const struct engine_model *m);
double engine_model_flops(const struct engine_model *m);   /* of one frame */
/* Bytes of device memory, at the largest batch, with all that it shares. */
size_t engine_model_bytes(const struct engine_model *m);
size_t engine_model_frame_bytes_needed(const struct engine_model *m);   /* of device memory, for one frame */
int64_t engine_model_frame_bytes(const struct engine_model *m);  /* pixels of one frame */

/* session_tune() for batches of max_batch. Plans are made anew afterwards, with what the choices then say. */
enum cq_err engine_model_tune(struct engine_model *m, struct session_tuning how);

/* Runs batch->items, whose pixels are pixels[i]. Fills everything of `out` but id and lane; blobs and messages
 * point into the model, until its next run. CQ_OK also when out->err is CQ_OOM or single answers failed;
 * CQ_OOM, CQ_DEVICE and others: the device is not to be used any more. */
enum cq_err engine_model_run(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                             struct msg_result *out);

/* Lets the device begin with a batch while the one before is still looked at; false where that cannot be, which
 * changes nothing. What was started is finished in the same order, with the same batch and pixels; when something
 * happened to it, it is run again as engine_model_run does, which can take what was started after it along. */
bool engine_model_start(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels);
enum cq_err engine_model_finish(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                                struct msg_result *out);

#endif
