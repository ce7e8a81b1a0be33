/* The walls, in the order in which each still lets the next be built.
 *
 * Faults for tests (runner/fault.h): no-landlock@1 and so on, a kernel that lacks that wall.
 */
#include "runner/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/fault.h"
#include "runner/sandbox_calls.h"

enum { DESCRIPTORS = 32 };      /* its sockets, the arena, one clip, and some to spare */

/* Above what is mapped at the start: half of the machine, for a decoder of large pictures on many threads reserves much. */
static const uint64_t memory_least = UINT64_C(4) << 30, memory_most = UINT64_C(16) << 30;

/* ---- privileges ---- */

static int deny_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0;
}

/* ---- limits ---- */

static uint64_t mapped_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%llu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

static uint64_t memory_to_add(void)
{
    uint64_t half = (uint64_t) sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t) sysconf(_SC_PAGESIZE);
    return half < memory_least ? memory_least : half > memory_most ? memory_most : half;
}

/* Never above what stands: a user's own limit may be lower. */
static int set_limit(int what, uint64_t value)
{
    struct rlimit l;
    if (getrlimit(what, &l))
        return errno;
    rlim_t want = (rlim_t) value < l.rlim_max ? (rlim_t) value : l.rlim_max;
    return setrlimit(what, &(struct rlimit) {want, want}) ? errno : 0;
}

static int set_limits(void)
{
    uint64_t mapped = mapped_bytes();
    if (!mapped)
        return ENOENT;          /* no /proc: nobody knows what we have */
    int err = set_limit(RLIMIT_AS, mapped + memory_to_add());
    if (!err)
        err = set_limit(RLIMIT_CORE, 0);
    if (!err)
        err = set_limit(RLIMIT_FSIZE, 0);
    return err ? err : set_limit(RLIMIT_NOFILE, DESCRIPTORS);
}

/* ---- Landlock ---- */

/* As the newest kernel that we know has it; older ones take it as long as what they do not know is 0. */
struct ruleset {
    uint64_t files, net, scoped;
};

enum { FILES_1 = 13, FILES_2, FILES_3, FILES_5 };   /* rights there are from each version on */

static uint64_t bits(int n)
{
    return (UINT64_C(1) << n) - 1;
}

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int) version : 0;
}

/* All rights are handled and no rule gives one back. */
static int close_files(void)
{
    int version = sandbox_landlock_version();
    if (!version)
        return errno;
    const struct ruleset r = {
        .files = bits(version >= 5 ? FILES_5 : version >= 3 ? FILES_3 : version == 2 ? FILES_2 : FILES_1),
        .net = version >= 4 ? bits(2) : 0,
        .scoped = version >= 6 ? bits(2) : 0,
    };
    int fd = (int) syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
    if (fd < 0)
        return errno;
    int err = syscall(SYS_landlock_restrict_self, fd, 0) ? errno : 0;
    close(fd);
    return err;
}

/* ---- all of them ---- */

struct wall {
    enum sandbox_wall wall;
    const char *name;
    int (*build)(void);         /* 0 or errno */
};

static const struct wall decoder_walls[] = {
    {SANDBOX_PRIVILEGES, "no_new_privs", deny_privileges},
    {SANDBOX_LIMITS, "limits", set_limits},
    {SANDBOX_LANDLOCK, "landlock", close_files},
    {SANDBOX_SECCOMP, "seccomp", sandbox_allow_calls},
};

static const struct wall engine_walls[] = {
    {SANDBOX_PRIVILEGES, "no_new_privs", deny_privileges},
    {SANDBOX_SECCOMP, "seccomp", sandbox_deny_calls},
};

static bool lacks(const char *name)
{
    char fault[32];
    snprintf(fault, sizeof fault, "no-%s", name);
    return fault_at(fault, 1);
}

static unsigned build(const struct wall *walls, size_t n, char *missing, size_t size)
{
    unsigned stand = 0;
    size_t at = 0;
    missing[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        int err = lacks(walls[i].name) ? ENOSYS : walls[i].build();
        if (!err)
            stand |= walls[i].wall;
        else if (at < size)
            at += (size_t) snprintf(missing + at, size - at, "%s%s (%s)", at ? ", " : "", walls[i].name, strerror(err));
    }
    return stand;
}

unsigned sandbox_enter(char *missing, size_t size)
{
    return build(decoder_walls, sizeof decoder_walls / sizeof *decoder_walls, missing, size);
}

unsigned sandbox_enter_engine(char *missing, size_t size)
{
    return build(engine_walls, sizeof engine_walls / sizeof *engine_walls, missing, size);
}
