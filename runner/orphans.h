/* Processes whose parent died and that came to us, for we take on orphans (runner/child_media.c): the linker that PoCL had
 * started when its engine was killed. Nobody waits for them, so they stay in the system's table until we end.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_ORPHANS_H
#define CLIPQ_RUNNER_ORPHANS_H

#include <stdint.h>
#include <sys/types.h>

/* Zeroed at first. */
struct orphans {
    pid_t dead;                 /* who was found so at `since_ns`; 0: nobody */
    int64_t since_ns;
};

/* To be called now and then. Buries who has been dead for a second: those whom somebody here waits for are gone by then. */
void orphans_bury(struct orphans *o, int64_t now_ns);

#endif
