/* Spawning, feeding, hearing and burying one child.
 *
 * What runs in it is in child_begin.c; what is special to one that parses media is in child_media.c.
 *
 * An exit is told only when everything the child ever wrote has been read: both pipes are emptied by hand
 * when SIGCHLD comes, rather than waiting for their ends, because a grandchild (PoCL runs a linker) may hold
 * them open. The memory lives until libuv has closed all handles, whenever child_destroy() was called.
 */
#include "runner/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "runner/arena.h"
#include "runner/child_private.h"

enum { DRAIN_MOST = 4 << 20 };

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

void child_close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, handle_closed);
}

/* The process handle stays until the exit, for libuv reaps only what it has a handle for; the watch until the parser is
 * buried. */
static void close_pipes(struct child *c)
{
    c->closed = true;
    child_close_handle((uv_handle_t *) &c->pipe);
    child_close_handle((uv_handle_t *) &c->err);
    if (c->params.parses_media)
        child_close_handle((uv_handle_t *) &c->paths);
}

/* What was never started. */
static void close_all(struct child *c)
{
    child_close_handle((uv_handle_t *) &c->process);
    if (c->params.parses_media)
        child_close_handle((uv_handle_t *) &c->watch);
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
    cq_log_debug(c->params.log, "%s %d says: %.*s", c->params.role, child_pid(c), (int) size, text);
}

void child_break_off(struct child *c, const char *why)
{
    add_words(c, why, strlen(why));
    uv_read_stop((uv_stream_t *) &c->pipe);
    child_kill(c, SIGKILL);
}

void child_deliver(struct child *c, const char *bytes, size_t size)
{
    struct wire_msg msg;
    c->spoke = true;
    enum cq_err err = wire_in_feed(&c->in, bytes, size);
    while (!err && !c->orphan && (err = wire_in_next(&c->in, &msg)) == CQ_OK) {
        if (c->renewing)
            err = CQ_PROTOCOL;      /* nobody has asked it anything */
        else
            c->params.on_message(c->params.ctx, c, &msg);
    }
    if (err && err != CQ_AGAIN && !c->orphan)
        child_break_off(c, err == CQ_NOMEM ? "clipq: no memory for its messages\n" : "clipq: it sent a malformed message\n");
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
        child_deliver(c, buf->base, (size_t) n);
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

static void on_paths(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = s->data;
    if (n > 0)
        child_media_hear(c, buf->base, (size_t) n);
    else if (n < 0)
        uv_read_stop(s);
}

/* A child that goes on writing cannot hold us. */
void child_drain(struct child *c, uv_pipe_t *pipe, void (*take)(struct child *, const char *, size_t))
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

void child_tell_exit(struct child *c)
{
    child_drain(c, &c->err, hear);
    child_drain(c, &c->pipe, child_deliver);
    close_pipes(c);
    if (c->orphan)
        return;
    struct child_exit e = {
        .status = c->status, .signal = c->signal, .executed = c->executed, .last_words = c->words, .max_rss_bytes = c->max_rss,
    };
    c->params.on_exit(c->params.ctx, c, &e);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
    struct child *c = p->data;
    c->exited = true;
    c->status = status;
    c->signal = signal;
    child_close_handle((uv_handle_t *) &c->process);
    if (c->params.parses_media)
        child_media_exited(c);
    else
        child_tell_exit(c);
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
            .flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *) &c->paths,
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

static int listen_to(struct child *c)
{
    int r = uv_read_start((uv_stream_t *) &c->pipe, give_bytes, on_pipe);
    if (!r)
        r = uv_read_start((uv_stream_t *) &c->err, give_bytes, on_err);
    if (!r && c->params.parses_media)
        r = uv_read_start((uv_stream_t *) &c->paths, give_bytes, on_paths);
    return r;
}

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
    if (params->parses_media) {
        init_pipe(loop, c, &c->paths);
        child_media_init(loop, c);
    }

    int r = start_process(loop, c);
    c->started = r == 0;
    c->exited = r != 0;             /* uv_spawn has then reaped what it forked */
    if (!r)
        r = listen_to(c);
    if (!r && params->parses_media && child_media_begin(c) == CQ_NOMEM)
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

enum cq_err child_send_on(struct child *c, uv_pipe_t *pipe, uint16_t type, const struct cq_buf *body)
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
    c->spoke = true;
    return child_send_on(c, &c->pipe, type, body);
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
    return c->parser ? c->parser : c->process.pid;
}

/* What it wrote before the message that is being looked at may still be in its pipe. */
void child_take_words(struct child *c, char out[CHILD_WORDS])
{
    child_drain(c, &c->err, hear);
    const char *line = strlen(c->words) == CHILD_WORDS - 1 ? strchr(c->words, '\n') : NULL;
    snprintf(out, CHILD_WORDS, "%s", line ? line + 1 : c->words);   /* a full buffer begins in the middle of a line */
    c->words[0] = '\0';
}

int64_t child_rss_bytes(struct child *c)
{
    char path[64], line[256];
    long long kb = 0, peak = 0;
    snprintf(path, sizeof path, "/proc/%d/status", child_pid(c));
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

/* "PID (name, which may hold anything) S", and after ten more fields user and system time in ticks, of itself and of the
 * children that it has waited for. */
static double cpu_of_s(int pid)
{
    char path[64], line[1024];
    unsigned long long ticks[4] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    const char *end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (end)
        sscanf(end + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
               &ticks[3]);
    if (f)
        fclose(f);
    return (double) (ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double) sysconf(_SC_CLK_TCK);
}

/* Its opener waits for whom it forks, so those of before are in its account. */
double child_cpu_s(const struct child *c)
{
    if (c->exited)
        return 0;
    return cpu_of_s(c->process.pid) + (c->parser ? cpu_of_s(c->parser) : 0);
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
    if (!c->exited)
        child_kill(c, SIGKILL);
    else if (!c->started)
        close_all(c);
    close_pipes(c);
}
