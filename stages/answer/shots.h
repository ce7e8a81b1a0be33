/* From a clip's scene embeddings, in presentation order, to shots and a signature. Streaming: state does not
 * grow with the clip, but for the shots found.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_ANSWER_SHOTS_H
#define CLIPQ_STAGES_ANSWER_SHOTS_H

#include "kernels/base/err.h"

struct shots;

struct shot {
    int first, last;           /* ordinals of the pushed frames, from 0, inclusive */
    double start_s, end_s;     /* times of these frames */
    float cut_score;           /* distance at the cut that opens it; 0 for the first */
};

enum { SIGNATURE_MAX = 512 };  /* floats */

struct signature {
    int dims;
    float v[SIGNATURE_MAX];    /* unit length */
    double duration_s;
};

enum cq_err shots_create(int dims, struct shots **out);
void shots_destroy(struct shots **s);
enum cq_err shots_push(struct shots *s, const float *embedding, double time_s);
/* After the last push. The array is owned by `s`. */
enum cq_err shots_end(struct shots *s, const struct shot **out, int *n);
void shots_signature(const struct shots *s, struct signature *out);

/* -1..1; at least SIGNATURE_DUPLICATE is a near-duplicate. */
double signature_similarity(const struct signature *a, const struct signature *b);
extern const double SIGNATURE_DUPLICATE;

#endif
