/* The opener, and both ends of the socket on which descriptors travel: one packet for each path, with or without a file. */
#include "runner/opener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "runner/child.h"
#include "runner/wire.h"
#include "stages/media/clip_file.h"

struct answer {
    uint32_t serial;
    struct clip_file file;      /* its fd is the sender's, and means nothing here */
};

union control {
    struct cmsghdr header;      /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* ---- the opener ---- */

static bool send_answer(int fd, const struct answer *a)
{
    union control control = {.bytes = {0}};
    struct iovec io = {(void *) a, sizeof *a};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (a->file.fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr) {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(c), &a->file.fd, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == sizeof *a;
}

struct opener {
    struct wire *paths;
    pid_t parser;               /* 0: in that process itself */
    int fd;                     /* our end of its files, or its own */
};

static void open_for(struct opener *o, struct cq_rd *body)
{
    struct answer a = {.serial = cq_get_u32(body)};
    const char *path = cq_get_str(body);
    if (body->err)
        return;
    clip_file_open(path, &a.file);
    send_answer(o->fd, &a);     /* if it is dead, that is seen next */
    clip_file_close(&a.file);
}

static int end_parser(struct opener *o)
{
    int status = 0;
    kill(o->parser, SIGKILL);   /* changes nothing of how it ended, if it has */
    while (waitpid(o->parser, &status, 0) < 0 && errno == EINTR)
        ;
    close(o->fd);
    return status;
}

/* The other has let go of its files, which it does when it dies. */
_Noreturn static void end_likewise(struct opener *o)
{
    int status = end_parser(o);
    if (WIFSIGNALED(status)) {
        setrlimit(RLIMIT_CORE, &(struct rlimit) {0});
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* Waits for it; whoever is served may die meanwhile. */
static enum cq_err next_request(struct opener *o, struct wire_msg *out)
{
    while (wire_poll(o->paths, 0) == CQ_AGAIN) {
        struct pollfd p[] = {{.fd = o->paths->fd, .events = POLLIN}, {.fd = o->fd}};
        if (poll(p, 2, -1) > 0 && p[1].revents)
            end_likewise(o);
    }
    return wire_receive(o->paths, out);
}

/* What the one before has not read is not for the next. */
static void empty_socket(void)
{
    char bytes[4096];
    while (recv(CHILD_FD, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

/* Until another one is to be forked. */
static void serve(struct opener *o)
{
    struct wire_msg msg = {0};
    while (!next_request(o, &msg) && msg.type == OPENER_MSG_PATH)
        open_for(o, &msg.body);
    end_parser(o);
    if (msg.type != OPENER_MSG_RENEW)
        _exit(0);               /* the supervisor is gone */
    empty_socket();
}

static enum cq_err fork_parser(struct cq_log *log, struct opener *o)
{
    int ends[2] = {-1, -1};
    pid_t self = getpid();
    o->parser = -1;
    if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        o->parser = fork();
    if (o->parser < 0) {
        enum cq_err err = cq_err_errno(errno);
        cq_log_error(log, "child: cannot start the process that reads clips: %s", strerror(errno));
        if (ends[0] >= 0)
            close(ends[0]), close(ends[1]);
        return err;
    }
    bool inside = !o->parser;
    close(ends[inside ? 0 : 1]);
    o->fd = ends[inside ? 1 : 0];
    if (inside && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != self))
        _exit(0);               /* else the opener died before we were tied to it */
    if (!inside)
        send(o->paths->fd, &o->parser, sizeof o->parser, MSG_NOSIGNAL);
    return CQ_OK;
}

enum cq_err opener_serve(struct cq_log *log, struct wire *paths, int *fd)
{
    struct opener o = {.paths = paths};
    enum cq_err err;
    prctl(PR_SET_NAME, "clipq-open");
    while (!(err = fork_parser(log, &o)) && o.parser)
        serve(&o);
    if (!err)
        *fd = o.fd;
    return err;
}

/* ---- whom it serves ---- */

static enum cq_err receive_any(int fd, struct answer *out)
{
    union control control = {.bytes = {0}};
    struct iovec io = {out, sizeof *out};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control,
    };
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != sizeof *out)
        return CQ_IO;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    bool with_file = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
    out->file.fd = -1;
    if (with_file)
        memcpy(&out->file.fd, CMSG_DATA(c), sizeof(int));
    else if (!out->file.why)
        out->file.why = EMFILE;     /* it was sent, and there was no number left for it here */
    return CQ_OK;
}

enum cq_err opener_receive(int fd, uint32_t serial, struct clip_file *out)
{
    struct answer a;
    enum cq_err err;
    while (!(err = receive_any(fd, &a)) && a.serial != serial)
        clip_file_close(&a.file);
    if (!err)
        *out = a.file;
    return err;
}
