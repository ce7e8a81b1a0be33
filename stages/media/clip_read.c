/* Packets of one stream, in the order of the file, and the ways to begin elsewhere than at its start.
 *
 * A segment is entered at its key packet, found by its time after a seek that aims earlier with each try, and left at the
 * next one's: to the decoder it is a short clip.
 */
#include "stages/media/clip_private.h"

#include <math.h>

#include "kernels/base/clock.h"

static bool is_wanted(const struct clip *c)
{
    bool key = c->packet->flags & AV_PKT_FLAG_KEY;
    return c->packet->stream_index == c->stream->index && (key || !(c->only_key_packets || c->awaits_key));
}

/* The next packet of the stream in c->packet; false when there is none any more. */
static bool read_any_packet(struct clip *c)
{
    while (c->read_errors < CLIP_MAX_ERRORS) {
        int av = av_read_frame(c->source.format, c->packet);
        if (av == AVERROR_EOF || c->source.io_error)
            return false;
        if (av < 0) {
            c->read_errors++;
            if (av != AVERROR(EAGAIN))
                c->end.errors++;
            continue;
        }
        c->read_errors = 0;
        if (is_wanted(c))
            return true;
        av_packet_unref(c->packet);
    }
    return false;
}

bool clip_seek(struct clip *c, double time_s)
{
    int64_t ts = (int64_t) floor(time_s / av_q2d(c->stream->time_base));
    int64_t start = cq_now_ns();
    int av = avformat_seek_file(c->source.format, c->stream->index, INT64_MIN, ts, ts, 0);
    if (av >= 0) {
        avcodec_flush_buffers(c->decoder);
        ahead_clear(&c->ahead);
        c->restarts = c->draining = false;
        c->joined = false;
        c->read_errors = 0;
        c->last_pts = AV_NOPTS_VALUE;
        c->ordinal = -1;
    }
    c->decode_ns += cq_now_ns() - start;
    return av >= 0;
}

/* Reads up to the key packet at `pts`, into c->packet; false when packets of later times come first. */
static bool find_packet(struct clip *c, int64_t pts)
{
    while (read_any_packet(c)) {
        int64_t at = c->packet->pts;
        if (at == pts && c->packet->flags & AV_PKT_FLAG_KEY)
            return true;
        av_packet_unref(c->packet);
        if (at != AV_NOPTS_VALUE && at > pts)
            return false;
    }
    return false;
}

/* The segment's first packet in c->packet; false, and an error counted, when it is not found. */
static bool enter_segment(struct clip *c)
{
    double at_s = clip_seconds(c, c->segment.from_pts), first_s = c->segment.sampler.first_s, margin = 0;
    bool found = false, more = true;
    c->entered = true;
    while (!found && more) {
        more = at_s - margin > first_s;
        found = clip_seek(c, more ? at_s - margin : first_s - CLIP_SEEK_MARGIN_S) && find_packet(c, c->segment.from_pts);
        margin = margin > 0 ? margin * 4 : CLIP_SEEK_MARGIN_S;
    }
    c->ordinal = c->segment.first_ordinal;
    c->end.errors += !found;
    return found;
}

bool clip_read_packet(struct clip *c)
{
    if (!c->entered)
        return enter_segment(c);
    if (c->left || !read_any_packet(c))
        return false;
    c->left = c->params.segment && c->packet->pts != AV_NOPTS_VALUE && c->packet->pts >= c->segment.to_pts;
    if (c->left)
        av_packet_unref(c->packet);
    return !c->left;
}
