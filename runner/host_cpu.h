/* What the whole machine computes, whoever's it is.
 * Thread-safety: any thread. */
#ifndef CLIPQ_RUNNER_HOST_CPU_H
#define CLIPQ_RUNNER_HOST_CPU_H

/* Processor-seconds since the machine was started, by all its processors. 0 where that cannot be known, or this process may use
 * fewer than all (`processors`), so that the others' work is no loss of its. */
double host_cpu_s(int processors);

#endif
