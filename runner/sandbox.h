/* Walls around a process that parses untrusted media: it can read what is open already, write its own part of
 * the arena and talk over its socket, and nothing else. No file can be opened or made, nothing reaches the network, no
 * program and no process can be started, no other process is seen, memory is not without end.
 *
 *     privileges   no_new_privs: no set-user-id program gives any back
 *     limits       rlimits: address space, core files, size of files, number of descriptors. That of processor time is
 *                  kept by the supervisor (child_params.cpu_s)
 *     landlock     the kernel's own wall around the file system; from version 4 on around TCP, from 6 on around signals
 *     seccomp      a list of the system calls that decoding takes; all others fail with EPERM
 *
 * Landlock and seccomp overlap on purpose: a container may lack either. What is missing is left out and named.
 *
 * Workers are kept from each other's frames without any of these: each has a part of the arena of its own
 * (runner/arena.h). What no wall can do: a process that was taken over falsifies what it decodes from then on, so it gets
 * no other clip (runner/child.h, child_renew), and frames in its part that wait for an engine.
 *
 * Thread-safety: before the process has threads of its own.
 */
#ifndef CLIPQ_RUNNER_SANDBOX_H
#define CLIPQ_RUNNER_SANDBOX_H

#include <stddef.h>

struct cq_log;

enum sandbox_mode { SANDBOX_AUTO /* what stands is enough */, SANDBOX_REQUIRE, SANDBOX_OFF };

enum sandbox_wall {
    SANDBOX_PRIVILEGES = 1, SANDBOX_LIMITS = 2, SANDBOX_LANDLOCK = 4, SANDBOX_SECCOMP = 8,
    SANDBOX_ALL = 15, SANDBOX_OF_ENGINE = SANDBOX_PRIVILEGES | SANDBOX_SECCOMP
};

/* For good. Returns the walls that stand; `missing` names the others, with the kernel's reason: "landlock (Function not
 * implemented)", "" when there are none. */
unsigned sandbox_enter(char *missing, size_t size);

/* The walls around an engine, for good, before it opens its device. They keep it from the network, from other processes
 * and from what hardly any program asks of the kernel. Files and programs it has, for drivers need both, and so has what it
 * starts. Otherwise as sandbox_enter(). */
unsigned sandbox_enter_engine(char *missing, size_t size);

/* The version of Landlock that this kernel offers; 0: none. */
int sandbox_landlock_version(void);

#endif
