/* Three rates: a frame's overhead, its pixels, and the bytes that hold it, which is where bit rate shows. Measured with
 * `clipq bench decode --workers 1` over real clips, scaling included. */
#include "runner/cost.h"

#include <math.h>
#include <string.h>

#include "stages/media/probe.h"
#include "stages/media/sample.h"

static const double per_frame_s = 0.0002, per_pixel_s = 1.1e-9, per_byte_s = 20e-9, least_s = 0.001;
static const double usual_fps = 25, keyframe_every = 25;    /* where nothing is known; a key frame is larger than others */

static const double classes_per_doubling = 4;

/* How much harder a codec is than the rates above. */
static const struct { const char *codec; double factor; } codecs[] = {
    {"h264", 1.2}, {"hevc", 1.3}, {"vp9", 1.8}, {"av1", 1.0}, {"mpeg4", 0.6}, {"mpeg2video", 0.6}, {"mjpeg", 0.7},
    {"rawvideo", 0.3},
};

static double factor_of(const struct probe *p)
{
    double factor = 1;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (!strcmp(codecs[i].codec, p->codec))
            factor = codecs[i].factor;
    bool deep = strstr(p->pixel_format, "10") || strstr(p->pixel_format, "12");
    return deep ? 2 * factor : factor;      /* more than 8 bits a sample: "yuv420p10le" */
}

static double frames_of(const struct probe *p)
{
    if (p->frames_claimed > 0)
        return (double) p->frames_claimed;
    return p->duration_s > 0 ? p->duration_s * (p->fps > 0 ? p->fps : usual_fps) : 1;
}

/* The part of the clip that lies in from..to, 0..1. */
static double part_of(const struct probe *p, const struct sample_spec *s)
{
    double end = s->to_s > 0 && s->to_s < p->duration_s ? s->to_s : p->duration_s;
    if (p->duration_s <= 0)
        return 1;
    return end > s->from_s ? (end - s->from_s) / p->duration_s : 0;
}

static double cost_of(const struct probe *p, double frames, double bytes)
{
    double pixels = frames * p->coded_w * p->coded_h;
    if (!strcmp(p->codec, "rawvideo"))
        bytes = 0;
    double cost = factor_of(p) * (frames * per_frame_s + pixels * per_pixel_s + bytes * per_byte_s);
    return cost > least_s ? cost : least_s;
}

double cost_of_clip(const struct probe *p, const struct sample_spec *s)
{
    double part = part_of(p, s), frames = part * frames_of(p);
    return cost_of(p, s->mode == SAMPLE_KEYFRAMES ? frames / keyframe_every : frames, part * (double) p->size);
}

/* What lies outside of from..to and is in a segment all the same is decoded, too. */
double cost_of_segment(const struct probe *p, double share)
{
    return cost_of(p, frames_of(p), share * (double) p->size);
}

int cost_class(double cost)
{
    double c = cost > least_s ? floor(classes_per_doubling * log2(cost / least_s)) : 0;
    return c < COST_CLASSES ? (int) c : COST_CLASSES - 1;
}
