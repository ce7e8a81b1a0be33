/* Who holds a lease: a process, named so that others on the same machine can tell whether it still lives.
 *
 *     HOST/BOOT/PID-NAMESPACE/PID/START
 *
 * START is the process's start time in clock ticks since boot, so a number that was given again does not
 * pass for its former holder. Thread-safety: pure but for reading /proc.
 */
#ifndef CLIPQ_RUNNER_OWNER_H
#define CLIPQ_RUNNER_OWNER_H

#include <stdbool.h>
#include <stddef.h>

enum { OWNER_BOOT = 40 };

/* This process. False when `out` is too small. */
bool owner_name(char *out, size_t size);

/* Names this boot of the machine. False where that cannot be read. */
bool owner_boot(char out[OWNER_BOOT]);

/* Is `owner` certainly gone: of this machine, this boot (or an earlier one) and this PID namespace, and not
 * running? Of others nothing is known: their leases run out by themselves. */
bool owner_is_dead(const char *owner);

#endif
