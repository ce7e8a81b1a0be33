/* What the store's tests share: a database in a folder of its own, made-up clips, a pipeline of a detector
 * and a scene model, and a way to ask the file in SQL. */
#ifndef CLIPQ_TESTS_STORE_FIXTURE_H
#define CLIPQ_TESTS_STORE_FIXTURE_H

#include <stdint.h>

#include "kernels/base/log.h"
#include "runner/store.h"

struct fixture {
    char folder[64];
    char db[128];
    struct cq_log log;          /* silent; last_error is kept */
    struct store *store;        /* opened with STORE_CREATE, pipeline put; NULL after fixture_close */
    int64_t pipeline;
};

void fixture_setup(struct fixture *f);
void fixture_close(struct fixture *f);      /* the store only */
void fixture_teardown(struct fixture *f);   /* everything, files too */

/* The same around a test of cmocka: *state is the fixture. */
int fixture_begin(void **state);
int fixture_end(void **state);
int fixture_end_checked(void **state);      /* and the books are in order: fixture_check_books() */

struct probe fixture_probe(int number);     /* readable; other numbers are other contents */
int64_t fixture_submit(struct store *s, int64_t pipeline, int number);   /* inside a transaction; /clips/N.mp4 */
void fixture_submit_all(struct fixture *f, int n);                       /* numbers 0..n-1, in one transaction */
/* One clip in a transaction of its own, which comes to `want`; its job. */
int64_t fixture_put(struct fixture *f, const char *path, const struct probe *p, int64_t pipeline, enum store_put want);

/* The two-model answer of frame `seq`, staged: two detections (one with landmarks) and a class by model 0, an
 * embedding and quality by model 1. */
enum cq_err fixture_add_frame(struct store *s, const struct store_job *j, int64_t seq);
enum cq_err fixture_complete(struct store *s, const struct store_job *j, const char *owner, enum failure failure);
/* One claim in a transaction of its own; false when the queue is empty. */
bool fixture_claim(struct store *s, const char *owner, struct store_job *out);
/* Claims, adds `frames`, completes; false when the queue is empty. */
bool fixture_work_one(struct store *s, const char *owner, int frames);

/* First column of the first row. Through a connection of its own; fails the test on an SQL error. */
int64_t fixture_int(const struct fixture *f, const char *sql);
void fixture_change(const struct fixture *f, const char *sql);   /* behind the store's back */
void fixture_text(const struct fixture *f, const char *sql, char *out, int size);

/* submitted = done + partial + failed + dead + cancelled + pending + running, from the totals and from the
 * rows; no accepted row twice; integrity_check is ok. */
void fixture_check_books(const struct fixture *f);

#endif
