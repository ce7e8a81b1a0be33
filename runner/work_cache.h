/* Answers that are known already, and those to remember: what runner/cache_*.h do for a run. Loop's thread only.
 *
 * A frame's look begins here. Where the cache may know its answer, its pixels are hashed on a thread beside the loop's;
 * a hit becomes a row at once, and all else goes into its lane of the batcher. Whoever can write into a slot can change
 * what is hashed there: that gives its own clip a wrong answer, as wrong pixels do. What is remembered goes by the hash
 * that an engine made of its own copy of the pixels, the very ones that it inferred.
 */
#ifndef CLIPQ_RUNNER_WORK_CACHE_H
#define CLIPQ_RUNNER_WORK_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct frame_input;
struct msg_result;
struct work;

enum cq_err work_cache_create(struct work *w);
void work_cache_destroy(struct work *w);           /* after the loop has come to rest */
uint64_t work_cache_seed(const struct work *w);    /* of hashes that engines make */
void work_cache_turn(struct work *w);              /* sends on what has arrived */
void work_cache_tick(struct work *w);              /* looks at how much memory is left */
bool work_cache_asks(const struct work *w);        /* are frames here that may still go into batches? */
bool work_cache_keeps(struct work *w, int lane);   /* are its answers to be remembered? */
/* Remembers what a batch brought. */
void work_cache_keep(struct work *w, int lane, struct frame_input *const *inputs, const struct msg_result *m);

#endif
