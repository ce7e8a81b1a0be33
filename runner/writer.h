/* The one thread that writes to the database, in group commits.
 *
 * A post is a function that runs on the writer's thread inside a transaction, in a savepoint of its own. The
 * group is committed when the queue is empty, holds WRITER_GROUP posts, or is 20 ms old. Only after the
 * commit is `done` called, on the loop's thread, in the order of posting, with the post's own error or the
 * commit's. Exactly one `done` per post, on shutdown too.
 *
 * Thread-safety: all functions belong to the loop's thread; `work` runs on the writer's and may touch only
 * its argument and the store.
 */
#ifndef CLIPQ_RUNNER_WRITER_H
#define CLIPQ_RUNNER_WRITER_H

#include <stdbool.h>

#include <uv.h>

#include "kernels/base/err.h"

struct cq_log;
struct store;
struct writer;

enum { WRITER_GROUP = 256, WRITER_QUEUE = 1024 };

struct writer_post {
    enum cq_err (*work)(struct store *s, void *arg);
    void (*done)(void *arg, enum cq_err err);   /* may be NULL */
    void *arg;                                   /* the caller's; freed by done */
};

/* Takes over the store (opened for writing), on failure too: it is closed by writer_destroy. The store's own
 * log is used on the writer's thread, so open it with one that nobody else uses. */
enum cq_err writer_create(uv_loop_t *loop, struct cq_log *log, struct store *store, struct writer **out);

/* Takes the post (CQ_NOMEM: not taken, no `done`); the queue is bounded by its users, who stop producing while writer_full(). */
enum cq_err writer_post(struct writer *w, const struct writer_post *p);
bool writer_full(const struct writer *w);
int writer_pending(const struct writer *w);

/* Runs what is queued, delivers every `done`, joins the thread, closes the store. Not from inside a `done`.
 * The loop must turn once more before it is closed, to let go of the async handle. */
void writer_destroy(struct writer **w);

#endif
