/* What a child does before its work: it ties itself to its parent, lets go of what it inherited, and shuts itself in. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "runner/arena_view.h"
#include "runner/child.h"
#include "runner/opener.h"

/* Where memory runs out the kernel is to kill us rather than the supervisor, who starts another: by half of all memory
 * before our own size (proc(5)). Without /proc it goes by size. */
static void offer_oneself(struct cq_log *log)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "500", 3) < 0)
        cq_log_debug(log, "child: oom_score_adj stays as it is: %s", strerror(errno));
    close(fd);
}

/* Descriptors up to `last` stay. */
static enum cq_err begin(struct cq_log *log, int last)
{
    /* Ctrl-C, Ctrl-Z and a batch system's TERM go to the whole group, and the supervisor decides what they mean. */
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGTSTP, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || close_range((unsigned) last + 1, ~0U, 0)) {
        cq_log_error(log, "child: cannot tie itself to its parent: %s", strerror(errno));
        return cq_err_errno(errno);
    }
    offer_oneself(log);
    for (int fd = CHILD_FD; fd <= last; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    int flags = fcntl(CHILD_FD, F_GETFL);
    if (flags < 0 || fcntl(CHILD_FD, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        cq_log_error(log, "child: no socket to the supervisor on descriptor %d; this is not for use by hand", CHILD_FD);
        return CQ_INVALID;
    }
    return CQ_OK;
}

enum cq_err child_begin(struct cq_log *log)
{
    return begin(log, CHILD_FD + arena_count(CHILD_ARENA_FD));
}

enum cq_err child_begin_media(struct cq_log *log, int *files, enum sandbox_mode *mode)
{
    enum cq_err err = begin(log, CHILD_PATHS_FD);
    if (err)
        return err;
    int flags = fcntl(CHILD_PATHS_FD, F_GETFL);
    if (flags < 0 || fcntl(CHILD_PATHS_FD, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return CQ_INVALID;

    struct wire paths;
    struct wire_msg msg;
    wire_init(&paths, CHILD_PATHS_FD);
    err = wire_receive(&paths, &msg);
    if (!err) {
        int m = cq_get_u8(&msg.body);
        *mode = (enum sandbox_mode) m;
        err = msg.type != OPENER_MSG_SANDBOX || msg.body.err || m > SANDBOX_OFF ? CQ_PROTOCOL : opener_serve(log, &paths, files);
    }
    wire_finish(&paths);
    close(CHILD_PATHS_FD);
    return err;
}

/* `enter` builds walls and returns those that stand; `all` are they if none is missing. */
static enum cq_err shut_in(struct cq_log *log, enum sandbox_mode mode, unsigned (*enter)(char *missing, size_t size),
                           unsigned all)
{
    char missing[256];
    if (mode == SANDBOX_OFF || enter(missing, sizeof missing) == all || mode == SANDBOX_AUTO)
        return CQ_OK;
    cq_log_error(log, "sandbox: not here: %s", missing);
    return CQ_UNSUPPORTED;
}

enum cq_err child_shut_in(struct cq_log *log, enum sandbox_mode mode)
{
    return shut_in(log, mode, sandbox_enter, SANDBOX_ALL);
}

enum cq_err child_shut_in_engine(struct cq_log *log, enum sandbox_mode mode)
{
    return shut_in(log, mode, sandbox_enter_engine, SANDBOX_OF_ENGINE);
}
