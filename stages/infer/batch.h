/* Where the batch sits in a tensor, and shapes that were written for another batch size.
 *
 * A dimension that differs from the one found at the exported batch size holds the batch as its outer factor.
 * A reshape moves no data, so the batch keeps its place in the flattened order: [before][batch][after]. From
 * `before` follows which dimension of the new shape must grow; that covers channel shuffles, which fold the
 * batch into a dimension of channels and take it out again. What this cannot know (a constant that should
 * grow, an index into the batch) the session's self-check finds.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_INFER_BATCH_H
#define CLIPQ_STAGES_INFER_BATCH_H

#include "stages/infer/lower.h"

struct batch_place {
    int dim;            /* which dimension holds the batch */
    int64_t factor;     /* how much larger it is than as exported */
    int64_t before;     /* product of the dimensions in front of it */
};

/* False where the node's i-th input does not grow with the batch, or while base shapes are being found. */
bool batch_find(const struct lower *c, int i, struct batch_place *out);

/* The shape that the node's first output had as exported, grown where its first input has the batch; false
 * when batch_find says no. */
bool batch_reshape(const struct lower *c, struct tensor_desc *out);

#endif
