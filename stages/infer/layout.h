/* Which tensors lie in blocks of channels, and where data is reordered between the two layouts.
 *
 * Thread-safety: as the net.
 */
#ifndef CLIPQ_STAGES_INFER_LAYOUT_H
#define CLIPQ_STAGES_INFER_LAYOUT_H

#include "kernels/base/err.h"

struct cq_log;
struct device;
struct net;

/* Sets the layout of every tensor and inserts OP_REORDER steps. Inputs and outputs of the net stay PLAIN.
 * CQ_UNSUPPORTED (logged with the node's name) when no kernel serves a step in any layout. */
enum cq_err layout_choose(struct cq_log *log, const struct device *dev, struct net *net);

#endif
