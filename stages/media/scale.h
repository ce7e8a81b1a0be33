/* Scales a decoded frame into a model's input: 8-bit interleaved, letterboxed or stretched, upright.
 *
 * Sample aspect, rotation, mirroring, colour matrix and range of the frame are applied, so that what lands in
 * the input is what a viewer sees.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_MEDIA_SCALE_H
#define CLIPQ_STAGES_MEDIA_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "stages/answer/card.h"
#include "stages/answer/geometry.h"

struct clip_frame;
struct cq_log;
struct scaler;

struct scale_target {
    int width, height;               /* of the model's input */
    enum channel_order channels;     /* RGB, BGR (3 bytes a pixel) or GRAY (1) */
    enum fit fit;
    enum resample resample;
    int pad;                         /* 0..255 */
};

/* Bytes of one frame at the model's input. */
int64_t scale_bytes(const struct scale_target *t);

enum cq_err scaler_create(struct cq_log *log, const struct scale_target *target, int rotation, bool mirrored,
                          struct scaler **out);
void scaler_destroy(struct scaler **s);

/* dst: scale_bytes() long. *geometry tells where the picture went; it may change within a clip. */
enum cq_err scaler_run(struct scaler *s, const struct clip_frame *frame, uint8_t *dst, struct geometry *geometry);

#endif
