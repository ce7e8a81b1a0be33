/* Order statistics of a few numbers. */
#include "runner/bench_spread.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q)
{
    double at = q * (n - 1);
    int below = (int) at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

struct bench_spread bench_spread_of(double *values, int n)
{
    qsort(values, (size_t) n, sizeof *values, ascending);
    return (struct bench_spread) {
        .n = n, .min = values[0], .median = quantile(values, n, 0.5),
        .iqr = quantile(values, n, 0.75) - quantile(values, n, 0.25),
    };
}
