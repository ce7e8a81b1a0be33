/* What this process may have: descriptors, memory, shared memory. */
#include <stdint.h>
#include <sys/resource.h>

#include <uv.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "runner/arena.h"
#include "runner/budget.h"
#include "runner/doctor.h"

/* Descriptors of a supervisor: a socket, an error pipe, a path socket and shared memory of each worker, that once more
 * while an engine starts, and what it needs itself. */
enum { FD_BASE = 48, FD_PER_WORKER = 6 };
static const int64_t arena_default = INT64_C(256) << 20;
static const double memory_few = (double) (INT64_C(512) << 20);

static void look_at_descriptors(struct doctor *d)
{
    struct rlimit l;
    int workers = (int) uv_available_parallelism();
    int need = FD_BASE + FD_PER_WORKER * workers;
    if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == RLIM_INFINITY || l.rlim_cur >= (rlim_t) need)
        doctor_tell(d, DOCTOR_OK, "", "open files: enough for %d workers (%d)", workers, need);
    else
        doctor_tell(d, DOCTOR_FAILURE, "raise it (ulimit -n 1024), or take fewer --workers",
                    "open files: %llu are allowed, %d workers take about %d", (unsigned long long) l.rlim_cur, workers, need);
}

static void look_at_memory(struct doctor *d)
{
    const struct device_info host = {.kind = DEVICE_CPU};
    struct budget_facts f;
    budget_look("", &host, &f);
    const size_t all[] = {f.available, f.cgroup, f.data, f.address_space};
    size_t least = SIZE_MAX;
    for (int i = 0; i < 4; i++)
        least = all[i] < least ? all[i] : least;
    double gib = (double) least / (1 << 30);
    if (least == SIZE_MAX)
        doctor_tell(d, DOCTOR_WARNING, "mount /proc", "nothing tells how much memory there is");
    else if ((double) least < memory_few)
        doctor_tell(d, DOCTOR_WARNING, "end other programs, or raise the limit (ulimit -v, ulimit -d, the cgroup's)",
                    "memory: %.2f GiB can be had, which is little", gib);
    else
        doctor_tell(d, DOCTOR_OK, "", "memory: %.1f GiB can be had", gib);
}

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static void look_at_arena(struct doctor *d)
{
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    struct arena *a;
    if (arena_create(&log, arena_default, 1, &a))
        doctor_tell(d, DOCTOR_FAILURE, "take a smaller --arena", "%s", cq_log_reason(&log, "no shared memory"));
    else
        doctor_tell(d, DOCTOR_OK, "", "shared memory: %lld MiB can be made", (long long) (arena_default >> 20));
    arena_destroy(&a);
}

static void run(struct doctor *d)
{
    look_at_descriptors(d);
    look_at_memory(d);
    look_at_arena(d);
}

const struct doctor_check doctor_limits = {.name = "limits", .part = DOCTOR_REST, .run = run};
