/* The decoders themselves, for the registry only; each is described in its own file. */
#ifndef CLIPQ_STAGES_ANSWER_DECODERS_H
#define CLIPQ_STAGES_ANSWER_DECODERS_H

#include "stages/answer/decoder.h"

extern const struct decoder_class decoder_yolox;
extern const struct decoder_class decoder_yunet;
extern const struct decoder_class decoder_ultraface;
extern const struct decoder_class decoder_fastestdet;
extern const struct decoder_class decoder_yolov8;
extern const struct decoder_class decoder_rows;
extern const struct decoder_class decoder_lists;
extern const struct decoder_class decoder_detr;
extern const struct decoder_class decoder_selected;
extern const struct decoder_class decoder_classification;
extern const struct decoder_class decoder_embedding;
extern const struct decoder_class decoder_image;
extern const struct decoder_class decoder_scene;
extern const struct decoder_class decoder_raw;

#endif
