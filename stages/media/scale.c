/* One pass of libswscale from the coded frame to the size it has in the model's input, colour conversion included;
 * then that small picture is turned, mirrored and laid into place.
 *
 * swscale writes whole vectors and runs past the ends of rows, so it gets a picture of our own with room at its
 * edges; the caller's memory, whose rows stand close, is written by our loops alone. Turning after scaling moves the
 * fewest bytes.
 */
#include "stages/media/scale.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "kernels/base/log.h"
#include "stages/media/clip.h"
#include "stages/media/orient.h"

enum { MAX_SIDE = 16384, ALIGN = 64 };

/* What a swscale context was made for. */
struct conversion {
    int format, src_w, src_h, dst_w, dst_h;
    int matrix;               /* SWS_CS_* */
    int full_range;
};

struct scaler {
    struct cq_log *log;
    struct scale_target target;
    int rotation;
    bool mirrored;
    struct SwsContext *sws;   /* owned; serves `made_for` */
    struct conversion made_for;
    uint8_t *picture;         /* owned; scaled, not yet turned */
    int stride;               /* bytes of a row of `picture` */
};

static int channel_count(const struct scale_target *t)
{
    return t->channels == CHANNELS_GRAY ? 1 : 3;
}

int64_t scale_bytes(const struct scale_target *t)
{
    return (int64_t) t->width * t->height * channel_count(t);
}

static bool is_valid(const struct scale_target *t, int rotation)
{
    return t->width >= 1 && t->width <= MAX_SIDE && t->height >= 1 && t->height <= MAX_SIDE && t->pad >= 0 &&
           t->pad <= 255 && rotation >= 0 && rotation < 360 && rotation % 90 == 0;
}

enum cq_err scaler_create(struct cq_log *log, const struct scale_target *target, int rotation, bool mirrored,
                          struct scaler **out)
{
    *out = NULL;
    if (!is_valid(target, rotation)) {
        cq_log_error(log, "cannot scale to %dx%d, padded with %d, turned by %d", target->width, target->height,
                     target->pad, rotation);
        return CQ_INVALID;
    }
    struct scaler *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->log = log;
    s->target = *target;
    s->rotation = rotation;
    s->mirrored = mirrored;
    *out = s;
    return CQ_OK;
}

void scaler_destroy(struct scaler **s)
{
    if (!*s)
        return;
    sws_freeContext((*s)->sws);
    av_free((*s)->picture);
    free(*s);
    *s = NULL;
}

/* Without a tag players go by size: high definition is BT.709, anything smaller BT.601. */
static int matrix_of(const AVFrame *f)
{
    switch (f->colorspace) {
    case AVCOL_SPC_BT709:      return SWS_CS_ITU709;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:  return SWS_CS_ITU601;
    case AVCOL_SPC_FCC:        return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M:  return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:  return SWS_CS_BT2020;
    default:                   return f->width >= 1280 || f->height > 576 ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
}

static bool is_full_range(const AVFrame *f)
{
    switch (f->format) {
    case AV_PIX_FMT_YUVJ420P: case AV_PIX_FMT_YUVJ422P: case AV_PIX_FMT_YUVJ444P: case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
        return true;
    default:
        return f->color_range == AVCOL_RANGE_JPEG;
    }
}

static enum AVPixelFormat target_format(const struct scaler *s)
{
    switch (s->target.channels) {
    case CHANNELS_RGB: return AV_PIX_FMT_RGB24;
    case CHANNELS_BGR: return AV_PIX_FMT_BGR24;
    default:           return AV_PIX_FMT_GRAY8;
    }
}

static enum cq_err prepare(struct scaler *s, const struct conversion *want)
{
    sws_freeContext(s->sws);
    av_freep(&s->picture);
    s->made_for = (struct conversion) {0};
    s->sws = sws_getContext(want->src_w, want->src_h, want->format, want->dst_w, want->dst_h, target_format(s),
                            SWS_BILINEAR, NULL, NULL, NULL);
    if (!s->sws) {
        const char *name = av_get_pix_fmt_name(want->format);
        cq_log_error(s->log, "libswscale cannot scale %s %dx%d to %dx%d", name ? name : "pixels of unknown format",
                     want->src_w, want->src_h, want->dst_w, want->dst_h);
        return CQ_UNSUPPORTED;
    }
    const int *matrix = sws_getCoefficients(want->matrix);
    sws_setColorspaceDetails(s->sws, matrix, want->full_range, matrix, 1, 0, 1 << 16, 1 << 16);

    /* Room for what swscale's widest vectors write past a row. */
    s->stride = (want->dst_w * channel_count(&s->target) + 2 * ALIGN - 1) / ALIGN * ALIGN;
    s->picture = av_malloc((size_t) s->stride * (size_t) want->dst_h + ALIGN);
    if (!s->picture)
        return CQ_NOMEM;
    s->made_for = *want;
    return CQ_OK;
}

static enum cq_err scale_picture(struct scaler *s, const AVFrame *f, int w, int h)
{
    struct conversion want = {
        .format = f->format, .src_w = f->width, .src_h = f->height, .dst_w = w, .dst_h = h,
        .matrix = matrix_of(f), .full_range = is_full_range(f),
    };
    if (memcmp(&want, &s->made_for, sizeof want) != 0) {
        enum cq_err err = prepare(s, &want);
        if (err)
            return err;
    }
    uint8_t *planes[4] = {s->picture};
    int strides[4] = {s->stride};
    int rows = sws_scale(s->sws, (const uint8_t *const *) f->data, f->linesize, 0, f->height, planes, strides);
    if (rows != h) {
        cq_log_error(s->log, "libswscale gave %d rows of %d", rows, h);
        return CQ_CORRUPT;
    }
    return CQ_OK;
}

static void copy_pixels(uint8_t *dst, const uint8_t *src, int n, ptrdiff_t step, int channels)
{
    if (step == channels) {
        memcpy(dst, src, (size_t) n * (size_t) channels);
        return;
    }
    for (int i = 0; i < n; i++, src += step)
        for (int c = 0; c < channels; c++)
            *dst++ = src[c];
}

/* The upright picture is read off the scaled one along its rows or columns, forward or backward: one step per
 * pixel, one per row, from one corner. */
static void lay(const struct scaler *s, const struct geometry *g, uint8_t *dst)
{
    int channels = channel_count(&s->target);
    int w = s->made_for.dst_w, h = s->made_for.dst_h;
    ptrdiff_t right = s->mirrored ? -channels : channels, down = s->stride;
    const uint8_t *left_top = s->picture + (s->mirrored ? (w - 1) * channels : 0);
    const uint8_t *from = left_top;
    ptrdiff_t step_x = right, step_y = down;
    switch (s->rotation) {
    case 90:
        from = left_top + (h - 1) * down;
        step_x = -down;
        step_y = right;
        break;
    case 180:
        from = left_top + (h - 1) * down + (w - 1) * right;
        step_x = -right;
        step_y = -down;
        break;
    case 270:
        from = left_top + (w - 1) * right;
        step_x = down;
        step_y = -right;
        break;
    }

    size_t row = (size_t) g->input_w * (size_t) channels;
    size_t before = (size_t) g->x * (size_t) channels, width = (size_t) g->w * (size_t) channels;
    memset(dst, s->target.pad, row * (size_t) g->y);
    for (int y = 0; y < g->h; y++) {
        uint8_t *line = dst + row * (size_t) (g->y + y);
        memset(line, s->target.pad, before);
        copy_pixels(line + before, from + y * step_y, g->w, step_x, channels);
        memset(line + before + width, s->target.pad, row - before - width);
    }
    memset(dst + row * (size_t) (g->y + g->h), s->target.pad, row * (size_t) (g->input_h - g->y - g->h));
}

enum cq_err scaler_run(struct scaler *s, const struct clip_frame *frame, uint8_t *dst, struct geometry *geometry)
{
    const AVFrame *f = frame->picture;
    int display_w, display_h;
    orient_display_size(f->width, f->height, f->sample_aspect_ratio.num, f->sample_aspect_ratio.den, s->rotation,
                        &display_w, &display_h);
    struct geometry g = geometry_fit(s->target.fit, display_w, display_h, s->target.width, s->target.height);
    bool turned = s->rotation == 90 || s->rotation == 270;
    enum cq_err err = scale_picture(s, f, turned ? g.h : g.w, turned ? g.w : g.h);
    if (err)
        return err;
    lay(s, &g, dst);
    *geometry = g;
    return CQ_OK;
}
