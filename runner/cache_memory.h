/* The cache's tier in memory: answers as bytes, by key, within a budget; runner/cache_policy.h says which stay.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_CACHE_MEMORY_H
#define CLIPQ_RUNNER_CACHE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/cache_key.h"
#include "runner/cache_policy.h"

struct cache_memory;

struct cache_found {
    const void *blob;           /* until the next call */
    size_t size;
    double cost_ms;             /* that computing it took */
    bool proved;                /* its life was prolonged by this use */
};

/* `budget`: bytes in all, book-keeping included. */
enum cq_err cache_memory_create(int64_t budget, int64_t ttl_ms, struct cache_memory **out);
void cache_memory_destroy(struct cache_memory **m);
int64_t cache_memory_bytes(const struct cache_memory *m);    /* taken */
int cache_memory_entries(const struct cache_memory *m);
int64_t cache_memory_evictions(const struct cache_memory *m);   /* so far, for want of room */

/* An answer in use once more; false: it is not there, or its time is over. */
bool cache_memory_use(struct cache_memory *m, const struct cache_key *key, int64_t now_ms, struct cache_found *out);
/* Copied. In the place of what has that key. What does not fit, or cannot be allocated, is not kept. */
void cache_memory_put(struct cache_memory *m, const struct cache_key *key, const void *blob, size_t size, double cost_ms,
                      int64_t now_ms);
/* Another budget from now on; what does not fit any more goes. */
void cache_memory_limit(struct cache_memory *m, int64_t budget);

#endif
