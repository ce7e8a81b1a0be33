/* The arena (runner/arena.h) as children see it: a decode worker its own part, to write; an engine all parts, to read.
 *
 * Numbers of slots come in messages, so they are asked before they are believed.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_ARENA_VIEW_H
#define CLIPQ_RUNNER_ARENA_VIEW_H

#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/arena.h"

struct cq_log;

/* ---- a worker's part ---- */

struct arena_view {
    uint8_t *base;
    int64_t bytes;
};

/* Takes over `fd`, and closes it: what is mapped is enough. */
enum cq_err arena_map(struct cq_log *log, int fd, struct arena_view *out);
void arena_unmap(struct arena_view *v);
/* The slot's address, or NULL when it does not lie inside. */
uint8_t *arena_at(const struct arena_view *v, int64_t offset, int64_t bytes);

/* ---- an engine's look at all of them ---- */

struct arena_reader {
    struct cq_log *log;         /* borrowed */
    int first_fd, n;            /* one descriptor after the other, owned */
    int64_t bytes;              /* of each part */
    const uint8_t *parts[ARENA_PARTS];  /* mapped when first read from */
};

/* How many parts a child has inherited, from that descriptor on. */
int arena_count(int first_fd);
enum cq_err arena_reader_init(struct cq_log *log, int first_fd, struct arena_reader *out);
void arena_reader_finish(struct arena_reader *r);
/* NULL when it does not lie inside a part, or cannot be mapped. */
const uint8_t *arena_read(struct arena_reader *r, int64_t slot, int64_t bytes);

#endif
