/* Where the batch sits in a tensor, and shapes that were written for another batch size.
 *
 * A dimension that differs from the one found at the exported batch size holds the batch. Inside of it the batch
 * comes first, as in [batch*heads, ...], or lies behind other elements, as in [tokens*batch, features]; which of
 * them, shapes alone do not tell, so tensors carry it (struct tensor, batch_inner) from the reshape that folded the
 * batch to the one that takes it out.
 *
 * A reshape moves no data, so the batch keeps its place in the flattened order: [before][batch][after]. From
 * `before` follows which dimension of the new shape must grow; that covers channel shuffles, attention's heads and
 * window partitions. Where two dimensions may, a good guess is made. What this cannot know (a constant that
 * should grow, an index into the batch), and where it guesses wrong, the session's self-check finds.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_INFER_BATCH_H
#define CLIPQ_STAGES_INFER_BATCH_H

#include "stages/infer/lower.h"

struct batch_place {
    int dim;            /* which dimension holds the batch */
    int64_t factor;     /* how much larger it is than as exported */
    int64_t inner;      /* elements of this dimension, as exported, that belong to one image of a batch */
    int64_t before;     /* elements in front of the batch in the flattened order, as exported */
};

/* Whether constants grow at all: not while the base shapes are being found, nor in a file for any batch. */
bool batch_rewrites(const struct lower *c);

/* False where the node's i-th input does not grow with the batch. */
bool batch_find(const struct lower *c, int i, struct batch_place *out);

/* False when the node's i-th input is a constant that was worked out from the batch size, or is not known; true
 * when it is the same number for every batch, or left out. */
bool batch_baked(const struct lower *c, int i);

/* The node's i-th input as it was exported; DT_NONE where nothing is known about that. */
struct tensor_desc batch_base(const struct lower *c, int i);

/* The shape that the node's first output had as exported, grown where its first input has the batch; false
 * when batch_find says no. `as_written`, if given, is taken where it is one of the ways to grow. */
bool batch_reshape(const struct lower *c, const struct tensor_desc *as_written, struct tensor_desc *out,
                   int64_t *inner);

/* After a node is lowered: results whose dimension with the batch is that of an input hold it in the same way. */
void batch_inherit(const struct lower *c);

#endif
