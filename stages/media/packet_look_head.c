/* VP8: RFC 6386, 9.1. VP9: bitstream specification, 6.2. AV1: bitstream specification, 5.3 to 5.9. A key frame that is shown
 * resets references and probabilities alike. Frames of VP9 that nothing takes for a reference still leave probabilities and
 * motion vectors to the next. A packet that shows nothing has no number among the frames, so it is opaque.
 * JPEG: ITU-T T.81, B.2; an image that brings its tables stands alone.
 */
#include "stages/media/packet_look_head.h"

#include <stddef.h>

#include <libavcodec/avcodec.h>
#include <xxhash.h>

static const struct packet_look opaque = {.opaque = true};

/* The first byte from its lowest bit: 0 for a key frame, version 3 bits, show_frame. */
struct packet_look look_at_vp8(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    uint8_t head = packet->size ? packet->data[0] : 0;
    return head & 0x10 ? (struct packet_look) {.fresh = !(head & 1)} : opaque;
}

/* The first byte: frame_marker 2 bits, profile 2, show_existing_frame, frame_type (0: key), show_frame,
 * error_resilient_mode. The last: Annex B, 110 in the upper bits where frames that are not shown are packed with one
 * that is. */
struct packet_look look_at_vp9(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    uint8_t head = packet->size ? packet->data[0] : 0;
    uint8_t tail = packet->size ? packet->data[packet->size - 1] : 0;
    bool shows = head & 0x0a || (tail & 0xe0) == 0xc0;
    bool usual = (head & 0xc0) == 0x80 && (head & 0x30) != 0x30 && shows;
    return (struct packet_look) {.opaque = !usual, .fresh = usual && (head & 0x0e) == 0x02};
}

/* ---- AV1 ---- */

enum { OBU_SEQUENCE = 1, OBU_DELIMITER = 2, OBU_FRAME_HEADER = 3, OBU_TILES = 4, OBU_METADATA = 5, OBU_FRAME = 6, OBU_PADDING = 15 };

struct obu {
    int type;
    const uint8_t *data;
    size_t size;
    bool upper_layer;      /* of an operating point that shows several frames at once */
};

static bool read_leb128(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 8 && *p < end; i++) {
        uint8_t byte = *(*p)++;
        *value |= (uint64_t) (byte & 127) << 7 * i;
        if (!(byte & 128))
            return true;
    }
    return false;
}

/* The header: forbidden bit, type 4 bits, has_extension, has_size_field, reserved; the extension: temporal_id 3 bits,
 * spatial_id 2. */
static bool next_obu(const uint8_t **p, const uint8_t *end, struct obu *out)
{
    uint8_t head = *(*p)++;
    bool extended = head & 4;
    if (head & 0x81 || (extended && *p == end))
        return false;
    *out = (struct obu) {.type = head >> 3 & 15, .upper_layer = extended && **p & 0x18};
    *p += extended;
    uint64_t size = (uint64_t) (end - *p);
    if ((head & 2 && !read_leb128(p, end, &size)) || size > (uint64_t) (end - *p))
        return false;
    out->data = *p;
    out->size = (size_t) size;
    *p += size;
    return true;
}

/* Those that show a frame and end with it are all that containers hold. A frame begins: show_existing_frame,
 * frame_type 2 bits (0: key), show_frame; of still pictures it is otherwise, but those need no leaving out. */
struct packet_look look_at_av1(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    const uint8_t *p = packet->data, *end = p + packet->size;
    struct packet_look look = {0};
    int frames = 0, fresh = 0;
    struct obu o;
    while (p < end) {
        if (!next_obu(&p, end, &o) || o.upper_layer)
            return opaque;
        if (o.type == OBU_SEQUENCE) {
            look.params = XXH64(o.data, o.size, look.params) | 1;
        } else if (o.type == OBU_FRAME || o.type == OBU_FRAME_HEADER) {
            frames++;
            fresh += o.size && (o.data[0] & 0xf0) == 0x10;
        } else if (o.type != OBU_DELIMITER && o.type != OBU_TILES && o.type != OBU_METADATA && o.type != OBU_PADDING) {
            return opaque;
        }
    }
    if (!frames)
        return opaque;
    look.fresh = fresh && frames == 1;
    return look;
}

/* ---- JPEG ---- */

enum { JPEG_SOI = 0xd8, JPEG_SOS = 0xda, JPEG_DQT = 0xdb, JPEG_DHT = 0xc4 };

/* Segments up to the first scan, each ff, its marker, its length in two bytes and what is in it. */
struct packet_look look_at_mjpeg(const AVCodecParameters *par, const AVPacket *packet)
{
    (void) par;
    const uint8_t *p = packet->data, *end = p + packet->size;
    bool quantisers = false, codes = false;
    if (end - p < 2 || p[0] != 0xff || p[1] != JPEG_SOI)
        return opaque;
    for (p += 2; end - p >= 4 && p[0] == 0xff && p[1] != JPEG_SOS;) {
        ptrdiff_t size = p[2] << 8 | p[3];
        quantisers = quantisers || p[1] == JPEG_DQT;
        codes = codes || p[1] == JPEG_DHT;
        if (end - p - 2 < size)
            return opaque;
        p += 2 + size;
    }
    bool scan = end - p >= 4 && p[0] == 0xff && p[1] == JPEG_SOS;
    return scan && quantisers && codes ? (struct packet_look) {.fresh = true} : opaque;
}
