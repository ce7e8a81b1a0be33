/* Attempts, one function each, and a report of which failed. The last ones would end the process, were they to succeed. */
#include "runner/sandbox_try.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "runner/trial.h"

enum { TRIAL_S = 20 };

/* ---- attempts ---- */

static int open_and_close(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int read_file(void)
{
    return open_and_close("/etc/passwd", O_RDONLY);
}

static int list_folder(void)
{
    return open_and_close("/", O_RDONLY | O_DIRECTORY);
}

static int write_file(void)
{
    int err = open_and_close("/tmp/clipq-sandbox-try", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (!err)
        unlink("/tmp/clipq-sandbox-try");
    return err;
}

static int look_at_file(void)
{
    struct stat st;
    return stat("/etc/passwd", &st) ? errno : 0;
}

static int reach(int type)
{
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int err = fd < 0 || connect(fd, (const struct sockaddr *) &to, sizeof to) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

static int reach_tcp(void)
{
    return reach(SOCK_STREAM);
}

static int reach_udp(void)
{
    return reach(SOCK_DGRAM);
}

static int reach_local(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int trace_parent(void)
{
    return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) ? errno : 0;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) ? errno : 0;
}

/* At an address of our own, which the parent has, too: we are its copy. */
static int read_parent(void)
{
    int here, there = 0;
    const struct iovec to = {&here, sizeof here}, from = {&there, sizeof there};
    return process_vm_readv(getppid(), &to, 1, &from, 1, 0) < 0 ? errno : 0;
}

static int make_executable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    munmap(p, 4096);
    return 0;
}

static int raise_limits(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_CPU, &l))
        return errno;
    return setrlimit(RLIMIT_CPU, &l) ? errno : 0;
}

/* Only addresses: no page is touched. More than any limit that sandbox_enter() sets. */
static int take_memory(void)
{
    const size_t chunk = (size_t) 1 << 30;
    for (int i = 0; i < 64; i++)
        if (mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
            return errno;
    return 0;
}

static int start_process(void)
{
    pid_t pid = fork();
    if (!pid)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int run_program(void)
{
    char name[] = "true", *args[] = {name, NULL}, *none[] = {NULL};
    execve("/bin/true", args, none);
    return errno;
}

const struct sandbox_attempt sandbox_attempts[SANDBOX_ATTEMPTS] = {
    {"read a file", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, read_file},
    {"list a folder", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, list_folder},
    {"write a file", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, write_file},
    {"see whether a file exists", SANDBOX_SECCOMP, look_at_file},
    {"connect over TCP", SANDBOX_SECCOMP, reach_tcp},
    {"send over UDP", SANDBOX_SECCOMP, reach_udp},
    {"make a local socket", SANDBOX_SECCOMP, reach_local},
    {"trace its parent", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, trace_parent},
    {"signal its parent", SANDBOX_SECCOMP, signal_parent},
    {"read its parent's memory", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, read_parent},
    {"make memory executable", SANDBOX_SECCOMP, make_executable},
    {"change its limits", SANDBOX_SECCOMP, raise_limits},
    {"take memory without end", SANDBOX_LIMITS, take_memory},
    {"start a process", SANDBOX_SECCOMP, start_process},
    {"run a program", SANDBOX_LANDLOCK | SANDBOX_SECCOMP, run_program},
};

/* ---- the trial ---- */

static void try_all(void *ctx, void *result)
{
    struct sandbox_report *r = result;
    (void) ctx;
    r->walls = sandbox_enter(r->missing, sizeof r->missing);
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name; i++) {
        r->errors[i] = 0;       /* running another program leaves it so */
        r->errors[i] = sandbox_attempts[i].attempt();
    }
}

enum cq_err sandbox_try(struct sandbox_report *out)
{
    struct trial_end end;
    *out = (struct sandbox_report) {0};
    for (int i = 0; i < SANDBOX_ATTEMPTS; i++)
        out->errors[i] = -1;
    enum cq_err err = trial_run(try_all, NULL, out, sizeof *out, TRIAL_S, &end);
    return err ? err : end.signal ? CQ_INTERNAL : CQ_OK;
}

bool sandbox_held(const struct sandbox_report *r, int attempt)
{
    int err = r->errors[attempt];
    return err == EPERM || err == EACCES || (err == ENOMEM && sandbox_attempts[attempt].walls & SANDBOX_LIMITS);
}

/* "read a file, connect over TCP" */
static void list_open(const struct sandbox_report *r, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name && at < size; i++)
        if (!sandbox_held(r, i))
            at += (size_t) snprintf(out + at, size - at, "%s%s", at ? ", " : "", sandbox_attempts[i].name);
}

enum cq_err sandbox_announce(struct cq_log *log, enum sandbox_mode mode)
{
    struct sandbox_report r;
    char open[512];
    if (mode == SANDBOX_OFF)
        return CQ_OK;
    enum cq_err err = sandbox_try(&r);
    if (err)
        snprintf(r.missing, sizeof r.missing, "the trial failed: %s", cq_err_text(err));
    list_open(&r, open, sizeof open);
    if (r.walls == SANDBOX_ALL && !open[0])
        return CQ_OK;
    if (mode == SANDBOX_REQUIRE) {
        cq_log_error(log, "sandbox: missing here: %s; --sandbox auto goes on without, `clipq doctor` tells more", r.missing);
        return CQ_UNSUPPORTED;
    }
    cq_log_warn(log, "sandbox: missing here: %s; a decoder that a clip takes over could %s (`clipq doctor`)", r.missing,
                open[0] ? open : "do little all the same");
    return CQ_OK;
}
