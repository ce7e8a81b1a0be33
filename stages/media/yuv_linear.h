/* Planar 8-bit YUV to RGB or grey at another size by two taps a direction, in one pass.
 *
 * The picture is that of converting every pixel first, chroma being that of the sample a pixel lies in, and then taking
 * bilinear.h's taps, but for this: colours outside RGB's range are clipped after the taps and not before. Taps and
 * matrix are both linear, so nothing else changes, and only what the output needs is converted. Weights have 8 bits
 * down and 11 across; before clipping a result is within one level of the exact one.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_MEDIA_YUV_LINEAR_H
#define CLIPQ_STAGES_MEDIA_YUV_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct yuv_linear;

struct yuv_linear_params {
    int src_w, src_h, dst_w, dst_h;     /* 1..16384 */
    int chroma_shift_x, chroma_shift_y; /* log2 of how many pixels a chroma sample covers */
    const int *matrix;                  /* [4] of 16.16 bits, as swscale has them: of V in R, of U in B, less of U
                                         * and of V in G, chroma being 224 levels wide */
    bool full_range;                    /* all of them are 0..255, not 16..235 and 16..240 */
};

enum cq_err yuv_linear_create(const struct yuv_linear_params *params, struct yuv_linear **out);
void yuv_linear_destroy(struct yuv_linear **y);

/* src: Y, U, V. dst: planes G, B, R; or one alone, the second NULL: grey. Rows are that many bytes apart, of the source
 * also fewer than 0. */
void yuv_linear_run(struct yuv_linear *y, const uint8_t *const src[3], const int src_strides[3], uint8_t *const dst[3],
                    int dst_stride);

#endif
