/* Candidates in, rows out: walks the paths, probes each candidate in a child, queues jobs in group commits.
 * Memory does not grow with the number of candidates.
 */
#ifndef CLIPQ_RUNNER_SUBMIT_H
#define CLIPQ_RUNNER_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/err.h"
#include "runner/sandbox.h"
#include "stages/failure.h"

struct cq_log;
struct pipeline;

struct submit_event {             /* one candidate, settled */
    const char *path;
    int64_t job_id;               /* 0 in a dry run */
    const char *outcome;          /* "queued", "known", "same_content", "failed" */
    enum failure failure;
    const char *message;
    double duration_s;
    int width, height;            /* display pixels */
};

struct submit_progress {
    int64_t found, settled, queued, known, failed;
    double media_s, elapsed_s;
};

struct submit_params {
    const char *db_path;
    const struct pipeline *pipeline;
    char *const *paths;           /* files, directories, globs */
    int n_paths;
    FILE *list;                   /* more paths, one per line (or NUL-ended); NULL: none */
    bool list_nul;
    int priority;
    bool dry_run;                 /* probes and tells, writes nothing */
    int probers;                  /* 0: number of usable CPUs */
    enum sandbox_mode sandbox;    /* of them */
    void (*event)(void *ctx, const struct submit_event *e);       /* may be NULL */
    void (*progress)(void *ctx, const struct submit_progress *p, bool last);  /* may be NULL */
    void *ctx;
    struct cq_log *log;
};

struct submit_result {
    struct submit_progress totals;
    int64_t missing;              /* names that led nowhere: no such file, unreadable directory, no match */
    int signal;                   /* that ended it early, or 0 */
    bool in_store;                /* the error returned is the database's */
};

enum cq_err submit_run(const struct submit_params *p, struct submit_result *out);

#endif
