/* Clocks, through clock_gettime and getrusage. */
#include "kernels/base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

int64_t cq_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t cq_utc_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

double cq_cpu_s(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

char *cq_rfc3339(int64_t utc_ms, char out[CQ_RFC3339_SIZE])
{
    time_t seconds = (time_t) (utc_ms / 1000);
    struct tm tm;
    char date[24];
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, CQ_RFC3339_SIZE, "%s.%03dZ", date, (int) (utc_ms % 1000));
    return out;
}
