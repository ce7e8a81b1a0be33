/* Which tensors share memory, and how long each piece of memory is needed; addresses come later (place.c).
 *
 * Three things put a tensor into memory that is not its own:
 *   - it is another look at it: a reshape, or a part cut out of consecutive bytes (Split, Slice);
 *   - a Concat's inputs lie in the result one behind the other, where nothing outer cuts them into pieces: they are made
 *     there, and nothing remains to be joined. An input may be part of something whose rest is no longer needed when
 *     the inputs beside it are made: of two halves that one convolution makes, one waits and the other is worked on;
 *   - a kernel may write its result over an input that nobody reads any more.
 * Each is a link to a root and an offset within it. A root lives from the first time that any of it is written to the
 * last time that any of it is read.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_INFER_SHARE_H
#define CLIPQ_STAGES_INFER_SHARE_H

#include "stages/infer/place.h"

struct life {
    int first, last;         /* steps between which it must keep its contents */
    size_t bytes;            /* a multiple of PLACE_ALIGN, not 0 */
};

/* Bytes rounded up to PLACE_ALIGN. */
size_t share_aligned(size_t bytes);

/* Fills of[] (offsets are within the root, or within the staging buffer for roots of inputs), skip[] and staging_bytes
 * of `p`, and `lives` of the roots; all arrays are the caller's. `wishes` may be NULL: then kernels allow nothing. */
void share_find(const struct net *net, const struct place_wish *wishes, struct placement *p, struct life *lives);

#endif
