/* A decode_frame by hand, for the tests of decoders. */
#ifndef CLIPQ_TESTS_ANSWER_FRAME_H
#define CLIPQ_TESTS_ANSWER_FRAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/answer/decoder.h"

struct test_frame {
    struct decode_frame frame;
    struct card card;
    struct geometry geometry;
};

/* A picture of display size, fitted into an input; decoder defaults are the caller's to change in t->card. */
static inline void test_frame_init(struct test_frame *t, const char *decoder, enum fit fit, int display_w,
                                   int display_h, int input_w, int input_h)
{
    *t = (struct test_frame) {.card = card_neutral()};
    t->geometry = geometry_fit(fit, display_w, display_h, input_w, input_h);
    snprintf(t->card.decoder, sizeof t->card.decoder, "%s", decoder);
    t->card.fit = fit;
    t->card.image.width = input_w;
    t->card.image.height = input_h;
    t->card.threshold = 0.3;
    t->card.nms = 0.45;
    t->frame.geometry = &t->geometry;
    t->frame.card = &t->card;
}

/* Zeroed float32 output; freed by test_frame_finish. Returns its numbers. */
static inline float *test_frame_output(struct test_frame *t, const char *name, int rank, const int64_t *dim)
{
    struct session_output *o = &t->frame.outputs[t->frame.n_outputs];
    t->frame.names[t->frame.n_outputs++] = name;
    o->desc = (struct tensor_desc) {.type = DT_F32, .rank = rank};
    for (int i = 0; i < rank; i++)
        o->desc.dim[i] = dim[i];
    float *data = calloc((size_t) tensor_elems(&o->desc), sizeof *data);
    assert_non_null(data);
    o->data = data;
    return data;
}

static inline enum cq_err test_frame_decode(struct test_frame *t, struct answer *out)
{
    *out = (struct answer) {0};
    return decoder_find(t->card.decoder)->decode(&t->frame, out);
}

static inline void test_frame_finish(struct test_frame *t)
{
    for (int i = 0; i < t->frame.n_outputs; i++)
        free((void *) t->frame.outputs[i].data);
}

#define DIMS(...) ((const int64_t[]) {__VA_ARGS__})

#define assert_box(d, X0, Y0, X1, Y1)         \
    do {                                      \
        assert_float_equal((d).x0, X0, 0.01); \
        assert_float_equal((d).y0, Y0, 0.01); \
        assert_float_equal((d).x1, X1, 0.01); \
        assert_float_equal((d).y1, Y1, 0.01); \
    } while (0)

#endif
