/* The child sets its own alarm, so that nothing here has to watch a clock. */
#include "runner/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void be_child(void (*run)(void *ctx, void *result), void *ctx, void *shared, int seconds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGALRM, SIG_DFL);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    alarm((unsigned) seconds);
    run(ctx, shared);
    _exit(0);
}

enum cq_err trial_run(void (*run)(void *ctx, void *result), void *ctx, void *result, size_t size, int seconds,
                      struct trial_end *end)
{
    *end = (struct trial_end) {0};
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return CQ_NOMEM;
    memcpy(shared, result, size);
    fflush(NULL);               /* else what waits in buffers would be written twice */
    pid_t pid = fork();
    enum cq_err err = pid < 0 ? cq_err_errno(errno) : CQ_OK;
    if (!pid)
        be_child(run, ctx, shared, seconds);

    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    memcpy(result, shared, size);
    munmap(shared, size);
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    end->timed_out = end->signal == SIGALRM;
    return err;
}
