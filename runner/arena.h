/* The shared memory that frames travel in, cut into slots by the supervisor, which owns the books. It looks
 * at pixels only to hash them.
 *
 *     decode worker 0 ── writes ──> part 0 ─┐
 *     decode worker 1 ── writes ──> part 1 ─┼── read only ──> engines (runner/arena_view.h)
 *
 * Each decode worker has a part, a memfd that no other one has a descriptor of: whoever takes a worker over reaches the
 * slots of that worker and no others. All parts are as large as the arena, and all slots together never take more than
 * that, so a worker alone may have all of it; memory that nobody uses is given back to the system when the parts
 * together hold more than the arena is to.
 *
 * Slots are cut first-fit from the low end, so that a run that needs few slots touches few pages. Sizes are sealed: no
 * process can shrink a part under another one's feet.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_ARENA_H
#define CLIPQ_RUNNER_ARENA_H

#include <stdint.h>

#include "kernels/base/err.h"

struct arena;
struct cq_log;

enum { ARENA_ALIGN = 4096, ARENA_PARTS = 256 /* at most */ };

/* One for each processor that this process may use, as far as that many may be. */
int arena_usual_parts(void);

enum cq_err arena_create(struct cq_log *log, int64_t bytes, int parts, struct arena **out);
void arena_destroy(struct arena **a);
int64_t arena_bytes(const struct arena *a);
int arena_parts(const struct arena *a);

int arena_fd(const struct arena *a, int part);   /* to read and write */
/* Of all parts in turn, to read only. The caller closes them with arena_close_readers(). */
enum cq_err arena_open_readers(struct cq_log *log, const struct arena *a, int fds[ARENA_PARTS]);
void arena_close_readers(const struct arena *a, const int fds[ARENA_PARTS]);

/* A slot of at least `bytes` (> 0) in that part, named by one number among all parts. CQ_AGAIN: no room now;
 * CQ_INVALID: there will never be. */
enum cq_err arena_take(struct arena *a, int part, int64_t bytes, int64_t *slot);
/* `slot` must be in use. */
void arena_give(struct arena *a, int64_t slot);
/* The bytes of a slot from `offset` of it on, to read; NULL: they cannot be mapped. Who wrote them may still do so. */
const uint8_t *arena_look(struct arena *a, int64_t slot, int64_t offset);
int64_t arena_offset(const struct arena *a, int64_t slot);   /* its name for the part's own worker */
int64_t arena_used(const struct arena *a);       /* bytes in slots */
int64_t arena_touched(const struct arena *a);    /* bytes of memory that were in slots and not given back, at most */

#endif
