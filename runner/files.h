/* Pictures and tensors that decoders left in DB.files, beside the database. */
#ifndef CLIPQ_RUNNER_FILES_H
#define CLIPQ_RUNNER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct cq_log;
struct store;

/* What the name of every file of one frame begins with: JOB-ATTEMPT-MODEL-SEQ. */
void files_stem(char *out, size_t size, int64_t job_id, int attempt, int model, int64_t seq);

/* Deletes the files of attempts that came to nothing, as the database knows them, and the folder when that leaves it
 * empty. What does not bear a name of ours stays. CQ_OK without a folder; a file that cannot be deleted is only
 * warned of. */
enum cq_err files_sweep(struct cq_log *log, struct store *s, const char *folder);

#endif
