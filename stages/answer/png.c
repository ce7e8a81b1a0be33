/* One picture, one PNG packet: libavcodec's encoder writes whole files.
 *
 * The bytes go to "NAME.part" first; rename() makes the file appear whole or not at all.
 */
#include "stages/answer/png.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>

#include "kernels/base/log.h"

static enum cq_err err_of_av(int av)
{
    return av == AVERROR(ENOMEM) ? CQ_NOMEM : CQ_INVALID;
}

static int fill_frame(AVFrame *f, const uint8_t *pixels, int width, int height, int channels)
{
    f->format = channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    f->width = width;
    f->height = height;
    int av = av_frame_get_buffer(f, 0);
    if (av < 0)
        return av;
    av_image_copy_plane(f->data[0], f->linesize[0], pixels, width * channels, width * channels, height);
    return 0;
}

static int encode(AVCodecContext *ctx, const AVCodec *codec, AVFrame *f, AVPacket *packet)
{
    ctx->width = f->width;
    ctx->height = f->height;
    ctx->pix_fmt = f->format;
    ctx->time_base = (AVRational) {1, 1};
    ctx->thread_count = 1;
    int av = avcodec_open2(ctx, codec, NULL);
    if (av >= 0)
        av = avcodec_send_frame(ctx, f);
    if (av >= 0)
        av = avcodec_send_frame(ctx, NULL);
    return av >= 0 ? avcodec_receive_packet(ctx, packet) : av;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        size -= (size_t) n;
    }
    return 0;
}

static enum cq_err write_file(struct cq_log *log, const char *path, const uint8_t *data, size_t size)
{
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s.part", path);
    if (length < 0 || length >= (int) sizeof part) {
        cq_log_error(log, "%s: the name is too long", path);
        return CQ_INVALID;
    }

    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int bad = fd < 0 || write_all(fd, data, size);
    int why = errno;
    if (fd >= 0 && close(fd) && !bad) {
        bad = 1;
        why = errno;
    }
    if (!bad && rename(part, path)) {
        bad = 1;
        why = errno;
    }
    if (!bad)
        return CQ_OK;

    if (fd >= 0)
        unlink(part);
    cq_log_error(log, "cannot write %s: %s", path, strerror(why));
    return cq_err_errno(why);
}

enum cq_err png_write(struct cq_log *log, const char *path, const uint8_t *pixels, int width, int height, int channels)
{
    if (width < 1 || height < 1 || (channels != 1 && channels != 3)) {
        cq_log_error(log, "%s: no PNG of %dx%d with %d channels", path, width, height, channels);
        return CQ_INVALID;
    }
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
    if (!codec) {
        cq_log_error(log, "%s: this libavcodec has no PNG encoder", path);
        return CQ_UNSUPPORTED;
    }

    enum cq_err err = CQ_NOMEM;
    AVFrame *f = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    AVCodecContext *ctx = avcodec_alloc_context3(codec);
    if (!f || !packet || !ctx)
        goto done;

    int av = fill_frame(f, pixels, width, height, channels);
    if (av >= 0)
        av = encode(ctx, codec, f, packet);
    if (av < 0) {
        err = err_of_av(av);
        cq_log_error(log, "%s: encoding failed: %s", path, av_err2str(av));
        goto done;
    }
    err = write_file(log, path, packet->data, (size_t) packet->size);

done:
    avcodec_free_context(&ctx);
    av_packet_free(&packet);
    av_frame_free(&f);
    return err;
}
