/* Packets into frames. Errors of libav do not end a clip: packets that cannot be decoded are counted, and the next one is
 * tried. */
#include "stages/media/clip_private.h"

#include <stdio.h>

#include "kernels/base/clock.h"

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

enum failure clip_open_decoder(struct clip *c)
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

/* What cannot be decoded before the first key frame was never meant to be: the recording begins amid a group. */
void clip_count_error(struct clip *c)
{
    if (c->joined)
        c->end.errors++;
}

static void feed_decoder(struct clip *c)
{
    bool have = clip_next_packet(c);
    if (c->restarts) {
        c->restarts = false;
        c->draining = true;
    }
    if (have && c->packet->pts == AV_NOPTS_VALUE)
        clip_stop_skipping(c);
    if (have && c->packet->flags & AV_PKT_FLAG_KEY) {
        c->joined = true;
        c->awaits_key = false;
    }
    if (have && c->packet->flags & AV_PKT_FLAG_CORRUPT)
        clip_count_error(c);
    int av = avcodec_send_packet(c->decoder, have ? c->packet : NULL);
    if (have && av < 0 && av != AVERROR_EOF)
        clip_count_error(c);
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

bool clip_decode(struct clip *c)
{
    int64_t start = cq_now_ns();
    int av = 0, refused = 0;
    while (refused < CLIP_MAX_ERRORS && (av = avcodec_receive_frame(c->decoder, c->frame)) < 0) {
        if (av == AVERROR_EOF && !goes_on(c))
            break;
        if (av == AVERROR_EOF)
            continue;
        if (av == AVERROR(EAGAIN)) {
            feed_decoder(c);
            refused = 0;
        } else {
            clip_count_error(c);
            refused++;
        }
    }
    c->decode_ns += cq_now_ns() - start;
    return av >= 0;
}
