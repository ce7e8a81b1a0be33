/* Framing of messages, for both ends of a socket.
 *
 * Both directions share one idea: bytes gather in a buffer, whole messages are handed out as readers that
 * point into it, and what was handed out is dropped before the next bytes come in. The size in a header is
 * checked before a byte of the body is awaited, so a hostile peer cannot make us allocate.
 */
#include "runner/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

struct header {
    uint32_t size;      /* of what follows this field: version, type, payload */
    uint16_t version;
    uint16_t type;
};
_Static_assert(sizeof(struct header) == WIRE_HEADER, "the header is sent as it stands in memory");

static const uint32_t header_tail = WIRE_HEADER - sizeof(uint32_t);

/* Drops what was handed out. */
static void compact(struct cq_buf *b, size_t *consumed)
{
    if (!*consumed)
        return;
    memmove(b->data, b->data + *consumed, b->size - *consumed);
    b->size -= *consumed;
    *consumed = 0;
}

/* The message at `*consumed`, if it is whole. CQ_AGAIN: more bytes are needed. */
static enum cq_err take(const struct cq_buf *b, size_t *consumed, struct wire_msg *out)
{
    struct header h;
    size_t left = b->size - *consumed;
    if (left < sizeof h)
        return CQ_AGAIN;
    memcpy(&h, b->data + *consumed, sizeof h);
    if (h.version != WIRE_VERSION || h.size < header_tail || h.size > WIRE_MAX)
        return CQ_PROTOCOL;
    size_t body = h.size - header_tail;
    if (left - sizeof h < body)
        return CQ_AGAIN;
    *out = (struct wire_msg) {.type = h.type, .body = cq_rd_of(b->data + *consumed + sizeof h, body)};
    *consumed += sizeof h + body;
    return CQ_OK;
}

static enum cq_err make_header(struct header *h, uint16_t type, const struct cq_buf *body)
{
    if (body && body->err)
        return body->err;
    size_t size = body ? body->size : 0;
    if (size > (size_t) WIRE_MAX - header_tail)
        return CQ_INVALID;
    *h = (struct header) {.size = (uint32_t) size + header_tail, .version = WIRE_VERSION, .type = type};
    return CQ_OK;
}

void wire_pack(struct cq_buf *out, uint16_t type, const struct cq_buf *body)
{
    struct header h;
    enum cq_err err = make_header(&h, type, body);
    if (err) {
        out->err = out->err ? out->err : err;
        return;
    }
    cq_put(out, &h, sizeof h);
    if (body)
        cq_put(out, body->data, body->size);
}

/* ---- the child's side ---- */

void wire_init(struct wire *w, int fd)
{
    *w = (struct wire) {.fd = fd};
}

void wire_finish(struct wire *w)
{
    cq_buf_finish(&w->in);
    w->consumed = 0;
}

/* Through sendmsg rather than writev: a peer that is gone must be an error, not a signal. */
static enum cq_err send_all(int fd, struct iovec *io, int n)
{
    while (n) {
        struct msghdr m = {.msg_iov = io, .msg_iovlen = (size_t) n};
        ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return CQ_IO;
        size_t done = (size_t) sent;
        for (; n && done >= io->iov_len; io++, n--)
            done -= io->iov_len;
        if (n) {
            io->iov_base = (uint8_t *) io->iov_base + done;
            io->iov_len -= done;
        }
    }
    return CQ_OK;
}

enum cq_err wire_send(struct wire *w, uint16_t type, const struct cq_buf *body)
{
    struct header h;
    enum cq_err err = make_header(&h, type, body);
    if (err)
        return err;
    struct iovec io[2] = {{&h, sizeof h}, {body ? body->data : NULL, body ? body->size : 0}};
    return send_all(w->fd, io, body && body->size ? 2 : 1);
}

static enum cq_err read_more(struct wire *w)
{
    uint8_t bytes[READ_SIZE];
    ssize_t n;
    do {
        n = read(w->fd, bytes, sizeof bytes);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return CQ_IO;
    if (!n)
        return w->in.size == w->consumed ? CQ_EOF : CQ_PROTOCOL;
    compact(&w->in, &w->consumed);
    cq_put(&w->in, bytes, (size_t) n);
    return w->in.err;
}

enum cq_err wire_receive(struct wire *w, struct wire_msg *out)
{
    enum cq_err err;
    while ((err = take(&w->in, &w->consumed, out)) == CQ_AGAIN) {
        err = read_more(w);
        if (err)
            return err;
    }
    return err;
}

enum cq_err wire_poll(struct wire *w, int timeout_ms)
{
    if (w->in.size > w->consumed)
        return CQ_OK;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return CQ_IO;
    if (!n)
        return CQ_AGAIN;
    return p.revents & POLLIN ? CQ_OK : CQ_EOF;
}

/* ---- the supervisor's side ---- */

void wire_in_finish(struct wire_in *w)
{
    cq_buf_finish(&w->buf);
    w->consumed = 0;
}

enum cq_err wire_in_feed(struct wire_in *w, const void *data, size_t size)
{
    compact(&w->buf, &w->consumed);
    cq_put(&w->buf, data, size);
    return w->buf.err;
}

enum cq_err wire_in_next(struct wire_in *w, struct wire_msg *out)
{
    return take(&w->buf, &w->consumed, out);
}
