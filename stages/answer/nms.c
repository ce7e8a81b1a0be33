/* Greedy non-maximum suppression.
 *
 * Sorting is O(n log n); then each box is held against the kept boxes only, so the cost is n*kept. The order
 * is total up to equal boxes, and equal boxes suppress each other: which of them stays cannot be seen.
 */
#include "stages/answer/nms.h"

#include <stdlib.h>

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

static int better_first(const void *left, const void *right)
{
    const struct detection *a = left, *b = right;
    int order = COMPARE(b->score, a->score);
    if (!order)
        order = COMPARE(a->class_id, b->class_id);
    if (!order)
        order = COMPARE(a->y0, b->y0);
    if (!order)
        order = COMPARE(a->x0, b->x0);
    if (!order)
        order = COMPARE(a->y1, b->y1);
    return order ? order : COMPARE(a->x1, b->x1);
}

static double overlap(const struct detection *a, const struct detection *b)
{
    double w = (double) (a->x1 < b->x1 ? a->x1 : b->x1) - (a->x0 > b->x0 ? a->x0 : b->x0);
    double h = (double) (a->y1 < b->y1 ? a->y1 : b->y1) - (a->y0 > b->y0 ? a->y0 : b->y0);
    if (w <= 0 || h <= 0)
        return 0;
    double area_a = (double) (a->x1 - a->x0) * (a->y1 - a->y0);
    double area_b = (double) (b->x1 - b->x0) * (b->y1 - b->y0);
    return w * h / (area_a + area_b - w * h);
}

static int is_suppressed(const struct detection *d, const struct detection *kept, int n_kept, double iou)
{
    for (int i = 0; i < n_kept; i++)
        if (kept[i].class_id == d->class_id && overlap(&kept[i], d) > iou)
            return 1;
    return 0;
}

void nms(struct answer *a, double iou, int max)
{
    if (!a->n_detections)
        return;
    qsort(a->detections, (size_t) a->n_detections, sizeof *a->detections, better_first);

    int kept = 0;
    for (int i = 0; i < a->n_detections && kept < max; i++)
        if (iou >= 1 || !is_suppressed(&a->detections[i], a->detections, kept, iou))
            a->detections[kept++] = a->detections[i];
    a->n_detections = kept;
}
