/* A clip from its opening to its end: what each decoded frame is, and whether it is wanted.
 *
 * A clip entered at `from` is decoded from the key frame before it. Its first frame is decoded all the same, for
 * times are counted from that one. Indexes hold decoding times, and the frames shown before a key frame may be
 * stored after it, so the seek aims earlier than `from` and tries again, further back, when it lands too late.
 *
 * In a segment, numbers and the sampler go on where the segments before it end.
 */
#include "stages/media/clip_private.h"

#include <stdlib.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"

static const double seek_pays_s = 5;      /* nearer than this decoding is as fast */

static enum failure open_stream(struct clip *c)
{
    const struct source_want want = {
        .path = c->params.path, .file = c->params.file, .stream_index = c->params.stream_index, .size = c->params.expect_size,
        .mtime_ns = c->params.expect_mtime_ns,
    };
    enum failure f = source_open_stream(&c->source, &want, c->end.message, sizeof c->end.message);
    if (f)
        return f;
    c->stream = c->source.format->streams[want.stream_index];
    return clip_open_decoder(c);
}

static enum cq_err err_of_failure(enum failure f)
{
    switch (f) {
    case FAIL_INTERNAL:          return CQ_NOMEM;
    case FAIL_IO:                return CQ_IO;
    case FAIL_VANISHED:          return CQ_NOT_FOUND;
    case FAIL_CHANGED:           return CQ_STALE;
    case FAIL_UNSUPPORTED_CODEC: return CQ_UNSUPPORTED;
    default:                     return CQ_CORRUPT;
    }
}

bool clip_loses_count(const struct sample_spec *sample)
{
    return sample->mode == SAMPLE_KEYFRAMES || sample->from_s > seek_pays_s;
}

/* The params' segment is kept, and what comes before it is taken for seen. */
static void take_segment(struct clip *c)
{
    c->entered = true;
    if (!c->params.segment)
        return;
    c->segment = *c->params.segment;
    c->params.segment = &c->segment;
    c->sampler.at = c->segment.sampler;
    c->ordinal = c->segment.first_ordinal;
    c->entered = c->segment.from_pts == INT64_MIN;
}

enum cq_err clip_open(struct cq_log *log, const struct clip_params *params, struct clip **out, struct clip_end *end)
{
    *out = NULL;
    struct clip *c = calloc(1, sizeof *c);
    if (!c) {
        if (end)
            *end = (struct clip_end) {.failure = FAIL_INTERNAL};
        return CQ_NOMEM;
    }
    c->log = log;
    c->params = *params;
    c->last_pts = AV_NOPTS_VALUE;
    c->ordinal = params->sample.mode == SAMPLE_KEYFRAMES ? -1 : 0;
    sampler_init(&c->sampler, &params->sample);
    take_segment(c);

    int64_t start = cq_now_ns();
    c->end.failure = open_stream(c);
    c->decode_ns = cq_now_ns() - start;
    c->params.path = NULL;
    c->params.file = NULL;
    if (end)
        *end = c->end;
    if (c->end.failure) {
        enum cq_err err = err_of_failure(c->end.failure);
        cq_log_debug(log, "%s: %s", params->path, c->end.message);
        clip_close(&c);
        return err;
    }
    *out = c;
    return CQ_OK;
}

void clip_close(struct clip **c)
{
    if (!*c)
        return;
    ahead_finish(&(*c)->ahead);
    av_frame_free(&(*c)->frame);
    av_packet_free(&(*c)->packet);
    avcodec_free_context(&(*c)->decoder);
    source_finish(&(*c)->source);
    free(*c);
    *c = NULL;
}

/* Streams without any timestamps (raw elementary streams) get the duration of each frame added up. */
static int64_t frame_pts(const struct clip *c)
{
    if (c->frame->best_effort_timestamp != AV_NOPTS_VALUE)
        return c->frame->best_effort_timestamp;
    if (c->last_pts == AV_NOPTS_VALUE)
        return 0;
    int64_t step = c->frame->pkt_duration;
    if (step <= 0 && c->stream->avg_frame_rate.num > 0)
        step = av_rescale_q(1, av_inv_q(c->stream->avg_frame_rate), c->stream->time_base);
    return c->last_pts + (step > 0 ? step : 1);
}

/* Whether packets tell the times and the order of frames; two fields may come in two packets. */
static void watch_order(struct clip *c, int64_t pts)
{
    bool told = pts == c->frame->pts && (c->last_pts == AV_NOPTS_VALUE || pts > c->last_pts);
    if (!told || c->frame->interlaced_frame)
        c->in_order = -1;
    else if (c->in_order >= 0 && c->in_order < CLIP_ENOUGH_IN_ORDER)
        c->in_order++;
}

static int64_t take_ordinal(struct clip *c, int64_t pts)
{
    int64_t passed = ahead_passed_before(&c->ahead, pts);
    if (c->ordinal < 0 || c->ahead.lost_count)
        return -1;
    c->ordinal += passed;
    return c->ordinal++;
}

/* Goes to a key frame at least `margin` seconds before `from`, or to the start when that lies before it. */
static void enter_at_from(struct clip *c, double margin)
{
    double aim_s = c->sampler.at.first_s + c->params.sample.from_s - margin;
    bool inside = aim_s > c->sampler.at.first_s;
    bool moved = clip_seek(c, inside ? aim_s : c->sampler.at.first_s - margin);
    c->seek_margin = moved && inside ? margin : 0;
    c->awaits_key = c->seek_margin > 0;
}

static bool seeking_pays(const struct clip *c)
{
    bool timed = !(c->source.format->iformat->flags & AVFMT_NOTIMESTAMPS);
    return timed && c->params.sample.from_s > seek_pays_s && !c->params.decode_all && !c->params.segment;
}

/* The first frame after a seek must lie before `from`, or others may have been missed. */
static bool landed_late(struct clip *c, double time_s)
{
    bool late = c->seek_margin > 0 && time_s > c->sampler.at.first_s + c->params.sample.from_s;
    if (!late)
        c->seek_margin = 0;
    return late;
}

/* Accounts for c->frame and asks the sampler. */
static enum sample_answer take_frame(struct clip *c, struct clip_frame *out)
{
    int64_t pts = frame_pts(c);
    bool keyframe = c->frame->key_frame;
    watch_order(c, pts);
    c->end.counted++;
    c->end.digest += segment_digest(pts) + (c->last_pts != AV_NOPTS_VALUE && pts <= c->last_pts);
    c->last_pts = pts;
    c->end.decoded++;
    c->end.last_s = clip_seconds(c, pts);
    if (c->frame->decode_error_flags || c->frame->flags & AV_FRAME_FLAG_CORRUPT)
        clip_count_error(c);
    c->frame->sample_aspect_ratio = av_guess_sample_aspect_ratio(c->source.format, c->stream, c->frame);
    *out = (struct clip_frame) {
        .picture = c->frame,
        .pts = pts,
        .tb_num = c->stream->time_base.num,
        .tb_den = c->stream->time_base.den,
        .time_s = c->end.last_s,
        .ordinal = take_ordinal(c, pts),
        .keyframe = keyframe,
    };
    if (landed_late(c, out->time_s)) {
        enter_at_from(c, c->seek_margin * 4);
        return SAMPLE_SKIP;
    }
    enum sample_answer answer = sampler_show(&c->sampler, out->time_s, keyframe);
    if (c->end.decoded == 1 && seeking_pays(c))
        enter_at_from(c, CLIP_SEEK_MARGIN_S);
    return answer;
}

static enum cq_err finish(struct clip *c)
{
    c->ended = true;
    clip_judge(c);
    c->end.doubtful = c->threads > 1 && (c->end.failure || source_heard_decoder(&c->source));
    return CQ_EOF;
}

enum cq_err clip_next(struct clip *c, struct clip_frame *out)
{
    if (c->ended)
        return CQ_EOF;
    for (;;) {
        struct clip_frame frame;
        if (!clip_decode(c)) {
            if (c->seek_margin == 0)
                return finish(c);
            enter_at_from(c, c->seek_margin * 4);
            continue;
        }
        switch (take_frame(c, &frame)) {
        case SAMPLE_TAKE:
            c->end.sampled++;
            *out = frame;
            return CQ_OK;
        case SAMPLE_DONE:
            c->cut_short = true;
            return finish(c);
        case SAMPLE_SKIP:
            break;
        }
    }
}

void clip_get_end(const struct clip *c, struct clip_end *out)
{
    *out = c->end;
    out->counted += c->ahead.left_out;
    out->digest += c->ahead.left_out_digest;
}

int64_t clip_take_decode_ns(struct clip *c)
{
    int64_t ns = c->decode_ns;
    c->decode_ns = 0;
    return ns;
}
