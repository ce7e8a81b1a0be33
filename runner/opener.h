/* The one who opens clips for a process that may not, and who starts that process:
 *
 *     supervisor ── path, renew ──> opener ── fork, descriptor ──> who parses media (runner/sandbox.h)
 *
 * It takes requests from the supervisor alone, over a socket that the other has no end of, so whoever takes the other over
 * cannot ask for another file. Asked for a new one it kills the one there is, and forks again: what a clip has done to one
 * process ends with it, and a fork costs a twentieth of a program that is started anew and linked. It has parsed nothing
 * itself. A mount that does not answer holds up this opener and whom it serves only.
 *
 * Both share the socket to the supervisor, of which the opener makes no use, and die together: when the other ends the
 * opener ends in the same way, so that the supervisor sees one process.
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

/* On its socket. SANDBOX is for the other, and comes first: u8 enum sandbox_mode. PATH: u32 serial, str path. RENEW. What
 * comes back is a pid_t, of each that it forks. */
enum { OPENER_MSG_PATH = 1, OPENER_MSG_RENEW = 2, OPENER_MSG_SANDBOX = 100 };

/* In the opener, which has no threads. Returns in each process that it forks; `paths` is still to be closed there. *fd:
 * where files come from; the caller closes it. An error is returned in the opener: it cannot fork. */
enum cq_err opener_serve(struct cq_log *log, struct wire *paths, int *fd);

/* Waits for the file of that serial number; those of others are closed. Also CQ_OK for one that could not be opened
 * (out->why). The caller closes it. CQ_IO when the opener is gone. */
enum cq_err opener_receive(int fd, uint32_t serial, struct clip_file *out);

#endif
