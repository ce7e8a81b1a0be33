/* Memory that is given back all at once: what a graphor a netis built from lives as long as the whole.
 *
 * Thread-safety: one thread at a time per pool.
 */
#ifndef CLIPQ_STAGES_INFER_POOL_H
#define CLIPQ_STAGES_INFER_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {
    struct pool_block *blocks;  /* newest first */
    size_t used;                /* of the newest block, bytes */
};

/* Zeroed, aligned for any type; NULL when memory is short or `count*size` does not fit. Freed by pool_finish. */
void *pool_alloc(struct pool *p, size_t count, size_t size);

/* A copy with a NUL behind it; NULL when memory is short. */
char *pool_text(struct pool *p, const void *data, size_t size);

void pool_finish(struct pool *p);

#endif
