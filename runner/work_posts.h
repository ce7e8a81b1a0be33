/* What jobs leave in the database, through the writer: rows of answers as they come, then one end for each attempt. */
#ifndef CLIPQ_RUNNER_WORK_POSTS_H
#define CLIPQ_RUNNER_WORK_POSTS_H

#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/messages_engine.h"
#include "runner/store.h"
#include "stages/failure.h"

struct frame_input;
struct job;
struct segment;
struct work;

/* ---- work_rows.c ---- */

/* Answers as rows of staged attempts; copied. */
enum cq_err work_post_rows(struct work *w, enum store_source source, struct frame_input *const *inputs,
                           const struct msg_answer *answers, int n);

/* ---- work_posts.c ---- */

void work_post_completion(struct job *j);
void work_post_failure(struct job *j, enum failure f, const char *message);
void work_post_release(struct job *j);
void work_post_split(struct job *j, const struct segment *parts, int n);
void work_post_unsplit(struct job *j, const char *message);
void work_post_postponement(struct job *j, int64_t pause_ms, const char *message);
void work_post_again(struct job *j, enum failure f, int64_t pause_ms, const char *message);   /* untried */
void work_post_note(struct job *j);

#endif
