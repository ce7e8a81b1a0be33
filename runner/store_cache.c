/* Opening, reading and looking; store_cache_write.c writes. */
#include "runner/store_cache_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <xxhash.h>

#include "kernels/base/log.h"
#include "kernels/device_env.h"
#include "runner/file_system.h"

enum { BUSY_MS = 2000 };

/* The format's number is in the file's name, so that two versions of clipq do not share one. */
#define FILE_NAME "answers-1.sqlite"

static const char *const suffixes[] = {"", "-wal", "-shm"};

/* One row of meta. `bytes` of all answers, as their rows count them; `age` as in runner/cache_policy.h. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), seed INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL DEFAULT 0, age REAL NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS makers (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, "
    "shape TEXT NOT NULL, hits INTEGER NOT NULL, saved_ms REAL NOT NULL);"
    "CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, maker INTEGER NOT NULL, "
    "counted_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, uses INTEGER NOT NULL, growth INTEGER NOT NULL, "
    "cost_ms REAL NOT NULL, bytes INTEGER NOT NULL, rank REAL NOT NULL, checksum INTEGER NOT NULL, blob BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS answers_rank ON answers (rank);"
    "CREATE INDEX IF NOT EXISTS answers_expiry ON answers (expires_ms)";

bool store_cache_path(char out[STORE_CACHE_PATH])
{
    char folder[DEVICE_PATH_SIZE];
    return device_cache_folder("answers", folder) &&
           snprintf(out, STORE_CACHE_PATH, "%s/" FILE_NAME, folder) < STORE_CACHE_PATH;
}

int64_t store_cache_checksum(const struct cache_key *key, const void *blob, size_t size)
{
    return (int64_t) XXH3_64bits_withSeed(blob, size, key->low);
}

/* ---- opening ---- */

static enum cq_err warn(struct cq_log *log, const char *path, enum cq_err err, const char *why)
{
    cq_log_warn(log, "answers are not reused from %s: %s; %s", path, why,
                err == CQ_CORRUPT || err == CQ_FOREIGN ? "`clipq cache clear` makes it anew" : "they are computed instead");
    return err;
}

/* With rights for its owner alone, which SQLite gives to the files beside it too. */
static enum cq_err make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return cq_err_errno(errno);
    close(fd);
    return CQ_OK;
}

static enum cq_err fill_empty(struct store *s)
{
    int64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return CQ_IO;
    enum cq_err err = sql_script(s, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = sql_script(s, schema);
    if (!err)
        err = sql_exec(s, "INSERT OR IGNORE INTO meta (id, seed) VALUES (1, ?)", "I", seed);
    if (!err)
        err = sql_script(s, "COMMIT");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static enum cq_err connect_to(struct store_cache *c)
{
    struct store *s = &c->sql;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc)
        return sql_error(s, rc);
    sqlite3_extended_result_codes(s->db, 1);
    s->busy_timeout_ms = BUSY_MS;
    sqlite3_busy_timeout(s->db, s->busy_timeout_ms);
    enum cq_err err = sql_use_wal(s);
    if (!err)
        err = sql_script(s, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4000; PRAGMA journal_size_limit = 16777216");
    if (!err)
        err = fill_empty(s);
    return err ? err : sql_int(s, &c->seed, "SELECT seed FROM meta", "");
}

enum cq_err store_cache_open(struct cq_log *log, bool create, struct store_cache **out)
{
    char path[STORE_CACHE_PATH];
    const char *kind;
    *out = NULL;
    if (!store_cache_path(path))
        return warn(log, "disk", CQ_DENIED, "there is no folder for them in ~/.cache, nor XDG_CACHE_HOME");
    if (!create && access(path, F_OK))
        return CQ_NOT_FOUND;
    if (file_system_look(path, &kind) == FILE_SYSTEM_NETWORK)
        return warn(log, path, CQ_DENIED, "it is on a network file system");
    struct store_cache *c = calloc(1, sizeof *c);
    if (!c)
        return CQ_NOMEM;
    enum cq_err err = make_file(path);
    memcpy(c->sql.path, path, sizeof path);
    if (!err)
        err = connect_to(c);
    if (err) {
        warn(log, path, err, c->sql.db ? sqlite3_errmsg(c->sql.db) : cq_err_text(err));
        store_cache_close(&c);
        return err;
    }
    *out = c;
    return CQ_OK;
}

void store_cache_close(struct store_cache **pc)
{
    struct store_cache *c = *pc;
    if (!c)
        return;
    sql_close(&c->sql);
    free(c);
    *pc = NULL;
}

uint64_t store_cache_seed(const struct store_cache *c) { return (uint64_t) c->seed; }

/* ---- reading ---- */

enum cq_err store_cache_begin(struct store_cache *c)
{
    return sql_exec(&c->sql, "BEGIN", "");
}

void store_cache_end(struct store_cache *c)
{
    sql_exec(&c->sql, "COMMIT", "");
}

enum cq_err store_cache_find(struct store_cache *c, const struct cache_key *key, int64_t now_ms, struct cq_buf *blob,
                             double *cost_ms)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row, "SELECT blob, checksum, cost_ms FROM answers WHERE key = ? AND expires_ms > ?",
                                "bI", key, (int) sizeof *key, now_ms);
    if (err)
        return err;
    const void *data = sqlite3_column_blob(row, 0);
    size_t size = (size_t) sqlite3_column_bytes(row, 0);
    *cost_ms = sqlite3_column_double(row, 2);
    if (!data || store_cache_checksum(key, data, size) != sqlite3_column_int64(row, 1))
        err = CQ_CORRUPT;
    else
        cq_put(blob, data, size);
    sql_done(row);
    return err ? err : blob->err;
}

/* ---- looking ---- */

enum cq_err store_cache_each(struct store_cache *c, int64_t now_ms, enum cq_err (*fn)(void *ctx, const struct store_cache_row *r),
                             void *ctx)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row,
        "SELECT m.model, m.shape, coalesce(sum(a.n), 0), coalesce(sum(a.bytes), 0), sum(m.hits), total(m.saved_ms) FROM makers m "
        "LEFT JOIN (SELECT maker, count(*) AS n, sum(bytes) AS bytes FROM answers WHERE expires_ms > ? GROUP BY maker) a "
        "ON a.maker = m.id GROUP BY 1, 2 ORDER BY 1, 2", "I", now_ms);
    for (; !err; err = sql_next(&c->sql, row)) {
        struct store_cache_row r = {
            .entries = sqlite3_column_int64(row, 2), .bytes = sqlite3_column_int64(row, 3),
            .hits = sqlite3_column_int64(row, 4), .saved_ms = sqlite3_column_double(row, 5),
        };
        sql_text(row, 0, r.model, sizeof r.model);
        sql_text(row, 1, r.shape, sizeof r.shape);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_cache_check(struct store_cache *c)
{
    char said[8];
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row, "PRAGMA quick_check(1)", "");
    if (err)
        return err;
    sql_text(row, 0, said, sizeof said);
    sql_done(row);
    return strcmp(said, "ok") ? CQ_CORRUPT : CQ_OK;
}

static bool file_name(int i, char out[STORE_CACHE_PATH + 8])
{
    char path[STORE_CACHE_PATH];
    return store_cache_path(path) && snprintf(out, STORE_CACHE_PATH + 8, "%s%s", path, suffixes[i]) > 0;
}

int64_t store_cache_file_bytes(void)
{
    char path[STORE_CACHE_PATH + 8];
    int64_t bytes = 0;
    struct stat st;
    for (int i = 0; i < 2; i++)         /* -shm is memory rather than disk */
        if (file_name(i, path) && !stat(path, &st))
            bytes += st.st_size;
    return bytes;
}

enum cq_err store_cache_remove(struct cq_log *log)
{
    char path[STORE_CACHE_PATH + 8];
    for (int i = 0; i < 3; i++) {
        if (!file_name(i, path) || !unlink(path) || errno == ENOENT)
            continue;
        cq_log_error(log, "%s cannot be deleted: %s", path, strerror(errno));
        return cq_err_errno(errno);
    }
    return CQ_OK;
}
