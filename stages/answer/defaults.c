/* Colours and sizes in the usual forms. */
#include "stages/answer/defaults.h"

void defaults_colours(struct card *c, enum channel_order order, const float mean[3], const float scale[3])
{
    c->channels = c->image.channels == 1 ? CHANNELS_GRAY : order;
    for (int i = 0; i < c->image.channels; i++) {
        c->image.mean[i] = mean[i];
        c->image.scale[i] = scale[i];
    }
}

void defaults_raw(struct card *c, enum channel_order order)
{
    defaults_colours(c, order, (const float[]) {0, 0, 0}, (const float[]) {1, 1, 1});
}

void defaults_unit(struct card *c, enum channel_order order)
{
    const float s = 1 / 255.0f;
    defaults_colours(c, order, (const float[]) {0, 0, 0}, (const float[]) {s, s, s});
}

void defaults_imagenet(struct card *c)
{
    static const float mean[] = {255 * 0.485f, 255 * 0.456f, 255 * 0.406f};
    static const float scale[] = {1 / (255 * 0.229f), 1 / (255 * 0.224f), 1 / (255 * 0.225f)};
    if (c->image.channels == 1)
        defaults_unit(c, CHANNELS_GRAY);
    else
        defaults_colours(c, CHANNELS_RGB, mean, scale);
}

void defaults_size(struct card *c, int width, int height)
{
    if (!c->image.width)
        c->image.width = width;
    if (!c->image.height)
        c->image.height = height;
}
