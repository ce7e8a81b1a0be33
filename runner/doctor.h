/* Everything that a run needs, looked at one by one before the night: devices, codecs, the database and its disk, the cache
 * of compiled kernels, the sandbox, limits, libraries. Each finding says what it means and what to do.
 *
 * What may crash (drivers, attempts at the sandbox) is done in forked processes.
 *
 * Thread-safety: as trial_run().
 */
#ifndef CLIPQ_RUNNER_DOCTOR_H
#define CLIPQ_RUNNER_DOCTOR_H

#include <stdbool.h>

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING /* a run goes on, worse */, DOCTOR_FAILURE /* it would not */, DOCTOR_LEVELS };

/* What a failure is about: its exit code. */
enum doctor_part { DOCTOR_DATABASE, DOCTOR_DEVICES, DOCTOR_REST, DOCTOR_PARTS };

struct doctor_finding {
    const char *topic;        /* "database"; the name of the check */
    enum doctor_level level;
    const char *text;
    const char *advice;       /* what to do next; "" when nothing is to be done */
};

struct doctor {
    const char *db_path;
    bool full;                /* whole databases are checked, not only their structure */
    void (*say)(void *ctx, const struct doctor_finding *f);
    void *ctx;

    int found[DOCTOR_PARTS][DOCTOR_LEVELS];   /* out: findings */

    const struct doctor_check *check;         /* the present one; of doctor_tell() */
};

/* One file each; all in doctor.c's list. */
struct doctor_check {
    const char *name;
    enum doctor_part part;
    void (*run)(struct doctor *d);
};

void doctor_run(struct doctor *d);

/* For checks. `advice` is "" for what is fine. */
void doctor_tell(struct doctor *d, enum doctor_level level, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

extern const struct doctor_check doctor_answers, doctor_cache, doctor_codecs, doctor_database, doctor_devices, doctor_disk, doctor_limits,
    doctor_sandbox, doctor_versions;

#endif
