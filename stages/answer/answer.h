/* What one model says about one frame, whatever kind of model it is.
 *
 * Engines make answers, messages carry them (answer_put / answer_get), the store writes them as rows.
 * Coordinates are display pixels, scores 0..1 unless a decoder says otherwise.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_ANSWER_ANSWER_H
#define CLIPQ_STAGES_ANSWER_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"

enum { ANSWER_MAX_POINTS = 17 };

struct detection {
    int class_id;
    float score;
    float x0, y0, x1, y1;                    /* display pixels */
    int n_points;
    float point[ANSWER_MAX_POINTS][2];       /* landmarks, display pixels */
};

struct classification {
    int class_id;
    float score;
};

/* A tensor or picture kept as a file beside the database. The engine writes the file, the row names it. */
struct artifact {
    char kind[8];                            /* "png" or "npy" */
    char name[64];                           /* the model's output */
    char shape[64];                          /* "672x672" or "1x3x80x80" */
    char path[512];                          /* relative to the database's folder */
};

/* builtin:scene: what the picture itself is like. */
struct quality {
    float sharpness;                         /* see stages/answer/scene.c for the scale */
    float exposure;                          /* mean luma 0..1 */
    float contrast;                          /* standard deviation of luma */
    float clipped_dark, clipped_bright;      /* shares of pixels 0..1 */
};

struct answer {
    struct detection *detections;            /* owned */
    int n_detections;
    struct classification *classes;          /* owned; best first */
    int n_classes;
    float *embedding;                        /* owned; dims floats */
    int dims;
    struct artifact *artifacts;              /* owned */
    int n_artifacts;
    int has_quality;
    struct quality quality;
};

void answer_finish(struct answer *a);        /* frees and zeroes */

/* Appending; CQ_NOMEM leaves the answer as it was. The arrays grow only through these. */
enum cq_err answer_add_detection(struct answer *a, const struct detection *d);
enum cq_err answer_add_class(struct answer *a, int class_id, float score);
enum cq_err answer_set_embedding(struct answer *a, const float *v, int dims);
enum cq_err answer_add_artifact(struct answer *a, const struct artifact *f);

void answer_put(struct cq_buf *b, const struct answer *a);
/* Fills a zeroed answer; on error it is empty and r->err is set. */
enum cq_err answer_get(struct cq_rd *r, struct answer *out);

#endif
