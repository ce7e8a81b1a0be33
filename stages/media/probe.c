/* Headers first, and only as many packets as it takes to know the picture's size and format.
 *
 * Most containers tell nearly all at once; what analysis costs is decoding, up to 50 ms where a frame rate is
 * measured. A brief look is tried first and a full one only when something needed is still missing.
 */
#include "stages/media/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>

#include "kernels/base/log.h"
#include "stages/media/fingerprint.h"
#include "stages/media/orient.h"
#include "stages/media/source.h"
#include "stages/media/stream.h"

static enum failure fail(struct probe *out, enum failure f, const char *message)
{
    snprintf(out->message, sizeof out->message, "%s", message);
    return f;
}

static enum failure no_video(struct probe *out, const struct stream_choice *c, const AVFormatContext *format)
{
    char text[sizeof out->message];
    snprintf(text, sizeof text, "no video among %u streams%s", format->nb_streams,
             c->attached ? ", only attached pictures" : "");
    return fail(out, FAIL_NO_VIDEO, text);
}

static bool is_understood(const AVCodecParameters *par)
{
    return par->width > 0 && par->height > 0 && par->format != AV_PIX_FMT_NONE;
}

static enum failure look(struct source *s, struct probe *out, struct stream_choice *choice)
{
    for (enum source_effort effort = SOURCE_BRIEF; effort <= SOURCE_FULL; effort++) {
        enum failure f = source_open_format(s, effort, out->message, sizeof out->message);
        if (f)
            return f;
        *choice = stream_choose(s->format);
        if (choice->index >= 0 && is_understood(s->format->streams[choice->index]->codecpar))
            break;
        if (choice->index < 0 && s->format->nb_streams && !(s->format->ctx_flags & AVFMTCTX_NOHEADER))
            break;
    }
    return choice->index < 0 ? no_video(out, choice, s->format) : FAIL_NONE;
}

static void copy_names(struct probe *out, const AVFormatContext *format, const AVStream *st)
{
    const char *container = format->iformat->name;
    snprintf(out->container, sizeof out->container, "%.*s", (int) strcspn(container, ","), container);
    snprintf(out->codec, sizeof out->codec, "%s", avcodec_get_name(st->codecpar->codec_id));
    const char *pixels = av_get_pix_fmt_name(st->codecpar->format);
    snprintf(out->pixel_format, sizeof out->pixel_format, "%s", pixels ? pixels : "");
}

static void copy_geometry(struct probe *out, AVFormatContext *format, AVStream *st)
{
    out->coded_w = st->codecpar->width;
    out->coded_h = st->codecpar->height;
    AVRational sar = av_guess_sample_aspect_ratio(format, st, NULL);
    bool known = sar.num > 0 && sar.den > 0;
    out->sar_num = known ? sar.num : 1;
    out->sar_den = known ? sar.den : 1;

    size_t size = 0;
    const uint8_t *side = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &size);
    int32_t matrix[9];
    if (side && size >= sizeof matrix) {
        memcpy(matrix, side, sizeof matrix);
        orient_read(matrix, &out->rotation, &out->mirrored);
    }
    orient_display_size(out->coded_w, out->coded_h, out->sar_num, out->sar_den, out->rotation, &out->display_w,
                        &out->display_h);
}

static void copy_times(struct probe *out, const AVFormatContext *format, const AVStream *st)
{
    out->tb_num = st->time_base.num;
    out->tb_den = st->time_base.den;
    out->start_pts = st->start_time;
    out->duration_s = stream_duration(format, st->index);
    out->frames_claimed = st->nb_frames > 0 ? st->nb_frames : 0;
    if (st->avg_frame_rate.num > 0 && st->avg_frame_rate.den > 0)
        out->fps = av_q2d(st->avg_frame_rate);
}

static enum failure read_streams(struct source *s, struct probe *out)
{
    struct stream_choice choice;
    enum failure f = look(s, out, &choice);
    if (f)
        return f;

    AVStream *st = s->format->streams[choice.index];
    out->stream_index = choice.index;
    out->video_streams = choice.video_streams;
    memcpy(out->stream_reason, choice.reason, sizeof out->stream_reason);
    copy_names(out, s->format, st);
    copy_times(out, s->format, st);
    if (!avcodec_find_decoder(st->codecpar->codec_id)) {
        char text[sizeof out->message];
        snprintf(text, sizeof text, "no decoder for %s in this libavcodec; convert the clip or install one",
                 out->codec);
        return fail(out, FAIL_UNSUPPORTED_CODEC, text);
    }
    if (st->codecpar->width <= 0 || st->codecpar->height <= 0) {
        source_explain(s, "the size of the picture cannot be found", 0, out->message, sizeof out->message);
        return FAIL_NOT_MEDIA;
    }
    copy_geometry(out, s->format, st);
    out->message[0] = '\0';
    return FAIL_NONE;
}

static enum failure read_file(struct source *s, const struct clip_file *file, struct probe *out, enum cq_err *err)
{
    enum failure f = source_init_file(s, file, out->message, sizeof out->message);
    out->size = s->size;
    out->mtime_ns = s->mtime_ns;
    if (f && f != FAIL_EMPTY)
        return f;

    *err = fingerprint_fd(s->fd, s->size, out->fingerprint);
    if (*err == CQ_NOMEM)
        return FAIL_INTERNAL;
    if (*err) {
        snprintf(out->message, sizeof out->message, "reading failed: %s", strerror(errno));
        *err = CQ_OK;
        return FAIL_IO;
    }
    return f ? f : read_streams(s, out);
}

enum cq_err probe_file(struct cq_log *log, const char *path, struct probe *out)
{
    struct clip_file file;
    clip_file_open(path, &file);
    enum cq_err err = probe_open_file(log, path, &file, out);
    clip_file_close(&file);
    return err;
}

enum cq_err probe_open_file(struct cq_log *log, const char *path, const struct clip_file *file, struct probe *out)
{
    enum cq_err err = CQ_OK;
    struct source s;
    *out = (struct probe) {.stream_index = -1, .start_pts = AV_NOPTS_VALUE, .sar_num = 1, .sar_den = 1};
    out->failure = read_file(&s, file, out, &err);
    source_finish(&s);
    if (out->failure)
        cq_log_debug(log, "%s: %s: %s", path, failure_name(out->failure), out->message);
    return out->failure == FAIL_INTERNAL ? CQ_NOMEM : err;
}
