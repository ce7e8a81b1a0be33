/* The contract of a tensor decoder: from a model's outputs to answers. One file each, one line in the registry.
 *
 * Thread-safety: a class is constant; decode() touches nothing but its arguments (and, for decoders that
 * write files, the folder named in the context).
 */
#ifndef CLIPQ_STAGES_ANSWER_DECODER_H
#define CLIPQ_STAGES_ANSWER_DECODER_H

#include "kernels/base/err.h"
#include "stages/answer/answer.h"
#include "stages/answer/card.h"
#include "stages/answer/geometry.h"

struct cq_log;
struct model;

enum { DECODE_MAX_OUTPUTS = 32 };

struct decode_frame {
    struct session_output outputs[DECODE_MAX_OUTPUTS];  /* this frame's part (session_output_image); in the model's order */
    const char *names[DECODE_MAX_OUTPUTS];              /* of the outputs */
    int n_outputs;
    const struct geometry *geometry;
    const struct card *card;
    const char *folder;                 /* where files may be written, exists; NULL: nowhere */
    const char *folder_label;           /* how the row names that folder */
    const char *stem;                   /* unique start of file names: "job-attempt-model-frame" */
    struct cq_log *log;
};

/* Where the only output has a cell's scores. */
struct score_place {
    bool planes;                        /* [1,values,cells], not [1,cells,values] */
    int first;                          /* the first of the scores, */
    int per_point;                      /* and how many values behind the last for each of card.keypoints */
    int gate;                           /* which value they are multiplied with; -1: none */
};

struct decoder_class {
    const char *name;                   /* "yolox" */
    const char *help;                   /* one line */
    bool files;                         /* its answers may name files, which belong to one job alone */
    bool clip_size;                     /* a model that leaves its size open is best served with the clip's */

    /* 0: not mine; 1..100: how sure. Fills `why` (size bytes) with one line when > 0. */
    int (*recognise)(const struct model *m, char *why, int size);

    /* Sets what this family of models takes: channels, fit, mean, scale, thresholds. Layout and channel count
     * are already set from the model, and the input size, which is 0 where neither the model nor the user
     * says it: then the family's usual size goes there. CQ_UNSUPPORTED: a variant that decode() cannot read. */
    enum cq_err (*defaults)(struct cq_log *log, const struct model *m, struct card *c);

    /* Optional: decode() drops every cell whose scores, times the gate, are all below card.threshold. Then it must do
     * with the others alone (output_cells). */
    const struct score_place *scores;

    /* `out` is zeroed. CQ_UNSUPPORTED: the outputs are not of the shape this decoder reads. */
    enum cq_err (*decode)(const struct decode_frame *f, struct answer *out);
};

/* Ends with NULL; "raw" comes last and recognises everything. */
extern const struct decoder_class *const decoder_classes[];
const struct decoder_class *decoder_find(const char *name);

/* What decode() needs of the outputs of a model with that card; false: all. */
bool decoder_candidates(const struct decoder_class *d, const struct card *c, struct session_candidates *out);

#endif
