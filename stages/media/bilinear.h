/* Bilinear resizing of 8-bit pictures by two taps a direction, whatever the reduction.
 *
 * This is what the training pipelines of most detectors do (OpenCV's default): it aliases where a picture is
 * reduced a lot, and a model trained on that expects it. Weights have 11 bits, rounded once at the end, so that
 * a result is within one level of OpenCV's.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_MEDIA_BILINEAR_H
#define CLIPQ_STAGES_MEDIA_BILINEAR_H

#include <stdint.h>

#include "kernels/base/err.h"

struct bilinear;

/* Tables for one pair of sizes; pixels of 1 or 3 interleaved channels. */
enum cq_err bilinear_create(int src_w, int src_h, int dst_w, int dst_h, int channels, struct bilinear **out);
void bilinear_destroy(struct bilinear **b);

/* src: interleaved, rows `src_stride` bytes apart. dst: one plane per channel, rows `dst_stride` bytes apart. */
void bilinear_run(struct bilinear *b, const uint8_t *src, int src_stride, uint8_t *const dst[], int dst_stride);

#endif
