/* File systems that cannot be read are left alone for a while. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_MOUNTS_H
#define CLIPQ_RUNNER_WORK_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "stages/failure.h"

struct job;
struct work;

enum cq_err work_mounts_create(struct work *w);
void work_mounts_destroy(struct work *w);
/* The job's clip has ended so. True: its file system is to blame, it shall be tried again later. */
bool work_mounts_blame(struct work *w, const struct job *j, enum failure f, const char *message);
bool work_mounts_allow(struct work *w, const struct job *j);   /* may it be begun? */
int64_t work_mounts_pause_ms(const struct work *w, const struct job *j);
/* Where one is mounted that was tried often enough since anything else could be done; NULL: there is none. */
const char *work_mounts_hopeless(const struct work *w);

#endif
