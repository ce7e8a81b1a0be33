/* Greedy non-maximum suppression, per class. */
#ifndef CLIPQ_STAGES_ANSWER_NMS_H
#define CLIPQ_STAGES_ANSWER_NMS_H

#include "stages/answer/answer.h"

/* Sorts by score, best first (ties by class, then position, so that the order is reproducible), drops every
 * box whose IoU with a kept box of the same class is above `iou`, keeps at most `max`. */
void nms(struct answer *a, double iou, int max);

#endif
