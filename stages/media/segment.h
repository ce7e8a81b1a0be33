/* A piece of a clip that can be decoded by itself and gives exactly the frames that decoding the whole would give there.
 *
 * Found by listing the packets (scan.h) and by playing the sampler over their times, before anything is decoded: so each
 * piece knows the numbers of its first frame, what the sampler had seen until then, and what must come out of it. Where
 * something else comes out (damage, frames that packets do not tell of) the prediction for all pieces is void and the
 * clip is to be decoded whole.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_MEDIA_SEGMENT_H
#define CLIPQ_STAGES_MEDIA_SEGMENT_H

#include <stdint.h>

#include "stages/media/sample.h"

struct scan;

enum { SEGMENTS_MAX = 256 };      /* of one clip */

struct segment {
    double from_s, to_s;          /* about, from the clip's first frame */
    int64_t from_pts;             /* of the key packet it begins with; INT64_MIN: the clip's first packet */
    int64_t to_pts;               /* of the one that the next begins with; INT64_MAX: to the end */
    int64_t first_ordinal;        /* of its first frame; -1: unknowable */
    int64_t first_seq;            /* frames sampled before it */
    struct sampler_state sampler; /* before its first frame */

    /* What must come out. */
    int64_t frames;               /* decoded or left out */
    uint64_t digest;              /* of their times, segment_digest() of each added up */
    int64_t sampled;
};

uint64_t segment_digest(int64_t pts);

/* How finely to cut. */
struct segment_wish {
    double longest_s;             /* about; a clip (or its sampled range) that is not longer stays whole */
    int at_once;                  /* pieces that can be decoded at the same time: their number is a multiple of it */
};

/* Pieces of about equal numbers of frames, none much shorter than a tenth of `longest_s`, in order; what lies wholly
 * outside from..to is in none. Fills up to SEGMENTS_MAX. Fewer than 2: not to be split. -1 without memory. */
int segments_plan(const struct scan *s, const struct sample_spec *spec, const struct segment_wish *wish, struct segment *out);

#endif
