/* Faults on demand, for the tests: CLIPQ_FAULT=NAME@WHAT[,NAME@WHAT...] in the environment.
 *
 *     kill@N        an engine kills itself when its N-th batch comes
 *     killover@N    an engine kills itself when a batch of more than N frames comes
 *     killtuned@N   an engine kills itself when it has told of the N-th operator that it timed
 *     mute@N        an engine sleeps for ever when its N-th batch comes
 *     crash@TEXT    a decode worker aborts on a clip whose path contains TEXT
 *     starve@TEXT   a decode worker is killed on such a clip, as by a system without memory
 *     hang@TEXT     a decode worker sleeps for ever on such a clip
 *     drag@DEVICE=F an engine on that device ("0:0/2/2") takes F times as long for each batch
 *     commit@N      a store's N-th commit fails
 *     committed@N   the process kills itself right after that commit
 *     no-WALL@1     this kernel lacks a wall of runner/sandbox.h: no-no_new_privs, no-limits, no-landlock, no-seccomp
 *     fstype@HEX    the database seems to lie on such a file system (runner/file_system.h)
 *
 * (alloc@N, enqueue@N and resources@N are kernels/device.h's.)
 */
#ifndef CLIPQ_RUNNER_FAULT_H
#define CLIPQ_RUNNER_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Is fault `name` wanted for this number, for all above the number that it names, or for this path? */
bool fault_at(const char *name, int64_t n);
bool fault_over(const char *name, int64_t n);
bool fault_in(const char *name, const char *path);
/* The number behind "WHAT=", 1 when the fault is not wanted for it. */
double fault_factor(const char *name, const char *what);

#endif
