/* A running median of few numbers. */
#include "runner/speed.h"

#include <stdlib.h>

void speed_add(struct speed *s, double cost, double seconds)
{
    if (cost > 0 && seconds > 0)
        s->recent[s->n++ % SPEED_KEEP] = cost / seconds;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double middle(const struct speed *s)
{
    double sorted[SPEED_KEEP];
    int n = s->n < SPEED_KEEP ? (int) s->n : SPEED_KEEP;
    for (int i = 0; i < n; i++)
        sorted[i] = s->recent[i];
    qsort(sorted, (size_t) n, sizeof *sorted, ascending);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double speed_of(const struct speed *s, double guess)
{
    return s->n ? middle(s) : guess;
}

double speed_left(double cost, double speed, double seconds)
{
    double done = speed * seconds, least = done / 4;
    return cost - done > least ? cost - done : least;
}

double speed_load(double cost, double speed, double busy_s, double gone_s)
{
    double left = speed_left(cost, speed, busy_s), late = speed_left(0, speed, gone_s);
    return left > late ? left : late;
}
