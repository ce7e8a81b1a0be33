/* From display pixels to the pixels of a model's input and back.
 *
 * Display pixels are what a viewer sees: rotation, mirroring and sample aspect applied. The scaler writes the
 * picture into a rectangle of the input, so that   input = display*scale + offset   on each axis.
 */
#ifndef CLIPQ_STAGES_ANSWER_GEOMETRY_H
#define CLIPQ_STAGES_ANSWER_GEOMETRY_H

enum fit {
    FIT_STRETCH,            /* fills the input, aspect not kept */
    FIT_LETTERBOX,          /* aspect kept, centred, padded */
    FIT_LETTERBOX_TOP_LEFT  /* aspect kept, top-left, padded (YOLOX) */
};

/* How a picture is reduced to the input's size; a model is best served by what it was trained on. */
enum resample {
    RESAMPLE_AREA,          /* averages over all that falls into a pixel: no aliasing */
    RESAMPLE_LINEAR         /* two taps a direction, as OpenCV's resize does by default (most detectors) */
};

struct geometry {
    int display_w, display_h;   /* pixels */
    int input_w, input_h;       /* pixels */
    int x, y, w, h;             /* rectangle of the input that holds the picture */
};

/* Where a picture of display size goes in an input; w and h are rounded to nearest, at least 1. */
struct geometry geometry_fit(enum fit fit, int display_w, int display_h, int input_w, int input_h);

/* Input pixel coordinate -> display pixel coordinate, not clamped. */
float geometry_display_x(const struct geometry *g, float input_x);
float geometry_display_y(const struct geometry *g, float input_y);

#endif
