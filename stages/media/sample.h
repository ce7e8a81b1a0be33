/* Which frames of a clip are looked at. */
#ifndef CLIPQ_STAGES_MEDIA_SAMPLE_H
#define CLIPQ_STAGES_MEDIA_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

enum sample_mode { SAMPLE_EVERY, SAMPLE_FPS, SAMPLE_KEYFRAMES };

struct sample_spec {
    enum sample_mode mode;
    int every;               /* SAMPLE_EVERY: one in this many, the first inside from..to taken; 1 is all */
    double fps;              /* SAMPLE_FPS: the first frame at or after each multiple of 1/fps from the clip's start */
    double from_s, to_s;     /* seconds from the clip's first frame: from_s <= t < to_s; to_s 0: to the end */
};

/* What it remembers of the frames shown so far. */
struct sampler_state {
    bool started;            /* first_s is known */
    double first_s;          /* time of the clip's first frame */
    int64_t seen;            /* frames shown so far inside from..to */
    int64_t next_tick;       /* the first multiple of 1/fps not yet served */
};

struct sampler {
    struct sample_spec spec;
    struct sampler_state at;
};

void sampler_init(struct sampler *s, const struct sample_spec *spec);

enum sample_answer { SAMPLE_TAKE, SAMPLE_SKIP, SAMPLE_DONE /* nothing later can be taken */ };

/* Shown the clip's first frame, then decoded frames in presentation order; those before `from_s` may be left out. */
enum sample_answer sampler_show(struct sampler *s, double time_s, bool keyframe);

/* Whether a frame at this time is skipped by SAMPLE_FPS whatever other frames are shown before it or left out, and
 * leaving it out changes no later answer. */
bool sampler_passes(const struct sampler *s, double time_s);

#endif
