/* Preprocessing that several families of models share, for the decoders' defaults. A model with one channel
 * gets grey whatever `order` says. */
#ifndef CLIPQ_STAGES_ANSWER_DEFAULTS_H
#define CLIPQ_STAGES_ANSWER_DEFAULTS_H

#include "stages/answer/card.h"

void defaults_raw(struct card *c, enum channel_order order);    /* 0..255 as it is */
void defaults_unit(struct card *c, enum channel_order order);   /* 0..1 */
/* torchvision's ImageNet models: RGB 0..1, minus mean 0.485 0.456 0.406, over 0.229 0.224 0.225. Grey: 0..1. */
void defaults_imagenet(struct card *c);
/* Per channel in units of 0..255: x = (u8 - mean)*scale. */
void defaults_colours(struct card *c, enum channel_order order, const float mean[3], const float scale[3]);
/* Where the size is still open. */
void defaults_size(struct card *c, int width, int height);

#endif
