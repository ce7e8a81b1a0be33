/* What repeated measurements say: the least, the middle, and how far apart they lie.
 * Thread-safety: pure. */
#ifndef CLIPQ_RUNNER_BENCH_SPREAD_H
#define CLIPQ_RUNNER_BENCH_SPREAD_H

struct bench_spread {
    int n;                          /* measurements */
    double min, median;
    double iqr;                     /* between the first and the third quartile */
};

/* Sorts `values`, n >= 1 of them. Quantiles between two values lie on the line between them. */
struct bench_spread bench_spread_of(double *values, int n);

#endif
