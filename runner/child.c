/* Spawning, feeding, hearing and burying one child.
 *
 * An exit is told only when everything the child ever wrote has been read: both pipes are emptied by hand
 * when SIGCHLD comes, rather than waiting for their ends, because a grandchild (PoCL runs a linker) may hold
 * them open. The memory lives until libuv has closed all three handles, whenever child_destroy() was called.
 */
#include "runner/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/arena_view.h"
#include "runner/opener.h"

enum { READ_SIZE = 64 << 10, DRAIN_MOST = 4 << 20 };
enum { MSG_SANDBOX = 100 };         /* the first on the socket of paths: u8 enum sandbox_mode */

static const int64_t renew_every_ns = 1000000000;

struct child {
    uv_process_t process;
    uv_pipe_t pipe;                 /* messages */
    uv_pipe_t err;                  /* its standard error */
    uv_pipe_t paths;                /* to its opener; only of one that parses media */
    int open_handles;
    struct child_params params;
    struct wire_in in;
    char words[CHILD_WORDS];         /* tail of standard error, NUL-ended */
    int64_t max_rss;
    int64_t renewed_ns;             /* when its processor time was */
    bool exited, told;              /* process reaped; on_exit called */
    bool orphan;                    /* destroyed by its owner: no callbacks any more */
    bool closed;                    /* handles are being closed */
    bool executed;                  /* by child_kill() */
    char bytes[READ_SIZE];          /* both pipes read into it, one at a time */
};

struct write_req {
    uv_write_t req;
    uint8_t data[];
};

static void free_child(struct child *c)
{
    wire_in_finish(&c->in);
    free(c);
}

static void handle_closed(uv_handle_t *h)
{
    struct child *c = h->data;
    if (!--c->open_handles && c->orphan)
        free_child(c);
}

static void close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, handle_closed);
}

/* The process handle stays until the exit: libuv reaps only what it has a handle for. */
static void close_pipes(struct child *c)
{
    c->closed = true;
    close_handle((uv_handle_t *) &c->pipe);
    close_handle((uv_handle_t *) &c->err);
    if (c->params.parses_media)
        close_handle((uv_handle_t *) &c->paths);
}

static void add_words(struct child *c, const char *text, size_t size)
{
    if (size >= CHILD_WORDS) {
        text += size - (CHILD_WORDS - 1);
        size = CHILD_WORDS - 1;
    }
    size_t have = strlen(c->words);
    if (have + size >= CHILD_WORDS) {
        size_t drop = have + size - (CHILD_WORDS - 1);
        memmove(c->words, c->words + drop, have - drop + 1);
        have -= drop;
    }
    memcpy(c->words + have, text, size);
    c->words[have + size] = '\0';
}

static void hear(struct child *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!text[i])
            return;                 /* text only; binary noise would cut the words short */
    add_words(c, text, size);
    cq_log_debug(c->params.log, "%s %d says: %.*s", c->params.role, c->process.pid, (int) size, text);
}

static void break_off(struct child *c, const char *why)
{
    add_words(c, why, strlen(why));
    uv_read_stop((uv_stream_t *) &c->pipe);
    child_kill(c, SIGKILL);
}

/* From now on `cpu_s` more of processor time. Only the soft limit: a lowered hard one could not be raised again. */
static void renew_cpu(struct child *c)
{
    struct rlimit l;
    clockid_t clock;
    struct timespec used;
    int64_t now = cq_now_ns();
    int pid = c->process.pid;
    if (!c->params.cpu_s || c->exited || (c->renewed_ns && now - c->renewed_ns < renew_every_ns))
        return;
    c->renewed_ns = now;
    if (prlimit(pid, RLIMIT_CPU, NULL, &l) || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return;
    rlim_t want = (rlim_t) (used.tv_sec + 1 + c->params.cpu_s);
    l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
    prlimit(pid, RLIMIT_CPU, &l, NULL);
}

/* Hands over whole messages. An owner's callback may destroy the child under us. */
static void deliver(struct child *c, const char *bytes, size_t size)
{
    struct wire_msg msg;
    renew_cpu(c);
    enum cq_err err = wire_in_feed(&c->in, bytes, size);
    while (!err && !c->orphan && (err = wire_in_next(&c->in, &msg)) == CQ_OK)
        c->params.on_message(c->params.ctx, c, &msg);
    if (err && err != CQ_AGAIN && !c->orphan)
        break_off(c, err == CQ_NOMEM ? "clipq: no memory for its messages\n" : "clipq: it sent a malformed message\n");
}

static void give_bytes(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    (void) suggested;
    struct child *c = h->data;
    *out = uv_buf_init(c->bytes, sizeof c->bytes);
}

static void on_pipe(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = s->data;
    if (n > 0) {
        deliver(c, buf->base, (size_t) n);
    } else if (n < 0) {
        uv_read_stop(s);
        if (!c->exited)             /* without its socket it is of no use; mostly it is dead already */
            uv_process_kill(&c->process, SIGKILL);
    }
}

static void on_err(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = s->data;
    if (n > 0)
        hear(c, buf->base, (size_t) n);
    else if (n < 0)
        uv_read_stop(s);
}

/* What is in a pipe now, which is never more than DRAIN_MOST: a child that goes on writing cannot hold us. */
static void drain(struct child *c, uv_pipe_t *pipe, void (*take)(struct child *, const char *, size_t))
{
    char bytes[4096];               /* not c->bytes: a message from there may be at work */
    uv_os_fd_t fd;
    if (uv_is_closing((uv_handle_t *) pipe) || uv_fileno((uv_handle_t *) pipe, &fd))
        return;
    for (size_t all = 0; !c->orphan && all < DRAIN_MOST; ) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n > 0)
            take(c, bytes, (size_t) n);
        else if (n == 0 || errno != EINTR)
            return;
        all += n > 0 ? (size_t) n : 0;
    }
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
    struct child *c = p->data;
    c->exited = true;
    drain(c, &c->err, hear);
    drain(c, &c->pipe, deliver);
    close_pipes(c);
    close_handle((uv_handle_t *) &c->process);
    if (c->orphan)
        return;
    c->told = true;
    struct child_exit e = {
        .status = status, .signal = signal, .executed = c->executed, .last_words = c->words, .max_rss_bytes = c->max_rss,
    };
    c->params.on_exit(c->params.ctx, c, &e);
}

static int start_process(uv_loop_t *loop, struct child *c)
{
    char role[64];
    snprintf(role, sizeof role, "--child=%s", c->params.role);
    char name[] = "clipq";
    char *args[] = {name, role, NULL};
    bool media = c->params.parses_media;
    int n = c->params.n_arena_fds;
    assert(n >= 0 && n <= (media ? 1 : ARENA_PARTS));
    uv_stdio_container_t io[CHILD_ARENA_FD + ARENA_PARTS] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *) &c->err},
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *) &c->pipe},
        {.flags = UV_IGNORE},
    };
    for (int i = 0; i < n; i++)
        io[CHILD_ARENA_FD + i] = (uv_stdio_container_t) {.flags = UV_INHERIT_FD, .data.fd = c->params.arena_fds[i]};
    if (media)
        io[CHILD_PATHS_FD] = (uv_stdio_container_t) {
            .flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *) &c->paths,
        };
    uv_process_options_t options = {
        .file = "/proc/self/exe",   /* the same binary, even when its file was replaced meanwhile */
        .args = args,
        .stdio = io,
        .stdio_count = media ? CHILD_PATHS_FD + 1 : CHILD_ARENA_FD + n,
        .exit_cb = on_exit_status,
    };
    return uv_spawn(loop, &c->process, &options);
}

static void init_pipe(uv_loop_t *loop, struct child *c, uv_pipe_t *pipe)
{
    uv_pipe_init(loop, pipe, 0);
    pipe->data = c;
    c->open_handles++;
}

static enum cq_err tell_sandbox(struct child *c);

enum cq_err child_spawn(uv_loop_t *loop, const struct child_params *params, struct child **out)
{
    *out = NULL;
    struct child *c = calloc(1, sizeof *c);
    if (!c)
        return CQ_NOMEM;
    c->params = *params;
    signal(SIGPIPE, SIG_IGN);
    c->process.data = c;
    c->open_handles = 1;
    init_pipe(loop, c, &c->pipe);
    init_pipe(loop, c, &c->err);
    if (params->parses_media)
        init_pipe(loop, c, &c->paths);

    int r = start_process(loop, c);
    c->exited = r != 0;             /* uv_spawn has then reaped what it forked */
    if (!r)
        r = uv_read_start((uv_stream_t *) &c->pipe, give_bytes, on_pipe);
    if (!r)
        r = uv_read_start((uv_stream_t *) &c->err, give_bytes, on_err);
    if (!r && params->parses_media && tell_sandbox(c) == CQ_NOMEM)
        r = UV_ENOMEM;
    if (r) {
        cq_log_error(params->log, "cannot start a %s process: %s", params->role, uv_strerror(r));
        child_destroy(&c);
        return r == UV_ENOMEM ? CQ_NOMEM : CQ_IO;
    }
    *out = c;
    return CQ_OK;
}

static void write_done(uv_write_t *req, int status)
{
    (void) status;                  /* a dead child tells by its exit */
    free(req->data);
}

static enum cq_err send_on(struct child *c, uv_pipe_t *pipe, uint16_t type, const struct cq_buf *body)
{
    if (c->exited || c->closed || !uv_is_writable((uv_stream_t *) pipe))
        return CQ_IO;
    struct cq_buf frame = {0};
    wire_pack(&frame, type, body);
    if (frame.err) {
        enum cq_err err = frame.err;
        cq_buf_finish(&frame);
        return err;
    }
    struct write_req *w = malloc(sizeof *w + frame.size);
    if (!w) {
        cq_buf_finish(&frame);
        return CQ_NOMEM;
    }
    memcpy(w->data, frame.data, frame.size);
    w->req.data = w;
    uv_buf_t buf = uv_buf_init((char *) w->data, (unsigned) frame.size);
    cq_buf_finish(&frame);
    if (uv_write(&w->req, (uv_stream_t *) pipe, &buf, 1, write_done)) {
        free(w);
        return CQ_IO;
    }
    return CQ_OK;
}

enum cq_err child_send(struct child *c, uint16_t type, const struct cq_buf *body)
{
    renew_cpu(c);
    return send_on(c, &c->pipe, type, body);
}

static enum cq_err tell_sandbox(struct child *c)
{
    struct cq_buf body = {0};
    cq_put_u8(&body, (uint8_t) c->params.sandbox);
    enum cq_err err = body.err ? body.err : send_on(c, &c->paths, MSG_SANDBOX, &body);
    cq_buf_finish(&body);
    return err;
}

enum cq_err child_open(struct child *c, uint32_t serial, const char *path)
{
    struct cq_buf body = {0};
    cq_put_u32(&body, serial);
    cq_put_str(&body, path);
    enum cq_err err = body.err ? body.err : send_on(c, &c->paths, OPENER_MSG_PATH, &body);
    cq_buf_finish(&body);
    return err;
}

static void shutdown_done(uv_shutdown_t *req, int status)
{
    (void) status;
    free(req);
}

/* Half-closed, so that what the child still has to say arrives. */
void child_shutdown(struct child *c)
{
    if (c->exited || c->closed || !uv_is_writable((uv_stream_t *) &c->pipe))
        return;
    uv_shutdown_t *req = malloc(sizeof *req);
    if (!req || uv_shutdown(req, (uv_stream_t *) &c->pipe, shutdown_done)) {
        free(req);
        child_kill(c, SIGKILL);
    }
}

void child_kill(struct child *c, int signal)
{
    if (c->exited)
        return;
    c->executed = true;
    uv_process_kill(&c->process, signal);
}

bool child_exit_short_of_memory(const struct child_exit *e)
{
    return (e->signal == SIGKILL && !e->executed) || (!e->signal && e->status == CHILD_SHORT_OF_MEMORY);
}

int child_pid(const struct child *c)
{
    return c->process.pid;
}

/* What it wrote before the message that is being looked at may still be in its pipe. */
void child_take_words(struct child *c, char out[CHILD_WORDS])
{
    drain(c, &c->err, hear);
    const char *line = strlen(c->words) == CHILD_WORDS - 1 ? strchr(c->words, '\n') : NULL;
    snprintf(out, CHILD_WORDS, "%s", line ? line + 1 : c->words);   /* a full buffer begins in the middle of a line */
    c->words[0] = '\0';
}

int64_t child_rss_bytes(struct child *c)
{
    char path[64], line[256];
    long long kb = 0, peak = 0;
    snprintf(path, sizeof path, "/proc/%d/status", c->process.pid);
    FILE *f = c->exited ? NULL : fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        sscanf(line, "VmRSS: %lld kB", &kb);
        sscanf(line, "VmHWM: %lld kB", &peak);
    }
    fclose(f);
    if (peak * 1024 > c->max_rss)
        c->max_rss = peak * 1024;
    return kb * 1024;
}

/* "PID (name, which may hold anything) S", and eleven fields later user and system time in ticks. */
double child_cpu_s(const struct child *c)
{
    char path[64], line[1024];
    unsigned long long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", c->process.pid);
    FILE *f = c->exited ? NULL : fopen(path, "re");
    const char *end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (end)
        sscanf(end + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &system);
    if (f)
        fclose(f);
    return (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
}

void child_destroy(struct child **pc)
{
    struct child *c = *pc;
    if (!c)
        return;
    *pc = NULL;
    c->orphan = true;
    if (c->exited && !c->open_handles) {
        free_child(c);
        return;
    }
    if (c->exited)
        close_handle((uv_handle_t *) &c->process);
    else
        child_kill(c, SIGKILL);
    close_pipes(c);
}

/* ---- inside the child ---- */

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
        err = msg.type != MSG_SANDBOX || msg.body.err || m > SANDBOX_OFF ? CQ_PROTOCOL : opener_start(log, &paths, files);
    }
    wire_finish(&paths);
    close(CHILD_PATHS_FD);
    return err;
}

enum cq_err child_shut_in(struct cq_log *log, enum sandbox_mode mode)
{
    char missing[256];
    if (mode == SANDBOX_OFF || sandbox_enter(missing, sizeof missing) == SANDBOX_ALL || mode == SANDBOX_AUTO)
        return CQ_OK;
    cq_log_error(log, "sandbox: not here: %s", missing);
    return CQ_UNSUPPORTED;
}
