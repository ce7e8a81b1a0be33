/* Three clocks: a monotonic one to measure with, UTC to show and to store, and the processor time of processes.
 * Thread-safety: all functions may be called from any thread. */
#ifndef CLIPQ_KERNELS_BASE_CLOCK_H
#define CLIPQ_KERNELS_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed point; never goes back. */
int64_t cq_now_ns(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t cq_utc_ms(void);

/* Seconds computed by RUSAGE_SELF, or by those RUSAGE_CHILDREN that have ended and were waited for (sys/resource.h). */
double cq_cpu_s(int who);

enum { CQ_RFC3339_SIZE = 32 };

/* "2026-11-21T00:42:52.123Z"; returns `out`. */
char *cq_rfc3339(int64_t utc_ms, char out[CQ_RFC3339_SIZE]);

#endif
