/* packet_look() of codecs whose frames say in their first bits what they are, whatever `par` says. `packet` has data.
 *
 * Thread-safety: read what they are given.
 */
#ifndef CLIPQ_STAGES_MEDIA_PACKET_LOOK_HEAD_H
#define CLIPQ_STAGES_MEDIA_PACKET_LOOK_HEAD_H

#include "stages/media/packet_look.h"

struct packet_look look_at_vp8(const struct AVCodecParameters *par, const struct AVPacket *packet);
struct packet_look look_at_vp9(const struct AVCodecParameters *par, const struct AVPacket *packet);
struct packet_look look_at_av1(const struct AVCodecParameters *par, const struct AVPacket *packet);
struct packet_look look_at_mjpeg(const struct AVCodecParameters *par, const struct AVPacket *packet);

#endif
