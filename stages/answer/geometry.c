/* Where a picture lies in a model's input, and the way back. */
#include "stages/answer/geometry.h"

/* a*b/c rounded to nearest, at least 1. */
static int scaled(int a, int b, int c)
{
    long long v = ((long long) a * b + c / 2) / c;
    return v < 1 ? 1 : (int) v;
}

struct geometry geometry_fit(enum fit fit, int display_w, int display_h, int input_w, int input_h)
{
    struct geometry g = {
        .display_w = display_w, .display_h = display_h,
        .input_w = input_w, .input_h = input_h,
        .w = input_w, .h = input_h,
    };
    if (fit == FIT_STRETCH || display_w < 1 || display_h < 1)
        return g;

    if ((long long) input_w * display_h <= (long long) input_h * display_w)
        g.h = scaled(display_h, input_w, display_w);
    else
        g.w = scaled(display_w, input_h, display_h);
    if (fit == FIT_LETTERBOX) {
        g.x = (input_w - g.w) / 2;
        g.y = (input_h - g.h) / 2;
    }
    return g;
}

float geometry_display_x(const struct geometry *g, float input_x)
{
    return (input_x - (float) g->x) * (float) g->display_w / (float) g->w;
}

float geometry_display_y(const struct geometry *g, float input_y)
{
    return (input_y - (float) g->y) * (float) g->display_h / (float) g->h;
}
