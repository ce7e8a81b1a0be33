/* H.264: ITU-T H.264, 7.3.1 and 7.4.1 (NAL units), Annex B (start codes), ISO/IEC 14496-15, 5.3.3 (lengths).
 * An IDR picture ends every reference and the order of output; a picture whose nal_ref_idc is 0 is referred to by
 * none. VP9: bitstream specification, 6.2; a key frame resets references and probabilities alike.
 */
#include "stages/media/packet_look.h"

#include <stddef.h>

#include <libavcodec/avcodec.h>
#include <xxhash.h>

enum { NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8, NAL_DELIMITER = 9, NAL_FILLER = 12 };

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

/* The first byte: frame_marker 2 bits, profile 2, show_existing_frame, frame_type (0: key), show_frame,
 * error_resilient_mode. The last: Annex B, 110 in the upper bits where frames that are not shown are packed with one
 * that is. A packet that shows nothing has no number among the frames. */
static struct packet_look look_at_vp9(const AVPacket *packet)
{
    uint8_t head = packet->size ? packet->data[0] : 0;
    uint8_t tail = packet->size ? packet->data[packet->size - 1] : 0;
    bool shows = head & 0x0a || (tail & 0xe0) == 0xc0;
    bool usual = (head & 0xc0) == 0x80 && (head & 0x30) != 0x30 && shows;
    return (struct packet_look) {.opaque = !usual, .fresh = usual && (head & 0x0e) == 0x02};
}

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
    if (plain && par->codec_id == AV_CODEC_ID_H264)
        return look_at_h264(par, packet);
    if (plain && par->codec_id == AV_CODEC_ID_VP9)
        return look_at_vp9(packet);
    return (struct packet_look) {.opaque = true};
}
