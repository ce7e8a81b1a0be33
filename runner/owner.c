/* Reading who we are and who still lives out of /proc. */
#include "runner/owner.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct identity {
    char host[64], boot[OWNER_BOOT], space[32];
    long pid;
    long long start;
};

static void first_line(const char *path, char *out, int size)
{
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (f && fgets(out, size, f))
        out[strcspn(out, "\n")] = '\0';
    if (f)
        fclose(f);
}

/* -1 when there is no such process. The name in the second field may hold anything, so fields are counted
 * from its closing bracket: start time is the 20th after it. */
static long long start_time(long pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    first_line(path, line, sizeof line);
    const char *at = strrchr(line, ')');
    long long start = -1;
    for (int field = 0; at && field < 20; field++)
        at = strchr(at + 1, ' ');
    if (at)
        sscanf(at, "%lld", &start);
    return start;
}

bool owner_boot(char out[OWNER_BOOT])
{
    first_line("/proc/sys/kernel/random/boot_id", out, OWNER_BOOT);
    return out[0] != '\0';
}

static void here(struct identity *me)
{
    char target[64] = "";
    *me = (struct identity) {.pid = getpid()};
    gethostname(me->host, sizeof me->host - 1);
    for (char *p = me->host; *p; p++)
        if (*p == '/')
            *p = '_';
    owner_boot(me->boot);
    if (readlink("/proc/self/ns/pid", target, sizeof target - 1) > 0)
        sscanf(target, "pid:[%31[0-9]]", me->space);
    me->start = start_time(me->pid);
}

bool owner_name(char *out, size_t size)
{
    struct identity me;
    here(&me);
    int n = snprintf(out, size, "%s/%s/%s/%ld/%lld", me.host, me.boot, me.space, me.pid, me.start);
    return n > 0 && (size_t) n < size;
}

bool owner_is_dead(const char *owner)
{
    struct identity me, it = {0};
    here(&me);
    if (sscanf(owner, "%63[^/]/%39[^/]/%31[^/]/%ld/%lld", it.host, it.boot, it.space, &it.pid, &it.start) != 5)
        return false;
    if (strcmp(it.host, me.host))
        return false;
    if (strcmp(it.boot, me.boot))
        return true;
    return !strcmp(it.space, me.space) && start_time(it.pid) != it.start;
}
