/* What a child that parses media has beside its messages: an opener, a limit of processor time, and successors.
 *
 * The process that was spawned is its opener (runner/opener.h), which ends as the one that parses ended, after it. When we
 * kill, the opener dies first and takes the other along (PR_SET_PDEATHSIG): that one is ours by then, for its parent is
 * dead (PR_SET_CHILD_SUBREAPER), and an exit is told when it is buried, so that nobody writes any more over what the
 * child had a hand in.
 *
 * After child_renew() the socket stays and another process is at its end. Nothing of one may reach the other: the opener
 * tells of a successor when the one before is dead, having thrown away what that one had not read; what it has still said
 * then gets it killed, and half a message is dropped.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "runner/child_private.h"
#include "runner/opener.h"

enum { WATCH_MS = 500, BURY_MS = 5, BURY_TRIES = 200 };

/* ---- processor time ---- */

/* A limit of the kernel's own would not do: its signal can be blocked, and one that kills cannot be put off. */
static void watch_cpu(struct child *c)
{
    clockid_t clock;
    struct timespec used;
    char text[96];
    if (clock_getcpuclockid(child_pid(c), &clock) || clock_gettime(clock, &used))
        return;
    double now = (double) used.tv_sec + (double) used.tv_nsec / 1e9;
    if (c->spoke)
        c->cpu_until_s = now + c->params.cpu_s;
    c->spoke = false;
    if (now < c->cpu_until_s)
        return;
    snprintf(text, sizeof text, "clipq: it computed for %d s without a word\n", c->params.cpu_s);
    child_break_off(c, text);
}

/* ---- its end ---- */

/* Its opener has buried it already when it was the first to die. */
static void bury(struct child *c)
{
    if (c->parser && !waitpid(c->parser, NULL, WNOHANG) && ++c->tries < BURY_TRIES)
        return;
    child_close_handle((uv_handle_t *) &c->watch);
    child_tell_exit(c);
}

static void on_watch(uv_timer_t *t)
{
    struct child *c = t->data;
    if (c->exited)
        bury(c);
    else if (c->params.cpu_s)
        watch_cpu(c);
}

void child_media_exited(struct child *c)
{
    child_drain(c, &c->paths, child_media_hear);
    uv_timer_start(&c->watch, on_watch, BURY_MS, BURY_MS);
    bury(c);
}

/* ---- its beginning ---- */

void child_media_init(uv_loop_t *loop, struct child *c)
{
    uv_timer_init(loop, &c->watch);
    c->watch.data = c;
    c->open_handles++;
    c->spoke = true;
    prctl(PR_SET_CHILD_SUBREAPER, 1);       /* or they are buried by the first process, if it does */
}

enum cq_err child_media_begin(struct child *c)
{
    struct cq_buf body = {0};
    cq_put_u8(&body, (uint8_t) c->params.sandbox);
    enum cq_err err = body.err ? body.err : child_send_on(c, &c->paths, OPENER_MSG_SANDBOX, &body);
    cq_buf_finish(&body);
    uv_timer_start(&c->watch, on_watch, WATCH_MS, WATCH_MS);
    return err;
}

/* ---- successors ---- */

static void is_forked(struct child *c)
{
    memcpy(&c->parser, c->told_pid, sizeof c->parser);
    c->told_bytes = 0;
    c->spoke = true;
    if (!c->renewing)
        return;                     /* the first: it may have been sent something already */
    child_drain(c, &c->pipe, child_deliver);
    wire_in_finish(&c->in);
    c->renewing = c->executed;
}

void child_media_hear(struct child *c, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        c->told_pid[c->told_bytes++] = bytes[i];
        if (c->told_bytes == sizeof c->told_pid)
            is_forked(c);
    }
}

enum cq_err child_renew(struct child *c)
{
    assert(c->params.parses_media && !c->renewing);
    c->renewing = true;
    if (uv_stream_get_write_queue_size((uv_stream_t *) &c->pipe)) {
        child_break_off(c, "clipq: it did not read what it was sent\n");    /* the rest would come to the next one */
        return CQ_OK;
    }
    return child_send_on(c, &c->paths, OPENER_MSG_RENEW, NULL);
}

bool child_is_ready(const struct child *c)
{
    return (c->parser || !c->params.parses_media) && !c->renewing;
}

/* ---- its files ---- */

enum cq_err child_open(struct child *c, uint32_t serial, const char *path)
{
    struct cq_buf body = {0};
    cq_put_u32(&body, serial);
    cq_put_str(&body, path);
    enum cq_err err = body.err ? body.err : child_send_on(c, &c->paths, OPENER_MSG_PATH, &body);
    cq_buf_finish(&body);
    return err;
}
