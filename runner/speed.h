/* How fast a worker or an engine is, learned from what it has done.
 *
 * The estimate is the middle one of the newest measurements: one that stumbles (a kernel is compiled, the disk
 * sleeps) changes nothing, one that has become slower is known after five.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_SPEED_H
#define CLIPQ_RUNNER_SPEED_H

#include <stdint.h>

enum { SPEED_KEEP = 9 };

/* Zeroed: nothing is known. */
struct speed {
    double recent[SPEED_KEEP];  /* cost a second */
    int64_t n;                  /* measured so far */
};

/* Work of `cost` took `seconds`; one that is not > 0 tells nothing. */
void speed_add(struct speed *s, double cost, double seconds);
/* Cost a second; `guess` before anything is known. */
double speed_of(const struct speed *s, double guess);

/* What is left of a piece of predicted `cost` that has been worked on for `seconds`. One that takes longer than it should
 * is never nearly done: it has a quarter of what it has taken before it. */
double speed_left(double cost, double speed, double seconds);
/* The same of one that has been `busy_s` of the `gone_s` since its begin: who hangs or waits is not nearly done either. */
double speed_load(double cost, double speed, double busy_s, double gone_s);

#endif
