/* The cache's tier on disk: an SQLite file of its own, answers.sqlite in a folder of the user's, shared by all databases
 * and processes. It may be deleted at any time, and is worth no more than the time to compute what is in it: whoever
 * meets an error here closes it and goes on without.
 *
 * In WAL mode with synchronous=NORMAL a kill or a power cut leaves it sound. Each answer has a checksum all the same,
 * for a disk's damage shows in no other way. The file is only its owner's to read: it holds the seed of the hashes.
 *
 * Thread-safety: one thread at a time per object; two objects of one process are fine.
 */
#ifndef CLIPQ_RUNNER_STORE_CACHE_H
#define CLIPQ_RUNNER_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/cache_key.h"

struct cq_log;
struct store_cache;

enum { STORE_CACHE_PATH = 1100 };

/* Where it lies, the folder made if need be; false: there is no such place. */
bool store_cache_path(char out[STORE_CACHE_PATH]);

/* CQ_NOT_FOUND, unlogged: there is no file, and `create` is false. CQ_DENIED on a network's file system. Others as SQLite
 * says; all are logged as warnings. */
enum cq_err store_cache_open(struct cq_log *log, bool create, struct store_cache **out);
void store_cache_close(struct store_cache **c);
uint64_t store_cache_seed(const struct store_cache *c);

/* ---- reading ---- */

/* Between the two, finds see one state of the file. */
enum cq_err store_cache_begin(struct store_cache *c);
void store_cache_end(struct store_cache *c);
/* Appends the answer to `blob`; CQ_EOF: it is not there, or its time is over. CQ_CORRUPT, and what SQLite says. */
enum cq_err store_cache_find(struct store_cache *c, const struct cache_key *key, int64_t now_ms, struct cq_buf *blob, double *cost_ms);

/* ---- writing ---- */

/* Who makes answers: a model at an input's size, with its settings; and how often those were of use. */
struct store_cache_maker {
    struct cache_key key;
    char model[128], shape[48];
    int64_t hits;               /* to be added */
    double saved_ms;
};

struct store_cache_change {
    struct cache_key key;
    int maker;                  /* index */
    const void *blob;           /* NULL: it was used once more */
    size_t size;
    double cost_ms;
};

struct store_cache_write {
    const struct store_cache_maker *makers;
    const struct store_cache_change *changes;
    int n_makers, n;
    int64_t now_ms, ttl_ms;
    int64_t budget;             /* bytes of all answers */
};

/* In one transaction; what is over, or does not fit any more, goes: *evicted counts the latter. CQ_BUSY: somebody else
 * writes for too long, nothing was changed. */
enum cq_err store_cache_write(struct store_cache *c, const struct store_cache_write *w, int64_t *evicted);

/* ---- looking ---- */

struct store_cache_row {
    char model[128], shape[48];
    int64_t entries, bytes, hits;
    double saved_ms;
};
enum cq_err store_cache_each(struct store_cache *c, int64_t now_ms, enum cq_err (*fn)(void *ctx, const struct store_cache_row *r), void *ctx);
enum cq_err store_cache_check(struct store_cache *c);  /* CQ_CORRUPT: it is damaged; reads all of it */
/* Deletes the files; processes that have them open keep theirs until they end. */
enum cq_err store_cache_remove(struct cq_log *log);
/* Bytes of the files. */
int64_t store_cache_file_bytes(void);

#endif
