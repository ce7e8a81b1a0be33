/* Where the two taps of a bilinear resize lie on one axis.
 *
 * Pixel centres are at halves: output i looks at (i + 1/2)*src/dst - 1/2, clamped to the picture, as OpenCV does.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_MEDIA_LINEAR_TAPS_H
#define CLIPQ_STAGES_MEDIA_LINEAR_TAPS_H

enum { TAP_BITS = 11, TAP_ONE = 1 << TAP_BITS };

/* An output pixel lies between source pixels `low` and `high`, which are neighbours or the same. */
struct linear_tap {
    int low, high;
    int weight;          /* of high, of TAP_ONE */
};

/* `dst` of them, to be freed by the caller; NULL without memory. Sizes are >= 1. */
struct linear_tap *linear_taps(int src, int dst);

#endif
