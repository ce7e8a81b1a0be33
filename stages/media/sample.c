/* Choosing frames by what can be known while decoding forward: how many came, when they stand, what they are.
 *
 * One in N counts from the first frame inside [from, to], so that a clip entered in the middle (by seeking to the
 * key frame before `from`) gives the same frames as one decoded from its start. Ticks of a rate are counted from
 * the clip's first frame for the same reason.
 */
#include "stages/media/sample.h"

#include <math.h>

/* Times come out of a time base and a division: a frame that stands on a tick must not miss it by a rounding. */
static const double epsilon_s = 1e-6;

void sampler_init(struct sampler *s, const struct sample_spec *spec)
{
    *s = (struct sampler) {.spec = *spec};
    if (s->spec.every < 1)
        s->spec.every = 1;
    if (s->spec.fps > 0)
        s->at.next_tick = (int64_t) ceil((s->spec.from_s - epsilon_s) * s->spec.fps);
}

static double ticks_at(const struct sampler *s, double offset_s)
{
    return floor((offset_s + epsilon_s) * s->spec.fps);
}

static bool is_past_end(const struct sampler *s, double offset_s)
{
    return s->spec.to_s > 0 && offset_s > s->spec.to_s - epsilon_s;
}

static bool on_tick(struct sampler *s, double offset_s)
{
    double ticks = ticks_at(s, offset_s);
    if (ticks < (double) s->at.next_tick)
        return false;
    s->at.next_tick = (int64_t) ticks + 1;
    return true;
}

enum sample_answer sampler_show(struct sampler *s, double time_s, bool keyframe)
{
    if (!s->at.started) {
        s->at.started = true;
        s->at.first_s = time_s;
    }
    double offset_s = time_s - s->at.first_s;
    if (is_past_end(s, offset_s))
        return SAMPLE_DONE;
    if (offset_s < s->spec.from_s - epsilon_s)
        return SAMPLE_SKIP;

    int64_t nth = s->at.seen++;
    bool take = nth % s->spec.every == 0;
    if (s->spec.mode == SAMPLE_KEYFRAMES)
        take = keyframe;
    else if (s->spec.mode == SAMPLE_FPS)
        take = s->spec.fps > 0 && on_tick(s, offset_s);
    return take ? SAMPLE_TAKE : SAMPLE_SKIP;
}

/* next_tick only grows. */
bool sampler_passes(const struct sampler *s, double time_s)
{
    if (!s->at.started || s->spec.mode != SAMPLE_FPS || !(s->spec.fps > 0))
        return false;
    double offset_s = time_s - s->at.first_s;
    return !is_past_end(s, offset_s) && ticks_at(s, offset_s) < (double) s->at.next_tick;
}
