/* The dead are asked for without being buried, and by whom they are missed shows in time: libuv waits for its own children
 * as soon as they end, by number, and so does child_media.c. */
#include "runner/orphans.h"

#include <sys/wait.h>

static const int64_t patience_ns = 1000000000;

void orphans_bury(struct orphans *o, int64_t now_ns)
{
    siginfo_t info = {0};
    pid_t dead = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ? 0 : info.si_pid;
    if (dead && dead == o->dead && now_ns - o->since_ns >= patience_ns) {
        waitpid(dead, NULL, 0);
        dead = 0;
    }
    if (!dead || dead != o->dead)
        o->since_ns = now_ns;
    o->dead = dead;
}
