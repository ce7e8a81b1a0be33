/* The crash harness: runs of `clipq work` that are disturbed at random moments, and what must hold afterwards.
 *
 *     crash.c            the rounds
 *     crash_disturb.c    what is done to a run
 *     crash_compare.c    a database against the one of an undisturbed run
 *
 * Everything random comes from a seed that is printed, so that a failed round can be had again.
 */
#ifndef CLIPQ_TESTS_CRASH_H
#define CLIPQ_TESTS_CRASH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CRASH_SUPERVISORS = 4 };

/* xorshift64*, Marsaglia 2003 and Vigna 2016. */
struct crash_random { uint64_t state; };

/* 0 .. n-1; n > 0. */
uint64_t crash_random(struct crash_random *r, uint64_t n);

/* Supervisors at work on one database, each in a process group of its own. */
struct crash_run {
    const char *clipq;          /* the program */
    const char *db;
    const char *split;          /* for --split */
    int n;
    pid_t pids[CRASH_SUPERVISORS];
    int codes[CRASH_SUPERVISORS];   /* after crash_wait(): exit code, or 128 + signal */
};

/* `fault` becomes CLIPQ_FAULT of the first one; NULL: none. */
void crash_start(struct crash_run *run, const char *fault);
void crash_wait(struct crash_run *run);

/* One way to disturb a run, which is under way for `wait_us` when `strike` is called. */
struct crash_disturbance {
    const char *name;
    bool (*strike)(struct crash_run *run, struct crash_random *random);   /* false: it came too late */
    const char *fault;          /* instead of a strike: this fault, at a number that grows from round to round */
};

extern const struct crash_disturbance crash_disturbances[];   /* ends with a name of NULL */

/* Does the database at `db` hold the same answers as the one at `reference`, and are its books in order? Says on
 * standard error what differs. */
bool crash_same(const char *reference, const char *db);

/* No lease of `db` reaches beyond `lease_ms` from now. */
bool crash_leases_end(const char *db, int64_t lease_ms);
/* Notes which segments of clips are done, and returns how many. */
int64_t crash_keep(const char *db);
/* Are they still, by the same attempts? */
bool crash_kept(const char *db);
/* Jobs in that state. */
int64_t crash_count(const char *db, const char *state);

#endif
