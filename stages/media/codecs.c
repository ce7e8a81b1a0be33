/* Asking for a decoder by codec is not enough: some do nothing without hardware that clipq does not use. */
#include "stages/media/codecs.h"

#include <stdbool.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>

static const enum AVCodecID usual[] = {
    AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_AV1, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_MPEG4,
    AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_H263, AV_CODEC_ID_FLV1, AV_CODEC_ID_MSMPEG4V3,
    AV_CODEC_ID_WMV2, AV_CODEC_ID_WMV3, AV_CODEC_ID_VC1, AV_CODEC_ID_THEORA, AV_CODEC_ID_MJPEG, AV_CODEC_ID_DVVIDEO,
    AV_CODEC_ID_PRORES, AV_CODEC_ID_DNXHD, AV_CODEC_ID_FFV1, AV_CODEC_ID_HUFFYUV, AV_CODEC_ID_PNG, AV_CODEC_ID_GIF,
    AV_CODEC_ID_RAWVIDEO,
};

/* The decoder named "av1" is a front to hardware; libdav1d and libaom decode by themselves, and are found before it. */
static bool is_decoded(enum AVCodecID id)
{
    const AVCodec *codec = avcodec_find_decoder(id);
    return codec && !(codec->capabilities & AV_CODEC_CAP_HARDWARE) &&
           (id != AV_CODEC_ID_AV1 || (codec->wrapper_name && *codec->wrapper_name));
}

int codecs_missing(char *out, size_t size, int *n_missing)
{
    const int n = (int) (sizeof usual / sizeof *usual);
    size_t at = 0;
    out[0] = '\0';
    *n_missing = 0;
    for (int i = 0; i < n; i++) {
        if (is_decoded(usual[i]))
            continue;
        ++*n_missing;
        if (at < size)
            at += (size_t) snprintf(out + at, size - at, "%s%s", at ? ", " : "", avcodec_get_name(usual[i]));
    }
    return n;
}

void codecs_versions(char *out, size_t size)
{
    const struct {
        const char *name;
        unsigned v;
    } libs[] = {
        {"libavformat", avformat_version()}, {"libavcodec", avcodec_version()}, {"libavutil", avutil_version()},
        {"libswscale", swscale_version()},
    };
    size_t at = 0;
    for (size_t i = 0; i < sizeof libs / sizeof *libs && at < size; i++)
        at += (size_t) snprintf(out + at, size - at, "%s%s %u.%u.%u", at ? ", " : "", libs[i].name, AV_VERSION_MAJOR(libs[i].v),
                                AV_VERSION_MINOR(libs[i].v), AV_VERSION_MICRO(libs[i].v));
}
