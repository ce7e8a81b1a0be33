/* A clip being decoded: sampled frames in presentation order, with the time each really has.
 *
 * Damage is survived: what decodes is given out, and clip_end() says what was wrong. Times are pts in the
 * stream's time base (libavcodec's best effort where the container has none), never counted from a rate; only raw
 * elementary streams, which carry no time at all, get the durations of their frames added up.
 *
 * A range that begins more than a few seconds into the clip is entered by seeking, and SAMPLE_KEYFRAMES leaves other
 * frames undecoded; both give the frames that decoding everything would give, with ordinal -1. SAMPLE_FPS leaves out
 * packets that no frame it takes refers to; ordinals stay. Damage in what is left out is not seen.
 *
 * Thread-safety: one thread at a time per object. Decodes on `threads` threads of its own.
 */
#ifndef CLIPQ_STAGES_MEDIA_CLIP_H
#define CLIPQ_STAGES_MEDIA_CLIP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "stages/failure.h"
#include "stages/media/sample.h"

struct clip;
struct clip_file;
struct cq_log;
struct segment;
struct AVFrame;

struct clip_params {
    const char *path;
    const struct clip_file *file;  /* that file, opened already; borrowed until clip_close(); NULL: `path` is opened */
    int stream_index;          /* as probed */
    int64_t expect_size;       /* as probed: another size or mtime at open is FAIL_CHANGED; 0: not checked. At the end
                                * those at open count: what was read of a file that changes is of no file at all */
    int64_t expect_mtime_ns;
    struct sample_spec sample;
    const struct segment *segment;  /* only what the whole clip would give there; copied; NULL: the whole */
    bool decode_all;           /* seek nowhere and leave nothing out: the same frames, for measuring what that saves */
    int threads;               /* decoder threads, of codecs that may have several; 0 means 1 */
    void (*skipped)(void *ctx, int64_t decoded);  /* called after each frame decoded but not given out; may be NULL */
    void *ctx;                 /* for skipped */
};

/* The newest frame; the picture itself stays inside the clip until the next call. */
struct clip_frame {
    const struct AVFrame *picture;  /* borrowed; only stages/media looks inside */
    int64_t pts;               /* in the time base */
    int tb_num, tb_den;
    double time_s;             /* pts in seconds, the start time not subtracted */
    int64_t ordinal;           /* in presentation order from 0; -1 where sampling made it unknowable */
    bool keyframe;
};

struct clip_end {
    enum failure failure;      /* NONE: whole; TRUNCATED or DAMAGED: partial; else nothing usable */
    char message[256];
    int64_t decoded;           /* frames out of the decoder */
    int64_t sampled;           /* frames given out */
    int64_t errors;            /* packets or frames that libavcodec refused */
    bool doubtful;             /* something was wrong, and several threads decoded: one may give other frames */
    double last_s;             /* time of the last decoded frame */
    int64_t counted;           /* frames decoded and left out, */
    uint64_t digest;           /* segment_digest() of their times added up, and 1 for each that came out of order */
};

/* Whether frames of a whole clip lose their numbers by this sampling, where the container can seek. */
bool clip_loses_count(const struct sample_spec *sample);

/* On failure *out is NULL and `end` (optional) holds the class. */
enum cq_err clip_open(struct cq_log *log, const struct clip_params *params, struct clip **out, struct clip_end *end);
void clip_close(struct clip **c);

/* CQ_OK, or CQ_EOF for the end, whatever the reason of it (see clip_end). */
enum cq_err clip_next(struct clip *c, struct clip_frame *out);
void clip_get_end(const struct clip *c, struct clip_end *out);

/* Nanoseconds spent demuxing and decoding since the last call. */
int64_t clip_take_decode_ns(struct clip *c);

#endif
