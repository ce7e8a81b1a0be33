/* An engine's own copy of the pixels of a batch, with their hashes.
 *
 * An answer that is kept for other clips must be that of the pixels whose hash is its name, and decoders can still write
 * where these lie: so the copy is what is hashed and what is inferred.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_BATCH_PIXELS_H
#define CLIPQ_RUNNER_BATCH_PIXELS_H

#include <stddef.h>
#include <stdint.h>

#include "runner/batcher.h"
#include "runner/cache_key.h"

struct msg_result;

/* Zeroed: no batch yet. */
struct batch_pixels {
    uint8_t *copy;              /* owned */
    size_t room;                /* bytes of it */
    int n;                      /* hashes; 0: there was no memory for the copy, or no wish for it */
    struct cache_key hashes[BATCHER_MAX];
};

/* Copies n times `bytes`, and makes `pixels` point to the copies; without memory for that they stay as they are. */
void batch_pixels_take(struct batch_pixels *b, uint64_t seed, const uint8_t **pixels, int n, size_t bytes);
void batch_pixels_skip(struct batch_pixels *b);    /* a batch without hashes */
/* Says in the answers which pixels they are of. */
void batch_pixels_tell(const struct batch_pixels *b, struct msg_result *m);
void batch_pixels_finish(struct batch_pixels *b);

#endif
