/* Messages between processes: framing only.
 *
 *     u32 size of what follows | u16 version | u16 type | payload (kernels/base/buf.h)
 *
 * A message over WIRE_MAX bytes, or of another version, is a protocol error: the peer is not trusted.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_WIRE_H
#define CLIPQ_RUNNER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"

enum { WIRE_VERSION = 1, WIRE_MAX = 64 << 20, WIRE_HEADER = 8 };

struct wire_msg {
    uint16_t type;
    struct cq_rd body;          /* points into the receiver's buffer, until the next call */
};

/* The child's side: blocking, on a file descriptor. CQ_EOF when the peer has closed between messages. */
struct wire {
    int fd;                     /* borrowed */
    struct cq_buf in;
    size_t consumed;            /* bytes of `in` already handed out */
};

void wire_init(struct wire *w, int fd);
void wire_finish(struct wire *w);
enum cq_err wire_send(struct wire *w, uint16_t type, const struct cq_buf *body);   /* body may be NULL */
enum cq_err wire_receive(struct wire *w, struct wire_msg *out);
/* Is a message waiting (without blocking for the first byte)? */
enum cq_err wire_poll(struct wire *w, int timeout_ms);   /* CQ_OK: yes; CQ_AGAIN: no; CQ_EOF */

/* The supervisor's side: bytes as they come. `feed` appends, `next` takes out whole messages (CQ_AGAIN when
 * there is none). */
struct wire_in {
    struct cq_buf buf;
    size_t consumed;
};

void wire_in_finish(struct wire_in *w);
enum cq_err wire_in_feed(struct wire_in *w, const void *data, size_t size);
enum cq_err wire_in_next(struct wire_in *w, struct wire_msg *out);

/* Header and body as one buffer, ready to send. */
void wire_pack(struct cq_buf *out, uint16_t type, const struct cq_buf *body);

#endif
