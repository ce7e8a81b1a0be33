/* What names an answer in the cache: 128 bits over the pixels that went into the model, and over all that made the
 * answer of them.
 *
 *     pixels   as they lie in the slot, hashed with a secret seed
 *     maker    the program itself (its kernels and decoders), the model's content, its card (precision, thresholds,
 *              suppression, limits, decoder, labels) and its input's size
 *     place    of the picture in the input and on the display: an answer is in display pixels, so that it is of use
 *              wherever a frame of the same pixels is shown in the same way, and is then the very same
 *
 * XXH3 is no cryptographic hash: who knew the seed could make a picture that passes for another. The seed is random,
 * and decoders, which untrusted clips may have taken over, never learn it; they hash nothing.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_CACHE_KEY_H
#define CLIPQ_RUNNER_CACHE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct cq_log;
struct geometry;
struct scale_target;

struct cache_key { uint64_t high, low; };

/* Of this program's file. */
enum cq_err cache_program(struct cq_log *log, struct cache_key *out);
struct cache_key cache_maker(uint64_t seed, const struct cache_key *program, const char *model_hash, const char *card,
                             const struct scale_target *target);
struct cache_key cache_pixels(uint64_t seed, const uint8_t *pixels, size_t bytes);
struct cache_key cache_key_of(uint64_t seed, const struct cache_key *maker, const struct cache_key *pixels,
                              const struct geometry *place);

#endif
