/* Demuxing and decoding one stream, and judging at the end what was wrong with it.
 *
 * Errors of libav do not end a clip: packets that cannot be read or decoded are counted and the next one is tried.
 * Whether a clip is whole is asked of three witnesses, none of them a duration: what the demuxer and the decoder
 * reported, where the index says that samples lie, and how long the container says it is (extent.h).
 *
 * A clip entered at `from` is decoded from the key frame before it. Its first frame is decoded all the same, for
 * times are counted from that one. Indexes hold decoding times, and the frames shown before a key frame may be
 * stored after it, so the seek aims earlier than `from` and tries again, further back, when it lands too late.
 *
 * With SAMPLE_FPS, packets whose time the sampler passes whatever comes are left out where nothing wanted refers to
 * them: one by one when no packet refers to them at all, otherwise all up to the next fresh start, before which the
 * decoder is emptied. It begins when enough frames have come at their packets' times, and ends for good at the first
 * sign of damage or disorder.
 *
 * A segment is entered at its key packet, found by its time after a seek that aims earlier with each try, and left at the
 * next one's: to the decoder it is a short clip. Numbers and the sampler go on where the segments before it end.
 */
#include "stages/media/clip.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "stages/media/ahead.h"
#include "stages/media/clip_file.h"
#include "stages/media/extent.h"
#include "stages/media/packet_look.h"
#include "stages/media/segment.h"
#include "stages/media/source.h"

enum { MAX_ERRORS = 1000 };               /* in a row, before the rest is given up */
enum { ENOUGH_IN_ORDER = 16 };            /* frames; as many as a decoder may hold back */
static const double seek_pays_s = 5;      /* nearer than this decoding is as fast */
static const double seek_margin_s = 1;    /* first aim before `from`, four times as far with each try */

struct clip {
    struct cq_log *log;
    struct clip_params params;    /* path is not kept */
    struct source source;
    AVStream *stream;             /* borrowed from the source */
    AVCodecContext *decoder;      /* owned */
    int threads;                  /* of the decoder */
    AVPacket *packet;             /* owned */
    AVFrame *frame;               /* owned */
    struct segment segment;       /* that the params point to, if any */
    struct sampler sampler;
    struct clip_end end;
    int64_t ordinal;              /* of the next frame; -1 unknowable */
    int64_t last_pts;
    int64_t decode_ns;
    struct ahead ahead;           /* where all packets pass through */
    uint64_t decoder_params;      /* parameter sets that the decoder was given last */
    int in_order;                 /* frames at their packets' times so far; -1 after one that was not */
    bool restarts;                /* packets were dropped: the decoder is to be emptied before the next */
    bool draining;                /* it is being emptied */
    int read_errors;              /* in a row */
    double seek_margin;           /* of a seek from which no frame came yet; else 0 */
    bool only_key_packets;        /* others are not shown to the decoder */
    bool awaits_key;              /* after a seek: others come without what they refer to */
    bool joined;                  /* a key packet came since the start or the newest seek */
    bool entered;                 /* the segment's first packet has been read, or there is none to look for */
    bool left;                    /* its end was reached */
    bool ended;
    bool cut_short;               /* by the sampler: the rest was not looked at */
};

/* These decode all they are given, but their packets are marked reliably. Elsewhere the decoder knows best. */
static bool decoder_skips(enum AVCodecID id)
{
    return id != AV_CODEC_ID_VP8 && id != AV_CODEC_ID_VP9 && id != AV_CODEC_ID_AV1;
}

/* Only where a decoder whose threads make something else of damage is known to say so. Those of VP8, HEVC, MPEG-2 and
 * MPEG-4 now and then do not (found by damaging clips at random, tests/test_threads.c). */
static int threads_for(const struct clip *c)
{
    static const enum AVCodecID known[] = {
        AV_CODEC_ID_H264, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1, AV_CODEC_ID_MJPEG, AV_CODEC_ID_PRORES, AV_CODEC_ID_FFV1,
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == c->stream->codecpar->codec_id)
            return c->params.threads > 1 ? c->params.threads : 1;
    return 1;
}

static enum failure open_decoder(struct clip *c)
{
    const AVCodecParameters *par = c->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(par->codec_id);
    if (!codec) {
        snprintf(c->end.message, sizeof c->end.message, "no decoder for %s in this libavcodec",
                 avcodec_get_name(par->codec_id));
        return FAIL_UNSUPPORTED_CODEC;
    }
    c->decoder = avcodec_alloc_context3(codec);
    c->packet = av_packet_alloc();
    c->frame = av_frame_alloc();
    if (!c->decoder || !c->packet || !c->frame)
        return FAIL_INTERNAL;

    int av = avcodec_parameters_to_context(c->decoder, par);
    c->decoder->opaque = &c->source.text;
    c->decoder->pkt_timebase = c->stream->time_base;
    c->threads = threads_for(c);
    c->decoder->thread_count = c->threads;
    if (c->params.sample.mode == SAMPLE_KEYFRAMES && !c->params.decode_all) {
        c->decoder->skip_frame = AVDISCARD_NONKEY;
        c->only_key_packets = !decoder_skips(par->codec_id);
    }
    if (av >= 0)
        av = avcodec_open2(c->decoder, codec, NULL);
    if (av >= 0)
        return FAIL_NONE;
    source_explain(&c->source, "the decoder does not start", av, c->end.message, sizeof c->end.message);
    if (av == AVERROR(ENOMEM))
        return FAIL_INTERNAL;
    return av == AVERROR_PATCHWELCOME ? FAIL_UNSUPPORTED_CODEC : FAIL_DECODE_ERROR;
}

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
    return open_decoder(c);
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

/* What cannot be decoded before the first key frame was never meant to be: the recording begins amid a group. */
static void count_error(struct clip *c)
{
    if (c->joined)
        c->end.errors++;
}

static bool is_wanted(const struct clip *c)
{
    bool key = c->packet->flags & AV_PKT_FLAG_KEY;
    return c->packet->stream_index == c->stream->index && (key || !(c->only_key_packets || c->awaits_key));
}

/* The next packet of the stream in c->packet; false when there is none any more. */
static bool read_any_packet(struct clip *c)
{
    while (c->read_errors < MAX_ERRORS) {
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

static double seconds(const struct clip *c, int64_t pts)
{
    return (double) pts * av_q2d(c->stream->time_base);
}

/* False when the demuxer cannot; decoding then goes on from where it is. */
static bool seek_to(struct clip *c, double time_s)
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
    double at_s = seconds(c, c->segment.from_pts), first_s = c->segment.sampler.first_s, margin = 0;
    bool found = false, more = true;
    c->entered = true;
    while (!found && more) {
        more = at_s - margin > first_s;
        found = seek_to(c, more ? at_s - margin : first_s - seek_margin_s) && find_packet(c, c->segment.from_pts);
        margin = margin > 0 ? margin * 4 : seek_margin_s;
    }
    c->ordinal = c->segment.first_ordinal;
    c->end.errors += !found;
    return found;
}

/* Likewise, within the segment. */
static bool read_packet(struct clip *c)
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

/* Where packets have no pts (AVI), a frame's time is that of the packet after which it came out: with packets left
 * out it would be the next key frame's. Then everything is decoded and the sampler alone chooses. */
static void stop_skipping(struct clip *c)
{
    c->decoder->skip_frame = AVDISCARD_DEFAULT;
    c->only_key_packets = false;
}

static bool may_leave_out(const struct clip *c)
{
    return c->params.sample.mode == SAMPLE_FPS && c->in_order >= ENOUGH_IN_ORDER && !c->end.errors &&
           !c->awaits_key && !c->params.decode_all;
}

static bool is_idle(const struct clip *c, const struct packet_look *look)
{
    return may_leave_out(c) && !look->opaque && (!look->params || look->params == c->decoder_params) &&
           c->packet->pts != AV_NOPTS_VALUE && sampler_passes(&c->sampler, seconds(c, c->packet->pts));
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

/* The next packet for the decoder in c->packet; false at the end. What is on hold there is decoded, for it is the
 * end of a file that tells whether it was cut. */
static bool next_packet(struct clip *c)
{
    while (!ahead_has_released(&c->ahead) && read_packet(c))
        if (judge_packet(c))
            break;
    if (!ahead_has_released(&c->ahead))
        ahead_release(&c->ahead);
    return !c->restarts && ahead_take(&c->ahead, c->packet);
}

static void feed_decoder(struct clip *c)
{
    bool have = next_packet(c);
    if (c->restarts) {
        c->restarts = false;
        c->draining = true;
    }
    if (have && c->packet->pts == AV_NOPTS_VALUE)
        stop_skipping(c);
    if (have && c->packet->flags & AV_PKT_FLAG_KEY) {
        c->joined = true;
        c->awaits_key = false;
    }
    if (have && c->packet->flags & AV_PKT_FLAG_CORRUPT)
        count_error(c);
    int av = avcodec_send_packet(c->decoder, have ? c->packet : NULL);
    if (have && av < 0 && av != AVERROR_EOF)
        count_error(c);
    av_packet_unref(c->packet);
}

/* True when the decoder was only emptied and goes on. */
static bool goes_on(struct clip *c)
{
    if (!c->draining)
        return false;
    avcodec_flush_buffers(c->decoder);
    c->draining = false;
    return true;
}

/* The next decoded frame in c->frame, damaged packets passed over; false at the end. */
static bool decode_frame(struct clip *c)
{
    int64_t start = cq_now_ns();
    int av = 0, refused = 0;
    while (refused < MAX_ERRORS && (av = avcodec_receive_frame(c->decoder, c->frame)) < 0) {
        if (av == AVERROR_EOF && !goes_on(c))
            break;
        if (av == AVERROR_EOF)
            continue;
        if (av == AVERROR(EAGAIN)) {
            feed_decoder(c);
            refused = 0;
        } else {
            count_error(c);
            refused++;
        }
    }
    c->decode_ns += cq_now_ns() - start;
    return av >= 0;
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
    else if (c->in_order >= 0 && c->in_order < ENOUGH_IN_ORDER)
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
    bool moved = seek_to(c, inside ? aim_s : c->sampler.at.first_s - margin);
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
    c->end.last_s = seconds(c, pts);
    if (c->frame->decode_error_flags || c->frame->flags & AV_FRAME_FLAG_CORRUPT)
        count_error(c);
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
        enter_at_from(c, seek_margin_s);
    return answer;
}

static int64_t bytes_expected(const struct clip *c)
{
    int64_t claimed = extent_claimed(c->source.fd, c->source.size);
    int64_t indexed = extent_indexed(c->source.format, c->stream->index);
    return claimed > indexed ? claimed : indexed;
}

static void judge(struct clip *c)
{
    struct clip_end *e = &c->end;
    int64_t expected = c->cut_short ? 0 : bytes_expected(c);
    char what[128];
    if (clip_file_has_changed(c->source.fd, c->source.size, c->source.mtime_ns)) {
        e->failure = FAIL_CHANGED;
        snprintf(e->message, sizeof e->message, "it was written to while it was read, after up to %" PRId64 " frames; "
                 "submit it again", e->decoded);
        return;
    }
    if (c->source.io_error) {
        e->failure = FAIL_IO;
        snprintf(what, sizeof what, "reading failed after %" PRId64 " frames: %s", e->decoded,
                 strerror(c->source.io_error));
    } else if (!e->decoded) {
        e->failure = FAIL_DECODE_ERROR;
        snprintf(what, sizeof what, "no frame decoded; errors: %" PRId64, e->errors);
    } else if (expected > c->source.size) {
        e->failure = FAIL_TRUNCATED;
        snprintf(what, sizeof what, "%" PRId64 " of %" PRId64 " bytes are there; %" PRId64 " frames, to %.3f s",
                 c->source.size, expected, e->decoded, e->last_s);
    } else if (e->errors) {
        e->failure = FAIL_DAMAGED;
        snprintf(what, sizeof what, "errors: %" PRId64 "; %" PRId64 " frames, to %.3f s", e->errors, e->decoded,
                 e->last_s);
    } else {
        return;
    }
    source_explain(&c->source, what, 0, e->message, sizeof e->message);
}

static enum cq_err finish(struct clip *c)
{
    c->ended = true;
    judge(c);
    c->end.doubtful = c->threads > 1 && (c->end.failure || source_heard_decoder(&c->source));
    return CQ_EOF;
}

enum cq_err clip_next(struct clip *c, struct clip_frame *out)
{
    if (c->ended)
        return CQ_EOF;
    for (;;) {
        struct clip_frame frame;
        if (!decode_frame(c)) {
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
