/* A log for another thread: its messages wait here until the thread that owns the real log takes them. So a sink
 * need not be safe against two threads at once (the progress line's, for one, is not).
 *
 * Thread-safety: the relay's log belongs to one thread at a time, log_relay_deliver() to the other.
 */
#ifndef CLIPQ_RUNNER_LOG_RELAY_H
#define CLIPQ_RUNNER_LOG_RELAY_H

#include "kernels/base/err.h"

struct cq_log;
struct log_relay;

/* Messages of the level of `to` (borrowed; NULL: errors are kept, and go nowhere). */
enum cq_err log_relay_create(struct cq_log *to, struct log_relay **out);
void log_relay_destroy(struct log_relay **r);       /* delivers what is left */
struct cq_log *log_relay_log(struct log_relay *r);  /* the other thread's; owned by the relay */
void log_relay_deliver(struct log_relay *r);        /* in the order they came; NULL is fine */

#endif
