/* The packets of a clip, listed without decoding any: times, and where decoding can begin.
 *
 * Thread-safety: pure but for reading the file.
 */
#ifndef CLIPQ_STAGES_MEDIA_SCAN_H
#define CLIPQ_STAGES_MEDIA_SCAN_H

#include <stdint.h>

#include "kernels/base/err.h"

struct source_want;

enum { SCAN_PACKETS_MAX = 1 << 22 };   /* 19 hours at 60 frames a second: 32 MiB */

struct scan {
    double tb;             /* seconds per unit of pts */
    int64_t *pts;          /* owned, [n]: of packets that show a frame, in the order of decoding */
    int n;
    int *cuts;             /* owned, [n_cuts]: rising numbers in `pts`, above 0, of key packets. All before one are shown
                            * before it, it and all after it refer to none before it. */
    int n_cuts;
    char why[160];         /* why it cannot be cut, "" when it can */
};

/* CQ_OK also for a clip that cannot be cut, `why` being set: packets without times, read errors, a file shorter than it
 * should be, codecs whose key frames are not known to stand alone. CQ_NOMEM. `tick` (may be NULL) is called now and then
 * with the number of packets so far. scan_finish() is due in every case. */
enum cq_err scan_clip(const struct source_want *want, void (*tick)(void *ctx, int64_t packets), void *ctx, struct scan *out);
void scan_finish(struct scan *s);

#endif
