/* The cache's tier on disk as a run uses it: answers are looked up on the thread that hashes, one round at a time, and
 * written behind, in batches, on another. Its first error ends it for this run, with one warning.
 *
 * Loop's thread only, but for work_cache_disk_find().
 */
#ifndef CLIPQ_RUNNER_WORK_CACHE_DISK_H
#define CLIPQ_RUNNER_WORK_CACHE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/cache_key.h"

struct work;
struct work_cache_disk;
struct work_lane;

/* NULL, told, when it cannot be used. */
struct work_cache_disk *work_cache_disk_create(struct work *w);
/* After the loop has come to rest; writes what is left. */
void work_cache_disk_destroy(struct work_cache_disk **d);
uint64_t work_cache_disk_seed(const struct work_cache_disk *d);

/* ---- the thread that hashes ---- */

/* Between begin and end; true: the answer was appended to `blob`. After an error it finds nothing any more. */
void work_cache_disk_begin(struct work_cache_disk *d);
bool work_cache_disk_find(struct work_cache_disk *d, const struct cache_key *key, int64_t now_ms, struct cq_buf *blob, double *cost_ms);
void work_cache_disk_end(struct work_cache_disk *d);

/* ---- the loop ---- */

bool work_cache_disk_is_on(const struct work_cache_disk *d);   /* NULL: no */
void work_cache_disk_settle(struct work_cache_disk *d);    /* after each round of finding */

/* Copied; what cannot be, or comes faster than the disk takes it, is not kept. */
void work_cache_disk_put(struct work_cache_disk *d, const struct cache_key *maker, const struct work_lane *lane, const struct cache_key *key,
                         const void *blob, size_t size, double cost_ms);
/* One use of an answer; `life` says whether it is to live longer for it. */
void work_cache_disk_used(struct work_cache_disk *d, const struct cache_key *maker, const struct work_lane *lane, const struct cache_key *key,
                          double saved_ms, bool life);
void work_cache_disk_tick(struct work_cache_disk *d);      /* writes when there is enough, or it has waited long enough */

#endif
