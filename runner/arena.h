/* The shared memory that frames travel in: a memfd, mapped by decode workers and engines, cut into slots by
 * the supervisor, which owns the books and never looks at a pixel.
 *
 * Slots are cut first-fit from the low end, so that a run that needs few slots touches few pages. The size is
 * sealed: no process can shrink it under another one's feet.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_ARENA_H
#define CLIPQ_RUNNER_ARENA_H

#include <stdint.h>

#include "kernels/base/err.h"

struct arena;
struct cq_log;

enum { ARENA_ALIGN = 4096 };

enum cq_err arena_create(struct cq_log *log, int64_t bytes, struct arena **out);
void arena_destroy(struct arena **a);
int arena_fd(const struct arena *a);
int64_t arena_bytes(const struct arena *a);

/* A slot of at least `bytes` (> 0). CQ_AGAIN: no room now; CQ_INVALID: there will never be. */
enum cq_err arena_take(struct arena *a, int64_t bytes, int64_t *offset);
/* `offset` must be a slot in use. */
void arena_give(struct arena *a, int64_t offset);
int64_t arena_used(const struct arena *a);   /* bytes in slots */

/* A child's view of the whole, from the descriptor that it inherited. */
struct arena_view {
    uint8_t *base;
    int64_t bytes;
};
enum cq_err arena_map(struct cq_log *log, int fd, struct arena_view *out);
void arena_unmap(struct arena_view *v);
/* The slot's address, or NULL when it does not lie inside. */
uint8_t *arena_at(const struct arena_view *v, int64_t offset, int64_t bytes);

#endif
