/* The wall of seccomp: which system calls decoding takes (runner/sandbox.h). */
#ifndef CLIPQ_RUNNER_SANDBOX_CALLS_H
#define CLIPQ_RUNNER_SANDBOX_CALLS_H

/* For this process, for good. 0, or errno when the kernel refuses. */
int sandbox_allow_calls(void);

#endif
