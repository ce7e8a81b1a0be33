/* A child process of the same binary, seen from the supervisor's loop: spawned as `clipq --child=ROLE`,
 * talking over a socket on its descriptor 3, shared memory (when there is some) on descriptor 4 and those that
 * follow, dying with its parent (PR_SET_PDEATHSIG). Its standard error is collected, the last lines are its "last words".
 *
 * One that parses media is two processes. The first is its opener (runner/opener.h), which forks the second and, over a
 * socket on descriptor 5, is told which file to open for it, before the message that asks for it. It forks another when it
 * is told to: a process that a file has taken over need not see the next one. Both die together, and are buried here, for
 * nobody else may.
 *
 * Order of callbacks: any number of on_message, then exactly one on_exit after the last message was
 * delivered. A child that breaks the framing is killed.
 *
 * Thread-safety: the loop's thread only.
 */
#ifndef CLIPQ_RUNNER_CHILD_H
#define CLIPQ_RUNNER_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/sandbox.h"
#include "runner/wire.h"

struct child;
struct cq_log;

enum { CHILD_FD = 3, CHILD_ARENA_FD = 4, CHILD_PATHS_FD = 5 };

/* Exit code of a child that ended for want of memory. */
enum { CHILD_SHORT_OF_MEMORY = 12 };

enum { CHILD_WORDS = 1024 };

struct child_exit {
    int64_t status;              /* exit code, when not signalled */
    int signal;                  /* 0: exited by itself */
    bool executed;               /* by child_kill() */
    const char *last_words;      /* tail of its standard error, "" if none */
    int64_t max_rss_bytes;       /* peak as of the last child_rss_bytes(); 0 when never asked */
};

struct child_params {
    const char *role;            /* "decode", "engine", "probe" */
    const int *arena_fds;        /* borrowed, until it is spawned */
    int n_arena_fds;             /* one at most, when it parses media */
    bool parses_media;           /* has an opener, and a sandbox */
    enum sandbox_mode sandbox;
    int cpu_s;                   /* of one that parses media: seconds of processor time from one message, to it or from
                                  * it, to the next, then it is killed; 0: no limit */
    struct cq_log *log;          /* borrowed */
    void (*on_message)(void *ctx, struct child *c, struct wire_msg *msg);
    void (*on_exit)(void *ctx, struct child *c, const struct child_exit *e);  /* may destroy `c` */
    void *ctx;
};

/* Ignores SIGPIPE in this process: writing to a dead child is an error, not a death. */
enum cq_err child_spawn(uv_loop_t *loop, const struct child_params *params, struct child **out);
/* The body is copied. CQ_IO when the child is gone (on_exit follows). */
enum cq_err child_send(struct child *c, uint16_t type, const struct cq_buf *body);
/* Of one that parses media: `path` is opened for it under that number. The same errors. */
enum cq_err child_open(struct child *c, uint32_t serial, const char *path);
/* Of one that parses media: kills the process that does, and another takes its place, with the same memory. Only when
 * nothing is owed either way: what the old one still says gets the child killed, and nothing may be sent to it until it is
 * ready. The same errors. */
enum cq_err child_renew(struct child *c);
/* Is somebody there? At first and after child_renew() it takes a moment. */
bool child_is_ready(const struct child *c);
void child_shutdown(struct child *c);            /* closes our end: the child ends by itself */
void child_kill(struct child *c, int signal);
int child_pid(const struct child *c);              /* of the one that parses media, once it is there */
/* What it has said so far on standard error, its tail in whole lines; its last words begin anew. */
void child_take_words(struct child *c, char out[CHILD_WORDS]);
int64_t child_rss_bytes(struct child *c);        /* now, from /proc; 0 when unknown */
/* Seconds it computed so far, all threads and all that were forked for it; 0 when unknown. */
double child_cpu_s(const struct child *c);
/* After on_exit, or before it: then it is killed, silently. Memory is freed by the loop, which must run on. */
void child_destroy(struct child **c);

/* Did it end for want of memory? The kernel kills without a word. */
bool child_exit_short_of_memory(const struct child_exit *e);

/* What the child's main() calls first: no descriptors but those named above, dies with its parent. */
enum cq_err child_begin(struct cq_log *log);
/* The same for one that parses media; returns in each of the processes that do. *files: for opener_receive(); *mode: for
 * child_shut_in(), which is due when all that takes more than decoding is done. */
enum cq_err child_begin_media(struct cq_log *log, int *files, enum sandbox_mode *mode);
/* Raises the walls of `mode`. CQ_UNSUPPORTED when one is missing that must not be. */
enum cq_err child_shut_in(struct cq_log *log, enum sandbox_mode mode);
enum cq_err child_shut_in_engine(struct cq_log *log, enum sandbox_mode mode);

/* Roles. Each returns the process's exit code. */
int child_decode_main(void);
int child_engine_main(void);
int child_probe_main(void);

#endif
