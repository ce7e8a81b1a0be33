/* What is done to a run: which process is struck by which signal, or which fault it begins with. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash.h"

enum { CHILDREN_MAX = 64 };

/* ---- processes ---- */

static void become_clipq(const struct crash_run *run, const char *fault)
{
    /* A session of its own, so that what is done to the group is done to nobody else. */
    setsid();
    if (fault)
        setenv("CLIPQ_FAULT", fault, 1);
    else
        unsetenv("CLIPQ_FAULT");
    execl(run->clipq, run->clipq, "work", "--db", run->db, "--workers", "3", "--stall-timeout", "2", "--split", run->split,
          "--progress", "none", "-q", (char *) NULL);
    _exit(127);
}

void crash_start(struct crash_run *run, const char *fault)
{
    fflush(NULL);
    for (int i = 0; i < run->n; i++) {
        run->pids[i] = fork();
        if (!run->pids[i])
            become_clipq(run, i ? NULL : fault);
    }
}

void crash_wait(struct crash_run *run)
{
    for (int i = 0; i < run->n; i++) {
        int status = 0;
        while (run->pids[i] > 0 && waitpid(run->pids[i], &status, 0) < 0 && errno == EINTR)
            ;
        run->codes[i] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

static bool read_proc(const char *pid, const char *file, char *out, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] ? out[i] : ' ';
    out[n] = '\0';
    return n > 0;
}

/* "PID (name, which may hold anything) S PPID ..." */
static bool is_child_of(const char *pid, pid_t parent)
{
    char stat[512];
    const char *end = read_proc(pid, "stat", stat, sizeof stat) ? strrchr(stat, ')') : NULL;
    return end && strlen(end) > 4 && strtol(end + 4, NULL, 10) == parent;
}

/* A decoder is its opener's child (runner/opener.h). */
static bool descends_from(const char *pid, pid_t ancestor)
{
    char stat[512], parent[16];
    const char *end = read_proc(pid, "stat", stat, sizeof stat) ? strrchr(stat, ')') : NULL;
    snprintf(parent, sizeof parent, "%ld", end && strlen(end) > 4 ? strtol(end + 4, NULL, 10) : 0);
    return is_child_of(pid, ancestor) || is_child_of(parent, ancestor);
}

/* Processes that `parent` runs in that role; not the linkers that an engine is about to become. */
static int find_children(pid_t parent, const char *role, pid_t *out)
{
    char want[64], command[512];
    snprintf(want, sizeof want, "--child=%s", role);
    bool (*is_run_by)(const char *, pid_t) = strcmp(role, "decode") ? is_child_of : descends_from;
    DIR *proc = opendir("/proc");
    int n = 0;
    for (struct dirent *e; proc && n < CHILDREN_MAX && (e = readdir(proc)); ) {
        if (isdigit((unsigned char) e->d_name[0]) && is_run_by(e->d_name, parent) &&
            read_proc(e->d_name, "cmdline", command, sizeof command) && strstr(command, want))
            out[n++] = (pid_t) strtol(e->d_name, NULL, 10);
    }
    if (proc)
        closedir(proc);
    return n;
}

/* ---- strikes ---- */

static pid_t victim(const struct crash_run *run, struct crash_random *random)
{
    return run->pids[crash_random(random, (uint64_t) run->n)];
}

static bool strike_child(struct crash_run *run, struct crash_random *random, const char *role, int signal)
{
    pid_t children[CHILDREN_MAX];
    int n = find_children(victim(run, random), role, children);
    return n > 0 && kill(children[crash_random(random, (uint64_t) n)], signal) == 0;
}

/* Reaped only by crash_wait(): a dead one still answers to kill, so its state is asked for. */
static bool is_over(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static bool kill_group(struct crash_run *run, struct crash_random *random)
{
    pid_t pid = victim(run, random);
    return !is_over(pid) && kill(-pid, SIGKILL) == 0;
}

static bool kill_supervisor(struct crash_run *run, struct crash_random *random)
{
    pid_t pid = victim(run, random);
    return !is_over(pid) && kill(pid, SIGKILL) == 0;
}

static bool kill_worker(struct crash_run *run, struct crash_random *random)
{
    return strike_child(run, random, "decode", SIGKILL);
}

static bool kill_engine(struct crash_run *run, struct crash_random *random)
{
    return strike_child(run, random, "engine", SIGKILL);
}

static bool stop_worker(struct crash_run *run, struct crash_random *random)
{
    return strike_child(run, random, "decode", SIGSTOP);
}

/* Two signals abort: the leases must be handed back by the process itself. */
static bool terminate_twice(struct crash_run *run, struct crash_random *random)
{
    pid_t pid = victim(run, random);
    if (is_over(pid) || kill(pid, SIGTERM))
        return false;
    usleep(20000);
    kill(pid, SIGTERM);
    return true;
}

/* Stands still for a moment, as on a machine that was suspended. */
static bool suspend_group(struct crash_run *run, struct crash_random *random)
{
    pid_t pid = victim(run, random);
    if (is_over(pid) || kill(-pid, SIGSTOP))
        return false;
    usleep(400000);
    return kill(-pid, SIGCONT) == 0;
}

const struct crash_disturbance crash_disturbances[] = {
    {"kill the group", kill_group, NULL},
    {"kill the supervisor", kill_supervisor, NULL},
    {"kill a worker", kill_worker, NULL},
    {"kill an engine", kill_engine, NULL},
    {"hang a worker", stop_worker, NULL},
    {"fail a commit", NULL, "commit"},
    {"die after a commit", NULL, "committed"},
    {"abort by signals", terminate_twice, NULL},
    {"suspend the group", suspend_group, NULL},
    {NULL, NULL, NULL},
};
