/* One pass over the packets. A key packet is a place to cut when three things hold: its kind of picture ends every
 * reference (which is read from the packet where a mark in the container is not enough), the decoder needs no
 * parameters that came in packets before it, and times on both sides do not cross it.
 */
#include "stages/media/scan.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "stages/media/extent.h"
#include "stages/media/packet_look.h"
#include "stages/media/source.h"

enum { TICK_PACKETS = 256, FIRST_ROOM = 4096 };

struct pass {
    struct scan *out;
    struct source source;
    const AVStream *stream;     /* borrowed from the source */
    int room, cuts_room;
    uint64_t params;            /* hash of the first parameter sets that came in a packet; 0: none */
    bool params_change;
};

void scan_finish(struct scan *s)
{
    free(s->pts);
    free(s->cuts);
    *s = (struct scan) {0};
}

static bool deny(struct pass *p, const char *why)
{
    snprintf(p->out->why, sizeof p->out->why, "%s", why);
    return false;
}

/* Room for one more of `size` bytes; false without memory. */
static bool make_room(void **list, int n, int *room, size_t size)
{
    if (n < *room)
        return true;
    int more = *room ? *room * 2 : FIRST_ROOM;
    void *grown = realloc(*list, (size_t) more * size);
    if (!grown)
        return false;
    *list = grown;
    *room = more;
    return true;
}

/* Every reference ends at key frames of these, and what is needed to decode stands in their key packets or in the header. */
static bool keys_stand_alone(enum AVCodecID id)
{
    static const enum AVCodecID known[] = {
        AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4, AV_CODEC_ID_H263, AV_CODEC_ID_FLV1,
        AV_CODEC_ID_VP8, AV_CODEC_ID_AV1,
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == id)
            return true;
    const AVCodecDescriptor *d = avcodec_descriptor_get(id);
    return d && d->props & AV_CODEC_PROP_INTRA_ONLY;
}

static bool is_looked_into(enum AVCodecID id)
{
    return id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC || id == AV_CODEC_ID_VP9;
}

/* Parameter sets that stay what they were are as good as none. */
static bool can_begin(struct pass *p, const AVPacket *packet)
{
    const AVCodecParameters *par = p->stream->codecpar;
    bool key = packet->flags & AV_PKT_FLAG_KEY;
    if (!is_looked_into(par->codec_id))
        return key && keys_stand_alone(par->codec_id);
    const struct packet_look look = packet_look(par, packet);
    if (look.opaque)
        p->params_change |= par->codec_id != AV_CODEC_ID_VP9;
    if (!p->params)
        p->params = look.params;
    p->params_change |= look.params && look.params != p->params;
    return key && look.fresh && !p->params_change && (!p->params || look.params);
}

/* Alternate references of VP8 are packets of their own that show nothing; what an edit list cuts off is decoded and not
 * shown. */
static bool is_shown(const struct pass *p, const AVPacket *packet)
{
    bool hidden = p->stream->codecpar->codec_id == AV_CODEC_ID_VP8 && packet->size && !(packet->data[0] & 0x10);
    return !hidden && !(packet->flags & AV_PKT_FLAG_DISCARD);
}

/* False when the scan is over: `why` says so, or there is no memory. */
static bool take_packet(struct pass *p, const AVPacket *packet, enum cq_err *err)
{
    struct scan *s = p->out;
    if (packet->pts == AV_NOPTS_VALUE)
        return deny(p, "packets have no times");
    if (packet->flags & AV_PKT_FLAG_CORRUPT)
        return deny(p, "packets are damaged");
    if (!s->n && !(packet->flags & AV_PKT_FLAG_KEY))
        return deny(p, "it does not begin with a key frame");
    if (s->n == SCAN_PACKETS_MAX)
        return deny(p, "it has too many packets");
    bool begins = can_begin(p, packet);
    if (!is_shown(p, packet))
        return true;
    if (!make_room((void **) &s->pts, s->n, &p->room, sizeof *s->pts) ||
        !make_room((void **) &s->cuts, s->n_cuts, &p->cuts_room, sizeof *s->cuts)) {
        *err = CQ_NOMEM;
        return false;
    }
    if (begins && s->n)
        s->cuts[s->n_cuts++] = s->n;
    s->pts[s->n++] = packet->pts;
    return true;
}

static enum cq_err read_all(struct pass *p, void (*tick)(void *ctx, int64_t packets), void *ctx)
{
    AVPacket *packet = av_packet_alloc();
    enum cq_err err = packet ? CQ_OK : CQ_NOMEM;
    bool more = packet;
    int av = 0;
    while (more && (av = av_read_frame(p->source.format, packet)) >= 0) {
        if (packet->stream_index == p->stream->index)
            more = take_packet(p, packet, &err);
        av_packet_unref(packet);
        if (tick && p->out->n % TICK_PACKETS == 0)
            tick(ctx, p->out->n);
    }
    if (more && (av != AVERROR_EOF || p->source.io_error))
        deny(p, "it cannot be read to its end");
    av_packet_free(&packet);
    return err;
}

/* Keeps the cuts that no time crosses. */
static void drop_crossed(struct scan *s)
{
    int kept = 0, at = 0;
    int64_t highest = INT64_MIN;
    for (int i = 0; i < s->n_cuts; i++) {
        for (; at < s->cuts[i]; at++)
            highest = s->pts[at] > highest ? s->pts[at] : highest;
        if (highest < s->pts[at])
            s->cuts[kept++] = s->cuts[i];
    }
    s->n_cuts = kept;

    int64_t lowest = INT64_MAX;
    at = s->n;
    for (int i = s->n_cuts - 1; i >= 0; i--) {
        for (; at > s->cuts[i] + 1; at--)
            lowest = s->pts[at - 1] < lowest ? s->pts[at - 1] : lowest;
        bool crossed = lowest <= s->pts[s->cuts[i]];
        if (crossed)
            memmove(&s->cuts[i], &s->cuts[i + 1], (size_t) (--s->n_cuts - i) * sizeof *s->cuts);
    }
}

static bool is_whole(const struct source *s, int stream)
{
    return extent_claimed(s->fd, s->size) <= s->size && extent_indexed(s->format, stream, s->fd, s->size) <= s->size;
}

enum cq_err scan_clip(const struct source_want *want, void (*tick)(void *ctx, int64_t packets), void *ctx, struct scan *out)
{
    *out = (struct scan) {0};
    struct pass p = {.out = out};
    enum cq_err err = CQ_OK;
    enum failure f = source_open_stream(&p.source, want, out->why, sizeof out->why);
    if (f) {
        err = f == FAIL_INTERNAL ? CQ_NOMEM : CQ_OK;
    } else if (p.source.format->iformat->flags & AVFMT_NOTIMESTAMPS) {
        deny(&p, "its container has no times");
    } else if (!is_whole(&p.source, want->stream_index)) {
        deny(&p, "the file ends before its header says");
    } else {
        p.stream = p.source.format->streams[want->stream_index];
        out->tb = av_q2d(p.stream->time_base);
        err = read_all(&p, tick, ctx);
        drop_crossed(out);
    }
    if (!err && !out->why[0] && !out->n_cuts)
        deny(&p, "no key frame inside stands alone");
    source_finish(&p.source);
    return err;
}
