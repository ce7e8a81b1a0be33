/* The state of a database, for `clipq doctor`. Reads only.
 *
 * Thread-safety: pure but for reading the file.
 */
#ifndef CLIPQ_RUNNER_STORE_HEALTH_H
#define CLIPQ_RUNNER_STORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct store_health {
    enum cq_err err;          /* CQ_OK, or why it cannot be looked at; CQ_NOT_FOUND: there is none */
    char message[512];        /* of err, or of the first damage found; else "" */
    bool sound;               /* the check found nothing */
    int version, newest;      /* of its schema; of the newest that this clipq knows, to which writing brings it */
    char journal[16];         /* "wal" */
    bool writable;            /* the file and its folder */
    int64_t bytes, log_bytes; /* of the file and its -wal */
    int64_t jobs;
};

/* `full`: PRAGMA integrity_check, which also compares indexes with their tables, instead of quick_check. */
void store_health_look(const char *path, bool full, struct store_health *out);

/* "3.40.1", as loaded. */
const char *store_library_version(void);

#endif
