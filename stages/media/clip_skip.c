/* What sampling lets the decoder do without.
 *
 * With SAMPLE_FPS, packets whose time the sampler passes whatever comes are left out where nothing wanted refers to
 * them: one by one when no packet refers to them at all, otherwise all up to the next fresh start, before which the
 * decoder is emptied. It begins when enough frames have come at their packets' times, and ends for good at the first
 * sign of damage or disorder.
 */
#include "stages/media/clip_private.h"

#include "stages/media/packet_look.h"

/* Where packets have no pts (AVI), a frame's time is that of the packet after which it came out: with packets left
 * out it would be the next key frame's. Then everything is decoded and the sampler alone chooses. */
void clip_stop_skipping(struct clip *c)
{
    c->decoder->skip_frame = AVDISCARD_DEFAULT;
    c->only_key_packets = false;
}

static bool may_leave_out(const struct clip *c)
{
    return c->params.sample.mode == SAMPLE_FPS && c->in_order >= CLIP_ENOUGH_IN_ORDER && !c->end.errors &&
           !c->awaits_key && !c->params.decode_all;
}

static bool is_idle(const struct clip *c, const struct packet_look *look)
{
    return may_leave_out(c) && !look->opaque && (!look->params || look->params == c->decoder_params) &&
           c->packet->pts != AV_NOPTS_VALUE && sampler_passes(&c->sampler, clip_seconds(c, c->packet->pts));
}

/* H.264's key frames of open groups refer to one order of output, of which the frames between them are left out: then
 * some come late and some never. So each is decoded alone. */
static bool is_decoded_alone(const struct clip *c)
{
    return c->params.sample.mode == SAMPLE_KEYFRAMES && c->decoder->codec_id == AV_CODEC_ID_H264 &&
           c->decoder->skip_frame == AVDISCARD_NONKEY && c->packet->flags & AV_PKT_FLAG_KEY;
}

/* Leaves c->packet out, holds it or releases it with those on hold; true when some are released. */
static bool judge_packet(struct clip *c)
{
    const struct packet_look look = packet_look(c->stream->codecpar, c->packet);
    bool idle = is_idle(c, &look);
    if (is_decoded_alone(c))
        c->restarts = true;
    if (idle && c->params.skipped)
        c->params.skipped(c->params.ctx, c->end.decoded);
    if (idle && look.disposable) {
        ahead_pass(&c->ahead, c->packet->pts);
        av_packet_unref(c->packet);
        return false;
    }
    if (look.fresh && may_leave_out(c) && ahead_holds_any(&c->ahead)) {
        ahead_drop(&c->ahead);
        c->restarts = true;
    }
    if (look.params)
        c->decoder_params = look.params;
    if (!ahead_hold(&c->ahead, c->packet)) {
        c->end.errors++;
        av_packet_unref(c->packet);
    }
    if (idle && !ahead_is_full(&c->ahead))
        return false;
    ahead_release(&c->ahead);
    return true;
}

/* At the end of a file what is on hold is decoded, for that tells whether it was cut. */
bool clip_next_packet(struct clip *c)
{
    while (!ahead_has_released(&c->ahead) && clip_read_packet(c))
        if (judge_packet(c))
            break;
    if (!ahead_has_released(&c->ahead))
        ahead_release(&c->ahead);
    return !c->restarts && ahead_take(&c->ahead, c->packet);
}
