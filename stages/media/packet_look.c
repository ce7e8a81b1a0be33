/* H.264: ITU-T H.264, 7.3.1 and 7.4.1 (NAL units), Annex B (start codes), ISO/IEC 14496-15, 5.3.3 (lengths).
 * An IDR picture ends every reference and the order of output; a picture whose nal_ref_idc is 0 is referred to by
 * none. HEVC: ITU-T H.265, 7.3.1.2, 7.4.2.2, Annex B, ISO/IEC 14496-15, 8.3.3. IDR pictures likewise: what is shown
 * before one but comes after it refers to it alone and is shown after all that came earlier. A sub-layer non-reference
 * picture may serve those of higher sub-layers, so it counts only in streams that have one. MPEG-2: ISO/IEC 13818-2,
 * 6.2.2 and 6.2.3; no picture refers to a B picture, nor does any in MPEG-4 (ISO/IEC 14496-2, 6.2.3 and 6.2.5). Frames of
 * ProRes and DNxHD stand alone.
 */
#include "stages/media/packet_look.h"

#include <stddef.h>

#include <libavcodec/avcodec.h>
#include <xxhash.h>

#include "stages/media/packet_look_head.h"

enum { NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8, NAL_DELIMITER = 9, NAL_FILLER = 12 };

/* HEVC's: even ones up to 14 are the non-reference pictures of their sub-layer; 16..31 begin a sequence. */
enum {
    HEVC_LAST_PLAIN = 9, HEVC_IDR_W_RADL = 19, HEVC_IDR_N_LP = 20, HEVC_CRA = 21, HEVC_VPS = 32, HEVC_SPS = 33,
    HEVC_PPS = 34, HEVC_DELIMITER = 35, HEVC_FILLER = 38, HEVC_SEI = 39, HEVC_SEI_SUFFIX = 40, HEVC_UNSPECIFIED = 48
};

/* MPEG-2's start codes. */
enum { MPEG2_PICTURE = 0x00, MPEG2_LAST_SLICE = 0xaf, MPEG2_USER = 0xb2, MPEG2_EXTENSION = 0xb5, MPEG2_B = 3 };

/* MPEG-4's. */
enum { MPEG4_USER = 0xb2, MPEG4_VOP = 0xb6, MPEG4_B = 2 };

struct nals {
    const uint8_t *p, *end;
    int length_bytes;      /* 0: start codes */
};

/* The first byte of the next 00 00 01, or the end. */
static const uint8_t *start_code(const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 3; p++)
        if (!p[0] && !p[1] && p[2] == 1)
            return p;
    return end;
}

/* Its size, 0 at the end, -1 when malformed. */
static ptrdiff_t next_nal(struct nals *n, const uint8_t **nal)
{
    if (n->p == n->end)
        return 0;
    if (!n->length_bytes) {
        const uint8_t *code = start_code(n->p, n->end);
        *nal = n->end - code > 3 ? code + 3 : NULL;
        n->p = *nal ? start_code(*nal, n->end) : n->end;
        return *nal && n->p > *nal ? n->p - *nal : -1;
    }
    if (n->end - n->p < n->length_bytes)
        return -1;
    uint32_t size = 0;
    for (int i = 0; i < n->length_bytes; i++)
        size = size << 8 | *n->p++;
    if (!size || size > (size_t) (n->end - n->p))
        return -1;
    *nal = n->p;
    n->p += size;
    return (ptrdiff_t) size;
}

static struct packet_look look_at_h264(const AVCodecParameters *par, const AVPacket *packet)
{
    const struct packet_look opaque = {.opaque = true};
    bool lengths = par->extradata_size >= 7 && par->extradata[0] == 1;
    struct nals n = {packet->data, packet->data + packet->size, lengths ? (par->extradata[4] & 3) + 1 : 0};
    struct packet_look look = {0};
    int slices = 0, idr = 0, referred = 0;
    const uint8_t *nal;
    ptrdiff_t size;
    while ((size = next_nal(&n, &nal)) > 0) {
        switch (nal[0] & 31) {
        case NAL_SLICE: case NAL_IDR:
            slices++;
            idr += (nal[0] & 31) == NAL_IDR;
            referred += (nal[0] & 0x60) != 0;
            break;
        case NAL_SPS: case NAL_PPS:
            look.params = XXH64(nal, (size_t) size, look.params) | 1;
            break;
        case NAL_SEI: case NAL_DELIMITER: case NAL_FILLER:
            break;
        default:
            return opaque;
        }
    }
    if (size < 0 || !slices || (idr && idr != slices))
        return opaque;
    look.fresh = idr > 0;
    look.disposable = !referred && !look.params;
    return look;
}

static int hevc_type(const uint8_t *nal)
{
    return nal[0] >> 1 & 63;
}

/* Does every parameter set among these say that there is one sub-layer? */
static bool has_one_sub_layer(struct nals n)
{
    const uint8_t *nal;
    ptrdiff_t size;
    int sets = 0;
    while ((size = next_nal(&n, &nal)) > 0) {
        if (size < 3 || hevc_type(nal) != HEVC_SPS)
            continue;
        if (nal[2] >> 1 & 7)
            return false;
        sets++;
    }
    return !size && sets;
}

/* hvcC: 22 bytes, the number of arrays; of each a byte of type, the number of units, then each with its length. */
static bool hvcc_has_one_sub_layer(const AVCodecParameters *par)
{
    const uint8_t *p = par->extradata + 23, *end = par->extradata + par->extradata_size;
    int sets = 0;
    for (int arrays = par->extradata[22]; arrays > 0; arrays--) {
        if (end - p < 3)
            return false;
        int units = p[1] << 8 | p[2], type = p[0] & 63;
        for (p += 3; units > 0; units--) {
            ptrdiff_t size = end - p < 2 ? -1 : p[0] << 8 | p[1];
            if (size < 3 || end - p - 2 < size)
                return false;
            if (type == HEVC_SPS && p[4] >> 1 & 7)
                return false;
            sets += type == HEVC_SPS;
            p += 2 + size;
        }
    }
    return sets > 0;
}

static bool is_hvcc(const AVCodecParameters *par)
{
    return par->extradata_size >= 23 && (par->extradata[0] || par->extradata[1] || par->extradata[2] > 1);
}

struct hevc_picture {
    int slices, idr, disposable;
    bool odd;              /* something unusual is in the packet */
};

static void take_hevc_nal(struct hevc_picture *pic, const uint8_t *nal, ptrdiff_t size, uint64_t *params)
{
    int type = size < 3 ? HEVC_UNSPECIFIED : hevc_type(nal);
    bool first_layer = !(nal[0] & 1) && size >= 2 && !(nal[1] >> 3), lowest = size >= 2 && (nal[1] & 7) == 1;
    if (!first_layer) {
        pic->odd = true;
    } else if (type <= HEVC_LAST_PLAIN || (type >= HEVC_IDR_W_RADL && type <= HEVC_CRA)) {
        pic->slices++;
        pic->idr += type == HEVC_IDR_W_RADL || type == HEVC_IDR_N_LP;
        pic->disposable += type <= HEVC_LAST_PLAIN && type % 2 == 0 && lowest;
    } else if (type == HEVC_VPS || type == HEVC_SPS || type == HEVC_PPS) {
        *params = XXH64(nal, (size_t) size, *params) | 1;
    } else if (type != HEVC_DELIMITER && type != HEVC_FILLER && type != HEVC_SEI && type != HEVC_SEI_SUFFIX) {
        pic->odd = true;
    }
}

static struct packet_look look_at_hevc(const AVCodecParameters *par, const AVPacket *packet)
{
    bool lengths = is_hvcc(par);
    struct nals n = {packet->data, packet->data + packet->size, lengths ? (par->extradata[21] & 3) + 1 : 0};
    struct nals sets = {par->extradata, par->extradata + par->extradata_size, 0};
    struct hevc_picture pic = {0};
    struct packet_look look = {0};
    const uint8_t *nal;
    ptrdiff_t size;
    while ((size = next_nal(&n, &nal)) > 0)
        take_hevc_nal(&pic, nal, size, &look.params);
    if (size < 0 || pic.odd || !pic.slices || (pic.idr && pic.idr != pic.slices))
        return (struct packet_look) {.opaque = true};
    bool one = lengths ? hvcc_has_one_sub_layer(par) : par->extradata_size > 0 && has_one_sub_layer(sets);
    look.fresh = pic.idr > 0;
    look.disposable = one && pic.disposable == pic.slices && !look.params;
    return look;
}

/* A packet is a frame. Sequence headers, groups and the fields of a frame in two pictures make it opaque. */
static struct packet_look look_at_mpeg2(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    const struct packet_look opaque = {.opaque = true};
    const uint8_t *end = packet->data + packet->size, *p = start_code(packet->data, end);
    int pictures = 0;
    bool b = false;
    for (; end - p > 5; p = start_code(p + 3, end)) {
        if (p[3] == MPEG2_PICTURE) {
            pictures++;
            b = (p[5] >> 3 & 7) == MPEG2_B;
        } else if (p[3] > MPEG2_LAST_SLICE && p[3] != MPEG2_USER && p[3] != MPEG2_EXTENSION) {
            return opaque;
        }
    }
    return pictures == 1 ? (struct packet_look) {.disposable = b} : opaque;
}

/* Alone in its packet. Without B pictures at the start (video_delay) the decoder may not know yet that there are any. */
static struct packet_look look_at_mpeg4(const AVCodecParameters *par, const AVPacket *packet)
{
    const struct packet_look opaque = {.opaque = true};
    const uint8_t *end = packet->data + packet->size, *p = start_code(packet->data, end);
    int pictures = 0;
    bool b = false;
    for (; end - p > 4; p = start_code(p + 3, end)) {
        if (p[3] != MPEG4_VOP && p[3] != MPEG4_USER)
            return opaque;
        pictures += p[3] == MPEG4_VOP;
        b = p[3] == MPEG4_VOP ? p[4] >> 6 == MPEG4_B : b;
    }
    return pictures == 1 ? (struct packet_look) {.disposable = b && par->video_delay > 0} : opaque;
}

static struct packet_look stands_alone(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    (void) packet;
    return (struct packet_look) {.fresh = true, .disposable = true};
}

static const struct {
    enum AVCodecID id;
    struct packet_look (*look)(const AVCodecParameters *par, const AVPacket *packet);
} looks[] = {
    {AV_CODEC_ID_H264, look_at_h264},        {AV_CODEC_ID_HEVC, look_at_hevc},   {AV_CODEC_ID_MPEG2VIDEO, look_at_mpeg2},
    {AV_CODEC_ID_MPEG4, look_at_mpeg4},      {AV_CODEC_ID_VP8, look_at_vp8},     {AV_CODEC_ID_VP9, look_at_vp9},
    {AV_CODEC_ID_AV1, look_at_av1},          {AV_CODEC_ID_MJPEG, look_at_mjpeg}, {AV_CODEC_ID_PRORES, stands_alone},
    {AV_CODEC_ID_DNXHD, stands_alone},
};

/* MPEG-TS marks every packet with its stream's id; anything else may tell the decoder something. */
static bool has_side_data(const AVPacket *packet)
{
    for (int i = 0; i < packet->side_data_elems; i++)
        if (packet->side_data[i].type != AV_PKT_DATA_MPEGTS_STREAM_ID)
            return true;
    return false;
}

struct packet_look packet_look(const AVCodecParameters *par, const AVPacket *packet)
{
    bool plain = packet->data && !has_side_data(packet) && !(packet->flags & AV_PKT_FLAG_CORRUPT);
    for (size_t i = 0; plain && i < sizeof looks / sizeof *looks; i++)
        if (looks[i].id == par->codec_id)
            return looks[i].look(par, packet);
    return (struct packet_look) {.opaque = true};
}
