/* What a packet is to the packets after it, read from its bytes and not from what the container says.
 *
 * Known are H.264, HEVC, VP8, VP9, AV1, MPEG-2, MPEG-4, MJPEG, ProRes and DNxHD; in any other codec, and where
 * anything unusual is met, a packet is opaque and must be decoded.
 *
 * Thread-safety: reads what it is given.
 */
#ifndef CLIPQ_STAGES_MEDIA_PACKET_LOOK_H
#define CLIPQ_STAGES_MEDIA_PACKET_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct AVCodecParameters;
struct AVPacket;

struct packet_look {
    bool opaque;        /* not to be left out, whatever follows; the rest says nothing */
    bool fresh;         /* neither it nor any later packet refers to an earlier one, and all are shown later */
    bool disposable;    /* no other packet refers to it */
    uint64_t params;    /* hash of the parameter sets inside; 0: none */
};

struct packet_look packet_look(const struct AVCodecParameters *par, const struct AVPacket *packet);

#endif
