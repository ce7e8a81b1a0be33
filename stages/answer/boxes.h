/* What detectors share: reading output tensors safely, and turning boxes in input pixels into rows.
 *
 *     struct boxes b = boxes_begin(frame, out);
 *     boxes_add(&b, &d);  ...
 *     return boxes_end(&b);
 *
 * The first error sticks and comes back from boxes_end().
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_ANSWER_BOXES_H
#define CLIPQ_STAGES_ANSWER_BOXES_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/answer/decoder.h"

enum { ANY = -1 };

/* Output `i` as floats when it is float32 with exactly these dimensions (ANY fits all), else NULL. */
const float *output_floats(const struct decode_frame *f, int i, int rank, const int64_t *dim);

/* Cells of a detector's output of float32: all of them, or those that may be boxes (decoder_class.scores). */
struct cells {
    const float *v;            /* [n][values], or with `planes` [values][n] */
    int64_t n, values;         /* n may be 0 */
    const int32_t *number;     /* of each cell, ascending; NULL: 0, 1, .. */
};

/* The only output, [1,n,values] or, with `planes`, [1,values,n], where the model's has `all` cells (ANY fits all). False
 * when it is something else. */
bool output_cells(const struct decode_frame *f, bool planes, int64_t all, struct cells *out);
int64_t cell_number(const struct cells *c, int64_t i);

/* The only output, [1,n] or [1,n,1,1], as *n floats (at most INT32_MAX); NULL when it is something else. */
const float *output_vector(const struct decode_frame *f, int *n);

/* Output `i` as *n rows of `width` float32: [n,width] or [1,n,width], where n may be 0. */
bool output_rows(const struct decode_frame *f, int i, int width, int64_t *n);
/* Output `i` as *n numbers of any type: [n] or [1,n], where n may be 0. */
bool output_list(const struct decode_frame *f, int i, int64_t *n);
/* Number `i` of an output of float32, int32 or int64; NaN of another type. */
double output_number(const struct session_output *o, int64_t i);

bool floats_finite(const float *v, int n);

/* Index of the output with that name, -1 when there is none. */
int output_index(const struct decode_frame *f, const char *name);

/* Logs what came and what was awaited; always CQ_UNSUPPORTED, so that a decoder can return it. */
enum cq_err output_mismatch(const struct decode_frame *f, const char *awaited);

/* Cells of the anchor-free grids over a width*height input: sum of (width/s)*(height/s), s = 8, 16, 32. */
int64_t grid_cells(int width, int height);

struct boxes {
    const struct decode_frame *frame;
    struct answer *out;
    int not_finite;        /* boxes dropped because of NaN or infinity */
    enum cq_err err;
};

struct boxes boxes_begin(const struct decode_frame *f, struct answer *out);

/* `d` is in pixels of the model's input. Dropped: a score below the card's threshold, anything not finite, a
 * box of less than a thousandth of a pixel once it is cut to the picture. Landmarks are not cut. */
void boxes_add(struct boxes *b, const struct detection *d);

/* The same for a box as the model gives it: four numbers in the order and unit that the card says. */
void boxes_add_as_told(struct boxes *b, const float box[4], float score, int class_id);

/* Box given by centre and size. */
void box_centred(struct detection *d, float cx, float cy, float w, float h);

/* Suppresses, limits, and says how many boxes were not finite. */
enum cq_err boxes_end(struct boxes *b);

#endif
