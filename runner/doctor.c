/* The list of checks, in the order in which they are told. */
#include "runner/doctor.h"

#include <stdarg.h>
#include <stdio.h>

static const struct doctor_check *const checks[] = {
    &doctor_database, &doctor_disk, &doctor_cache, &doctor_answers, &doctor_devices, &doctor_codecs, &doctor_sandbox, &doctor_limits,
    &doctor_versions,
};

void doctor_tell(struct doctor *d, enum doctor_level level, const char *advice, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->found[d->check->part][level]++;
    d->say(d->ctx, &(struct doctor_finding) {d->check->name, level, text, advice});
}

void doctor_run(struct doctor *d)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        d->check = checks[i];
        d->check->run(d);
    }
}
