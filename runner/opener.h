/* The one who opens clips for a child that may not: a process forked off before the child shuts itself in.
 *
 *     supervisor ── path ──> opener ── descriptor ──> child (runner/sandbox.h)
 *
 * It takes paths from the supervisor alone, over a socket that the child has no end of, so whoever takes the child
 * over cannot ask for another file. A mount that does not answer holds up this opener and its child only. It dies
 * with the child.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_OPENER_H
#define CLIPQ_RUNNER_OPENER_H

#include <stdint.h>

#include "kernels/base/err.h"

struct clip_file;
struct cq_log;
struct wire;

/* On its socket. SANDBOX is for the child itself, before there is an opener: u8 enum sandbox_mode. PATH: u32 serial,
 * str path. What comes back is its pid_t, once. */
enum { OPENER_MSG_PATH = 1, OPENER_MSG_SANDBOX = 100 };

/* In the child, before it has threads. `paths` is the opener's from then on, and still to be closed here. *fd: where
 * files come from; the caller closes it. */
enum cq_err opener_start(struct cq_log *log, struct wire *paths, int *fd);

/* Waits for the file of that serial number; those of others are closed. Also CQ_OK for one that could not be opened
 * (out->why). The caller closes it. CQ_IO when the opener is gone. */
enum cq_err opener_receive(int fd, uint32_t serial, struct clip_file *out);

#endif
