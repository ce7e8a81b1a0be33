/* Addresses for tensors: who lives when, and where in the arena.
 *
 * Offsets are found greedily, the largest tensor first, each at the lowest address that is free for as long as
 * it lives (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Tensors that share
 * memory (share.h) get one place together. What a kernel needs as scratch lies in the same arena, for its one step.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_INFER_PLACE_H
#define CLIPQ_STAGES_INFER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/err.h"

struct net;
struct step;

enum {
    PLACE_ALIGN = 128,       /* bytes; of what has memory of its own */
    PLACE_PART_ALIGN = 16    /* of what lies within something larger; as kernel.h promises for tensors */
};

enum place_kind { PLACE_NOWHERE, PLACE_CONSTANT, PLACE_STAGING, PLACE_ARENA };

struct place {
    enum place_kind kind;
    int root;                /* the tensor whose memory this is */
    size_t offset;           /* in the staging buffer or in the arena */
};

/* What the kernel of a step allows and wants. */
struct place_wish {
    unsigned in_place;       /* kernel_class.in_place */
    bool takes_parts;        /* kernel_class.takes_parts */
    size_t scratch;          /* bytes */
};

struct placement {
    struct place *of;        /* per tensor; owned */
    size_t *scratch;         /* per step: offset in the arena; owned */
    bool *skip;              /* per step: its results are where they belong without it; owned */
    size_t arena_bytes, staging_bytes;
    size_t bound_bytes;      /* no arena can be smaller: the largest sum of what is alive during one step */
};

/* Is the step only another look at the same memory, whatever its place? Such a step is not run. */
bool place_is_view(const struct step *s);

/* No tensor crosses a multiple of `segment` bytes in the arena (0: no such limit). `wishes` has one entry per step,
 * or is NULL. CQ_OOM when a tensor is larger than a segment; CQ_NOMEM. */
enum cq_err place_tensors(const struct net *net, const struct place_wish *wishes, size_t segment,
                          struct placement *out);
void placement_finish(struct placement *p);

#endif
