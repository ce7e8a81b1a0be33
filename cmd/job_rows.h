/* Jobs as lines: the same in list, retry and cancel.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_CMD_JOB_ROWS_H
#define CLIPQ_CMD_JOB_ROWS_H

#include <stdbool.h>

#include <jansson.h>

#include "kernels/base/err.h"

struct store_job_row;

struct job_rows {
    bool json;
    const char *type;           /* message_type of a JSON line */
    int n;                      /* printed so far; a heading comes before the first */
};

/* Fits store_each_job(); ctx is a struct job_rows. */
enum cq_err job_rows_print(void *ctx, const struct store_job_row *r);

/* All of a row's fields. New reference. */
json_t *job_row_json(const struct store_job_row *r);

#endif
