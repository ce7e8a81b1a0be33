/* From a clip's scene embeddings, in presentation order, to shots and a signature. Streaming: the state does not
 * grow with the clip, but for the shots found.
 *
 * A cut is where the distance between neighbouring frames stands out: at least SHOT_CUT_DISTANCE, several times
 * the median of the frames around it, and not undone one frame later (a flash). Dissolves and fades are not
 * found. The measured scale on real footage: hard cuts 1.4 and more, hand-held motion below 0.5.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_ANSWER_SHOTS_H
#define CLIPQ_STAGES_ANSWER_SHOTS_H

#include "kernels/base/err.h"

struct shots;

struct shot {
    int first, last;           /* numbers of the pushed frames, from 0, inclusive */
    double start_s, end_s;     /* times of these frames */
    float cut_score;           /* distance at the cut that opens it; 0 for the first */
};

enum {
    SIGNATURE_PARTS = 3,       /* beginning, middle and end of the clip, a mean embedding each */
    SIGNATURE_MAX = 512        /* floats; dims*SIGNATURE_PARTS must not exceed it */
};

struct signature {
    int dims;                  /* of v, all parts together; 0: no frames */
    float v[SIGNATURE_MAX];
    double duration_s;         /* first to last frame */
};

enum cq_err shots_create(int dims, struct shots **out);
void shots_destroy(struct shots **s);
/* Times must not decrease. */
enum cq_err shots_push(struct shots *s, const float *embedding, double time_s);
/* Once, after the last push. The array is owned by `s`; *n is 0 only without frames. */
enum cq_err shots_end(struct shots *s, const struct shot **out, int *n);
void shots_signature(const struct shots *s, struct signature *out);

/* 0..1: exp(-d^2/(2*0.15^2)), d being the root mean square over the parts of the Euclidean distance between
 * their embeddings. 0 at once for other dims or durations that differ by more than a fifth (and a second).
 * Re-encoded and rescaled copies measured d <= 0.07, other minutes of one fixed camera 0.24, other scenes >= 0.9. */
double signature_similarity(const struct signature *a, const struct signature *b);

/* From here on two clips are near-duplicates: d < 0.114. */
extern const double SIGNATURE_DUPLICATE;

#endif
