/* The input's size where it is the clip's. */
#include <stdio.h>

#include "stages/answer/card.h"

/* What most convolutional networks halve their input by, five times two. */
enum { USUAL_STRIDE = 32 };

bool card_follows_clip(const struct card *c)
{
    return !c->image.width || !c->image.height;
}

static int stride_of(const struct card *c)
{
    return c->stride ? c->stride : USUAL_STRIDE;
}

/* `size` pixels in whole strides: at least one, at most `most` pixels. */
static int in_strides(const struct card *c, double size, int most)
{
    int stride = stride_of(c);
    double strides = size / stride + (c->fit == FIT_STRETCH ? 0.5 : 1 - 1e-6);
    int limit = most / stride > 1 ? most / stride : 1;
    int n = strides < 1 ? 1 : strides > limit ? limit : (int) strides;
    return n * stride;
}

void card_size_for(const struct card *c, int display_w, int display_h, int *width, int *height)
{
    double w = display_w, h = display_h;
    int longer = display_w > display_h ? display_w : display_h;
    double scale = longer > c->max_size ? (double) c->max_size / longer : 1;
    if (c->image.width)
        scale = c->image.width / w;
    else if (c->image.height)
        scale = c->image.height / h;
    *width = c->image.width ? c->image.width : in_strides(c, w * scale, c->max_size);
    *height = c->image.height ? c->image.height : in_strides(c, h * scale, c->max_size);
}

char *card_size_text(const struct card *c, char out[CARD_SIZE_TEXT])
{
    char known[32] = "";
    if (!card_follows_clip(c))
        snprintf(out, CARD_SIZE_TEXT, "%dx%d", c->image.width, c->image.height);
    else if (c->image.width)
        snprintf(known, sizeof known, "width %d, height ", c->image.width);
    else if (c->image.height)
        snprintf(known, sizeof known, "height %d, width ", c->image.height);
    if (card_follows_clip(c))
        snprintf(out, CARD_SIZE_TEXT, "%sof the clip, in steps of %d up to %d", known, stride_of(c), c->max_size);
    return out;
}
