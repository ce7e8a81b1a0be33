/* What the files of the cache's tier on disk share. */
#ifndef CLIPQ_RUNNER_STORE_CACHE_IMPL_H
#define CLIPQ_RUNNER_STORE_CACHE_IMPL_H

#include "runner/store_cache.h"
#include "runner/store_sqlite.h"

/* A store of which only what statements need is used: path, connection, their cache. Its log is NULL, for errors come on
 * any thread; whoever gets a code tells. */
struct store_cache {
    struct store sql;
    int64_t seed;
};

int64_t store_cache_checksum(const struct cache_key *key, const void *blob, size_t size);

#endif
