/* From coded pixels to what a viewer sees: the display matrix read as turn and mirror, and the display size.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_MEDIA_ORIENT_H
#define CLIPQ_STAGES_MEDIA_ORIENT_H

#include <stdbool.h>
#include <stdint.h>

/* matrix: the nine numbers of ISO/IEC 14496-12 (8.3.2), in the machine's byte order. A viewer flips the picture
 * left-right when *mirrored, then turns it *rotation degrees clockwise: 0, 90, 180, 270. Angles between are rounded;
 * a matrix that cannot be inverted leaves the picture as it is. */
void orient_read(const int32_t matrix[9], int *rotation, bool *mirrored);

/* Width and height as seen, at least 1. The sample aspect changes the coded width, as players do it; an unknown (0)
 * or absurd one is taken for 1. */
void orient_display_size(int coded_w, int coded_h, int sar_num, int sar_den, int rotation, int *w, int *h);

#endif
