/* How much memory the models of one device may take.
 *
 * A GPU's memory is the device's: 85 % of it, the rest being for what drivers and other programs need. A CPU device
 * uses the host's, promises more than there is, and its failure is a kill by the kernel; so it gets half of what can
 * be had now: available memory, what every enclosing cgroup (v1 or v2) leaves, and what RLIMIT_DATA and RLIMIT_AS
 * leave. File cache that a cgroup would give back counts as free.
 *
 * Thread-safety: pure, but for budget_look() and budget_here(), which read files.
 */
#ifndef CLIPQ_RUNNER_BUDGET_H
#define CLIPQ_RUNNER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_info;

/* What limits memory here, in bytes; SIZE_MAX where a limit is unknown or not set. */
struct budget_facts {
    bool is_cpu;
    size_t device;               /* as the device says */
    size_t available;            /* of the host, without swapping */
    size_t cgroup;               /* least that a cgroup leaves */
    size_t data, address_space;  /* what the resource limits leave */
};

/* What the host and all enclosing cgroups leave, SIZE_MAX where that is unknown. `root` as below. */
size_t budget_host_left(const char *root);

/* Looks at the machine. `root` is put before /proc and /sys, for tests; "" otherwise. */
void budget_look(const char *root, const struct device_info *info, struct budget_facts *out);

/* `limit` is what the user wants (--memory-limit), 0 for nothing; it wins over all but the device's own size. */
size_t budget_of(const struct budget_facts *facts, size_t limit);
/* The same for a device of this machine; a part of one gets its share of what is not limited by the user. */
size_t budget_here(const struct device_info *info, size_t limit);

/* What one of `sharers` models yet to be loaded may take of what is left, so that the last finds as much as the
 * first; what it leaves goes to those after it. */
size_t budget_share(size_t left, int sharers);

#endif
