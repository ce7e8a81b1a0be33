/* What recognisers and card defaults ask of a model. */
#ifndef CLIPQ_STAGES_ANSWER_RECOGNISE_H
#define CLIPQ_STAGES_ANSWER_RECOGNISE_H

#include <stdbool.h>
#include <stdint.h>

struct model;
struct model_io;

/* An input that takes a picture: rank 4, float32 or float16, 1 or 3 channels. NCHW where both would fit. */
struct image_input {
    int channels;
    bool nhwc;
    int width, height;       /* 0 where the model leaves it open */
};

bool recognise_picture(const struct model_io *io, struct image_input *out);

/* The model's only input, when it takes a picture. False when it does not, or others stand beside it. */
bool recognise_image(const struct model *m, struct image_input *out);

bool recognise_op(const struct model *m, const char *op_type);

/* The output with that name, NULL when there is none. */
const struct model_io *recognise_output(const struct model *m, const char *name);

/* Class count of an output [N,C] or [N,C,1,1], 0 when it is no such thing. */
int64_t recognise_vector(const struct model_io *io);

#endif
