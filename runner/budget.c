/* Reading what the machine says about memory, and the arithmetic on it. */
#include "runner/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kernels/device.h"

enum { GPU_PERCENT = 85, CPU_PERCENT = 50, PATH_SIZE = 1024 };

static const size_t unlimited = SIZE_MAX;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t minus(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* ---- files of numbers ---- */

static FILE *open_at(const char *root, const char *folder, const char *name)
{
    char path[PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    return n > 0 && n < (int) sizeof path ? fopen(path, "re") : NULL;
}

/* A file of one number; `otherwise` when it is absent or says "max". */
static size_t read_number(const char *root, const char *folder, const char *name, size_t otherwise)
{
    unsigned long long v;
    FILE *f = open_at(root, folder, name);
    if (!f)
        return otherwise;
    size_t value = fscanf(f, "%llu", &v) == 1 ? (size_t) v : otherwise;
    fclose(f);
    return value;
}

/* The number behind `key` in a file of lines "key number". */
static size_t read_field(const char *root, const char *folder, const char *name, const char *key, size_t otherwise)
{
    char line[256];
    size_t length = strlen(key), value = otherwise;
    FILE *f = open_at(root, folder, name);
    if (!f)
        return otherwise;
    while (value == otherwise && fgets(line, sizeof line, f))
        if (!strncmp(line, key, length) && (line[length] == ' ' || line[length] == ':' || line[length] == '\t'))
            value = (size_t) strtoull(line + length + 1, NULL, 10);
    fclose(f);
    return value;
}

static size_t read_kib(const char *root, const char *folder, const char *name, const char *key, size_t otherwise)
{
    size_t kib = read_field(root, folder, name, key, unlimited);
    return kib > unlimited / 1024 ? otherwise : kib * 1024;
}

/* ---- cgroups ---- */

/* How a version of cgroups calls things. v1 has one limit and counts children in its totals. */
struct cgroup_names {
    const char *mount, *limit[2], *usage, *cache;
};

static const struct cgroup_names v1 = {
    "/sys/fs/cgroup/memory", {"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file",
};
static const struct cgroup_names v2 = {
    "/sys/fs/cgroup", {"memory.max", "memory.high"}, "memory.current", "inactive_file",
};
static const struct cgroup_names v2_beside_v1 = {
    "/sys/fs/cgroup/unified", {"memory.max", "memory.high"}, "memory.current", "inactive_file",
};

static size_t left_in(const char *root, const char *folder, const struct cgroup_names *names)
{
    size_t limit = unlimited;
    for (int i = 0; i < 2 && names->limit[i]; i++)
        limit = least(limit, read_number(root, folder, names->limit[i], unlimited));
    size_t used = read_number(root, folder, names->usage, 0);
    size_t cache = read_field(root, folder, "memory.stat", names->cache, 0);
    return limit == unlimited ? unlimited : minus(limit, minus(used, cache));
}

/* A group and all around it. Within a container the path may name groups that are not mounted there; what is not
 * there limits nothing, and the mount's root is always looked at. */
static size_t left_around(const char *root, const struct cgroup_names *names, const char *path)
{
    char folder[PATH_SIZE];
    size_t left = unlimited, mount = strlen(names->mount);
    int n = snprintf(folder, sizeof folder, "%s%s", names->mount, path);
    if (n < 0 || n >= (int) sizeof folder)
        return unlimited;
    for (;;) {
        left = least(left, left_in(root, folder, names));
        char *slash = strrchr(folder + mount, '/');
        if (!slash)
            return left;
        *slash = '\0';
    }
}

/* Is "memory" among the controllers of the line "5:cpu,memory:/path"? */
static bool controls_memory(const char *controllers, const char *end)
{
    while (controllers < end) {
        size_t n = strcspn(controllers, ",:");
        if (n == strlen("memory") && !strncmp(controllers, "memory", n))
            return true;
        controllers += n + 1;
    }
    return false;
}

static size_t left_in_cgroups(const char *root)
{
    char line[PATH_SIZE];
    size_t left = unlimited;
    FILE *f = open_at(root, "/proc/self", "cgroup");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        if (controllers + 1 == path) {
            left = least(left, left_around(root, &v2, path + 1));
            left = least(left, left_around(root, &v2_beside_v1, path + 1));
        } else if (controls_memory(controllers + 1, path)) {
            left = least(left, left_around(root, &v1, path + 1));
        }
    }
    if (f)
        fclose(f);
    return left;
}

/* ---- all together ---- */

static size_t left_of_rlimit(int which, size_t used)
{
    struct rlimit r;
    if (getrlimit(which, &r) || r.rlim_cur == RLIM_INFINITY)
        return unlimited;
    return minus((size_t) r.rlim_cur, used);
}

size_t budget_host_left(const char *root)
{
    return least(read_kib(root, "/proc", "meminfo", "MemAvailable", unlimited), left_in_cgroups(root));
}

void budget_look(const char *root, const struct device_info *info, struct budget_facts *out)
{
    *out = (struct budget_facts) {
        .is_cpu = info->kind == DEVICE_CPU,
        .device = info->global_bytes ? info->global_bytes : unlimited,
        .available = read_kib(root, "/proc", "meminfo", "MemAvailable", unlimited),
        .cgroup = left_in_cgroups(root),
        .data = left_of_rlimit(RLIMIT_DATA, read_kib(root, "/proc/self", "status", "VmData", 0)),
        .address_space = left_of_rlimit(RLIMIT_AS, read_kib(root, "/proc/self", "status", "VmSize", 0)),
    };
}

static size_t percent(size_t bytes, int share)
{
    return bytes / 100 * (size_t) share + bytes % 100 * (size_t) share / 100;
}

size_t budget_of(const struct budget_facts *f, size_t limit)
{
    if (limit)
        return least(limit, f->device);
    if (!f->is_cpu)
        return percent(f->device, GPU_PERCENT);
    size_t host = least(least(f->available, f->cgroup), least(f->data, f->address_space));
    return percent(least(host, f->device), CPU_PERCENT);
}

size_t budget_here(const struct device_info *info, size_t limit)
{
    struct budget_facts facts;
    budget_look("", info, &facts);
    size_t all = budget_of(&facts, limit);
    return limit || info->parts < 2 ? all : all / (size_t) info->parts;
}

size_t budget_share(size_t left, int sharers)
{
    return left / (size_t) (sharers > 1 ? sharers : 1);
}
