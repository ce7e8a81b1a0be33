/* A score with its inputs, its reason and what to do: the same of a run and of a job.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_CMD_SCORE_ROWS_H
#define CLIPQ_CMD_SCORE_ROWS_H

#include <jansson.h>

struct store_score_row;

/* Lines below a heading of the caller's. */
void score_print(const struct store_score_row *r);
/* All of its fields, into an object. */
void score_fields(json_t *fields, const struct store_score_row *r);
/* What to do; NULL where there is no score. */
const char *score_advice(const struct store_score_row *r);

#endif
