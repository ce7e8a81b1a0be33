/* Inside a clip, from the file upwards; each calls only those before it:
 *
 *     clip_read.c     packets of the stream, from where they are wanted
 *     clip_skip.c     which of them the decoder gets
 *     clip_decode.c   frames
 *     clip.c          times, numbers, the sampler; clip_judge.c: what was wrong, at the end
 */
#ifndef CLIPQ_STAGES_MEDIA_CLIP_PRIVATE_H
#define CLIPQ_STAGES_MEDIA_CLIP_PRIVATE_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "stages/media/ahead.h"
#include "stages/media/clip.h"
#include "stages/media/segment.h"
#include "stages/media/source.h"

enum { CLIP_MAX_ERRORS = 1000 };          /* in a row, before the rest is given up */
enum { CLIP_ENOUGH_IN_ORDER = 16 };       /* frames; as many as a decoder may hold back */

/* First aim before where a seek is to land, in seconds; four times as far with each try. */
#define CLIP_SEEK_MARGIN_S 1.0

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

static inline double clip_seconds(const struct clip *c, int64_t pts)
{
    return (double) pts * av_q2d(c->stream->time_base);
}

/* ---- clip_read.c ---- */

/* False when the demuxer cannot; decoding then goes on from where it is. */
bool clip_seek(struct clip *c, double time_s);
/* The next packet of the stream, within the segment, in c->packet; false at the end. */
bool clip_read_packet(struct clip *c);

/* ---- clip_skip.c ---- */

/* The next packet for the decoder in c->packet; false at the end, and where the decoder is to be emptied (c->restarts). */
bool clip_next_packet(struct clip *c);
/* From now on everything is decoded. */
void clip_stop_skipping(struct clip *c);

/* ---- clip_decode.c ---- */

enum failure clip_open_decoder(struct clip *c);
void clip_count_error(struct clip *c);
/* The next decoded frame in c->frame, damaged packets passed over; false at the end. */
bool clip_decode(struct clip *c);

/* ---- clip_judge.c ---- */

/* Fills c->end's failure and message. */
void clip_judge(struct clip *c);

#endif
