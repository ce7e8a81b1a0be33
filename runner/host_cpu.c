/* The first line of /proc/stat. */
#include "runner/host_cpu.h"

#include <stdio.h>
#include <unistd.h>

double host_cpu_s(int processors)
{
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    if (sysconf(_SC_NPROCESSORS_ONLN) != processors)
        return 0;
    FILE *f = fopen("/proc/stat", "re");
    int got = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal) : 0;
    if (f)
        fclose(f);
    return got == 8 ? (double) (user + nice + system + irq + soft + steal) / (double) sysconf(_SC_CLK_TCK) : 0;
}
