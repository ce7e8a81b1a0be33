/* What child.c and child_media.c share: one child, and what either does for the other. */
#ifndef CLIPQ_RUNNER_CHILD_PRIVATE_H
#define CLIPQ_RUNNER_CHILD_PRIVATE_H

#include <sys/types.h>

#include <uv.h>

#include "runner/child.h"

enum { CHILD_READ_SIZE = 64 << 10 };

struct child {
    uv_process_t process;
    uv_pipe_t pipe;                 /* messages */
    uv_pipe_t err;                  /* its standard error */
    uv_pipe_t paths;                /* to its opener; of one that parses media, as is the next */
    uv_timer_t watch;               /* over its processor time; then over its end */
    int open_handles;
    struct child_params params;
    struct wire_in in;
    char words[CHILD_WORDS];        /* tail of standard error, NUL-ended */
    int64_t max_rss;
    double cpu_until_s;             /* of its processor time, to the next message */
    bool spoke;                     /* a message came or went since that was set */
    pid_t parser;                   /* whom its opener has forked last; 0: nobody yet, or it does not parse media */
    char told_pid[sizeof(pid_t)];   /* as its opener tells it, byte by byte */
    size_t told_bytes;
    bool renewing;                  /* child_renew() was called, and its opener has not told of the next */
    int tries;                      /* to bury it */
    bool started;                   /* there was a process */
    bool exited;                    /* process reaped */
    int64_t status;                 /* of EXITED, as is the next */
    int signal;
    bool orphan;                    /* destroyed by its owner: no callbacks any more */
    bool closed;                    /* handles are being closed */
    bool executed;                  /* by child_kill() */
    char bytes[CHILD_READ_SIZE];    /* both pipes read into it, one at a time */
};

/* ---- child.c ---- */

void child_break_off(struct child *c, const char *why);   /* kills it; `why` becomes its last words */
void child_close_handle(uv_handle_t *h);
/* What is in a pipe now goes to `take`, which is never more than a few MiB. */
void child_drain(struct child *c, uv_pipe_t *pipe, void (*take)(struct child *, const char *, size_t));
/* Hands over whole messages. An owner's callback may destroy the child under us. */
void child_deliver(struct child *c, const char *bytes, size_t size);
enum cq_err child_send_on(struct child *c, uv_pipe_t *pipe, uint16_t type, const struct cq_buf *body);
void child_tell_exit(struct child *c);             /* it is gone, and all that it wrote can be read */

/* ---- child_media.c: of those that parse media ---- */

void child_media_init(uv_loop_t *loop, struct child *c);
enum cq_err child_media_begin(struct child *c);    /* once it is spawned: its watch and its sandbox */
void child_media_hear(struct child *c, const char *bytes, size_t size);   /* from its opener */
void child_media_exited(struct child *c);          /* its opener is; child_tell_exit() follows when the other is, too */

#endif
