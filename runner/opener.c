/* Both ends of the socket on which descriptors travel: one packet for each path, with or without a file. */
#include "runner/opener.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

static void serve(struct wire *paths, int fd)
{
    struct wire_msg msg;
    while (!wire_receive(paths, &msg) && msg.type == OPENER_MSG_PATH) {
        struct answer a = {.serial = cq_get_u32(&msg.body)};
        const char *path = cq_get_str(&msg.body);
        if (msg.body.err)
            break;
        clip_file_open(path, &a.file);
        bool sent = send_answer(fd, &a);
        clip_file_close(&a.file);
        if (!sent)
            break;
    }
}

static void be_opener(pid_t child, struct wire *paths, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "clipq-open");
    close(CHILD_FD);
    close(CHILD_ARENA_FD);
    pid_t self = getpid();
    if (getppid() == child && send(paths->fd, &self, sizeof self, MSG_NOSIGNAL) == sizeof self)
        serve(paths, fd);       /* else it died before we were tied to it */
    _exit(0);
}

/* ---- the child ---- */

enum cq_err opener_start(struct cq_log *log, struct wire *paths, int *fd)
{
    int ends[2] = {-1, -1};
    pid_t child = getpid(), pid = -1;
    if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        pid = fork();
    if (pid < 0) {
        enum cq_err err = cq_err_errno(errno);
        cq_log_error(log, "child: cannot start the process that opens its clips: %s", strerror(errno));
        if (ends[0] >= 0)
            close(ends[0]), close(ends[1]);
        return err;
    }
    if (!pid) {
        close(ends[0]);
        be_opener(child, paths, ends[1]);
    }
    close(ends[1]);
    *fd = ends[0];
    return CQ_OK;
}

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
