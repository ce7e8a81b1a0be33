/* The walls of seccomp: which system calls decoding takes, and which an engine is denied (runner/sandbox.h). */
#ifndef CLIPQ_RUNNER_SANDBOX_CALLS_H
#define CLIPQ_RUNNER_SANDBOX_CALLS_H

/* For this process, for good. 0, or errno when the kernel refuses. */
int sandbox_allow_calls(void);      /* for a decoder: no others */
int sandbox_deny_calls(void);       /* for an engine: all others */

/* Puts up a filter (scmp_filter_ctx). 0, or -errno. */
int sandbox_load(void *filter);

#endif
