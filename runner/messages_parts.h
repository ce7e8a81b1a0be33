/* Parts that messages of several talks hold. A value that makes no sense sets CQ_PROTOCOL in the reader; what is
 * returned then is of no use, but harmless as a count, an index or a divisor.
 *
 * For the files of messages only. Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_MESSAGES_PARTS_H
#define CLIPQ_RUNNER_MESSAGES_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "stages/answer/geometry.h"

enum { MSG_SIDE_MAX = 1 << 15 };   /* pixels, of a model's input or a picture's side */

enum cq_err msg_refuse(struct cq_rd *r);   /* CQ_PROTOCOL */
int msg_get_range(struct cq_rd *r, int least, int most);
double msg_get_finite(struct cq_rd *r);
int64_t msg_get_natural(struct cq_rd *r);
bool msg_get_bool(struct cq_rd *r);
enum cq_err msg_get_err(struct cq_rd *r);

void msg_put_geometry(struct cq_buf *b, const struct geometry *g);
struct geometry msg_get_geometry(struct cq_rd *r);

#endif
