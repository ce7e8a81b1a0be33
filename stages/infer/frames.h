/* The frames as a net's first input: the step that turns bytes into what the model reads.
 *
 * Thread-safety: as the net.
 */
#ifndef CLIPQ_STAGES_INFER_FRAMES_H
#define CLIPQ_STAGES_INFER_FRAMES_H

#include "kernels/base/err.h"

struct device;
struct net;
struct session_image;

/* Makes uint8[N,H,W,C] frames the first input instead of what it was, with a first step OP_IMAGE, or OP_CONV_FRAMES where
 * a convolution is all that reads the images and the device has a kernel for both in one. To be called before layouts are
 * chosen. CQ_NOMEM. */
enum cq_err frames_feed(struct net *net, const struct device *dev, const struct session_image *image);

#endif
