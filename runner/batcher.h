/* Forms batches of frames across clips, one lane per (model, input shape).
 *
 * A batch is due when it is as large as the asking engine takes, when its oldest frame has waited long
 * enough, or when nothing more can come (everybody waits for a slot). Of several due lanes the one with the
 * oldest frame goes first, so that no lane starves.
 *
 * Pure: it looks at no clock and owns none of the items.
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BATCHER_H
#define CLIPQ_RUNNER_BATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

enum { BATCHER_LANES = 64, BATCHER_MAX = 256 /* frames in a batch */ };

/* Embedded in what waits; in one lane at most. */
struct batch_item {
    struct batch_item *next;
    int64_t since_ns;           /* when it came; kept when it is put back */
};

struct batcher_lane {
    struct batch_item *first, *last;
    int count;
};

struct batcher {
    int64_t max_wait_ns;
    struct batcher_lane lanes[BATCHER_LANES];
};

/* As a plain list, in order. */
void batcher_lane_add(struct batcher_lane *l, struct batch_item *item);
/* Takes out every item that `drop` says yes to, calling it once for each. */
void batcher_lane_remove(struct batcher_lane *l, bool (*drop)(void *ctx, struct batch_item *item), void *ctx);

void batcher_add(struct batcher *b, int lane, struct batch_item *item, int64_t now_ns);
/* Back to the front, after a batch was lost; `items` in the order they had. */
void batcher_put_back(struct batcher *b, int lane, struct batch_item *const *items, int n);
/* Takes out as above. */
void batcher_remove(struct batcher *b, int lane, bool (*drop)(void *ctx, struct batch_item *item), void *ctx);

struct batcher_ask {
    int64_t now_ns;
    const int *limit;           /* [BATCHER_LANES] largest batch; 0: this engine does not serve the lane */
    bool flush;                 /* nothing more can come: waiting is of no use */
};

/* How large the batch would be that batcher_take() would give, and its lane. 0: none is due. */
int batcher_look(const struct batcher *b, const struct batcher_ask *ask, int *lane);
/* A due batch: its items, oldest first, at most `limit` of the lane, and the lane. 0: none is due. */
int batcher_take(struct batcher *b, const struct batcher_ask *ask, struct batch_item **items, int *lane);

/* Nanoseconds until the oldest waiting frame makes its lane due, >= 0; -1 when nothing waits. */
int64_t batcher_due_in(const struct batcher *b, int64_t now_ns);
int batcher_count(const struct batcher *b);

#endif
