/* SQLite as the store uses it: cached statements, checked steps, errors in words, transactions. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "kernels/base/log.h"
#include "runner/fault.h"
#include "runner/store_sqlite.h"

enum cq_err sql_error_code(int rc, int system_errno)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:   return CQ_BUSY;
    case SQLITE_NOMEM:    return CQ_NOMEM;
    case SQLITE_FULL:     return CQ_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:     return CQ_DENIED;
    case SQLITE_NOTADB:   return CQ_FOREIGN;
    case SQLITE_CORRUPT:  return CQ_CORRUPT;
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH: return CQ_INVALID;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        switch (system_errno) {
        case EACCES: case EPERM: case EROFS: return CQ_DENIED;
        case ENOSPC: case EDQUOT:            return CQ_FULL;
        case ENOENT: case ENOTDIR:           return CQ_NOT_FOUND;
        default:                             return CQ_IO;
        }
    default:              return CQ_INTERNAL;
    }
}

static const char *advice(enum cq_err err)
{
    switch (err) {
    case CQ_BUSY:      return "another process holds the write lock; try again, or stop it";
    case CQ_FULL:      return "free some space there, then start again: nothing that was reported done is lost";
    case CQ_DENIED:    return "the file and its folder must be writable; choose another place with --db";
    case CQ_FOREIGN:   return "not a clipq database; choose another file with --db";
    case CQ_CORRUPT:   return "the file is damaged; `sqlite3 FILE .recover` saves what can be read";
    case CQ_NOT_FOUND: return "no such file or folder";
    case CQ_NOMEM:     return "out of memory";
    default:           return "see the message";
    }
}

enum cq_err sql_error(struct store *s, int rc)
{
    enum cq_err err = sql_error_code(rc, s->db ? sqlite3_system_errno(s->db) : 0);
    cq_log_error(s->log, "database %s: %s (%s)", s->path, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc),
                 advice(err));
    return err;
}

static enum cq_err prepared(struct store *s, const char *sql, sqlite3_stmt **out)
{
    size_t at = ((uintptr_t) sql >> 3) * 0x9e3779b1u % SQL_CACHE;
    for (int probes = 0; probes < SQL_CACHE; probes++, at = (at + 1) % SQL_CACHE) {
        if (s->cache[at].sql == sql) {
            *out = s->cache[at].stmt;
            return CQ_OK;
        }
        if (s->cache[at].sql)
            continue;
        int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
        if (rc)
            return sql_error(s, rc);
        s->cache[at].sql = sql;
        s->cache[at].stmt = *out;
        return CQ_OK;
    }
    return CQ_INTERNAL;
}

static int bind_one(sqlite3_stmt *stmt, int at, char type, va_list *args)
{
    switch (type) {
    case 'i': return sqlite3_bind_int(stmt, at, va_arg(*args, int));
    case 'I': return sqlite3_bind_int64(stmt, at, va_arg(*args, int64_t));
    case 'd': return sqlite3_bind_double(stmt, at, va_arg(*args, double));
    case 't': return sqlite3_bind_text(stmt, at, va_arg(*args, const char *), -1, SQLITE_STATIC);
    case 'n': return sqlite3_bind_null(stmt, at);
    case 'b': {
        const void *data = va_arg(*args, const void *);
        return sqlite3_bind_blob(stmt, at, data, va_arg(*args, int), SQLITE_STATIC);
    }
    default:  return SQLITE_MISUSE;
    }
}

/* Not sqlite3_clear_bindings: every parameter is bound anew. */
static enum cq_err bind(struct store *s, const char *sql, const char *types, va_list *args, sqlite3_stmt **out)
{
    enum cq_err err = prepared(s, sql, out);
    if (err)
        return err;
    for (int i = 0; types[i]; i++) {
        int rc = bind_one(*out, i + 1, types[i], args);
        if (rc)
            return sql_error(s, rc);
    }
    return CQ_OK;
}

static enum cq_err step(struct store *s, sqlite3_stmt *stmt)
{
    if (s->fault_at && ++s->steps == s->fault_at) {
        cq_log_error(s->log, "database %s: step %lld fails because CLIPQ_FAULT says so", s->path, (long long) s->steps);
        return CQ_IO;
    }
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return CQ_OK;
    return rc == SQLITE_DONE ? CQ_EOF : sql_error(s, rc);
}

enum cq_err sql_next(struct store *s, sqlite3_stmt *stmt)
{
    return step(s, stmt);
}

void sql_done(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
}

enum cq_err sql_exec(struct store *s, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    va_start(args, types);
    enum cq_err err = bind(s, sql, types, &args, &stmt);
    va_end(args);
    if (err)
        return err;
    do
        err = step(s, stmt);
    while (err == CQ_OK);
    sql_done(stmt);
    return err == CQ_EOF ? CQ_OK : err;
}

static enum cq_err first_row(struct store *s, sqlite3_stmt *stmt, sqlite3_stmt **out)
{
    enum cq_err err = step(s, stmt);
    if (err)
        sql_done(stmt);
    else
        *out = stmt;
    return err;
}

enum cq_err sql_query(struct store *s, sqlite3_stmt **out, const char *sql, const char *types, ...)
{
    *out = NULL;
    sqlite3_stmt *stmt;
    va_list args;
    va_start(args, types);
    enum cq_err err = bind(s, sql, types, &args, &stmt);
    va_end(args);
    return err ? err : first_row(s, stmt, out);
}

enum cq_err sql_int(struct store *s, int64_t *out, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt, *row = NULL;
    va_list args;
    va_start(args, types);
    enum cq_err err = bind(s, sql, types, &args, &stmt);
    va_end(args);
    if (!err)
        err = first_row(s, stmt, &row);
    if (err)
        return err;
    *out = sqlite3_column_int64(row, 0);
    sql_done(row);
    return CQ_OK;
}

enum cq_err sql_has_table(struct store *s, const char *name, bool *has)
{
    int64_t n = 0;
    enum cq_err err = sql_int(s, &n, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", "t", name);
    *has = n > 0;
    return err;
}

enum cq_err sql_script(struct store *s, const char *sql)
{
    enum cq_err err = CQ_OK;
    while (!err && *sql) {
        sqlite3_stmt *stmt;
        int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, &sql);
        if (rc)
            return sql_error(s, rc);
        if (!stmt)
            continue;               /* a comment or white space */
        do
            err = step(s, stmt);
        while (err == CQ_OK);
        if (err == CQ_EOF)
            err = CQ_OK;
        sqlite3_finalize(stmt);
    }
    return err;
}

int64_t sql_changes(const struct store *s) { return sqlite3_changes64(s->db); }
int64_t sql_last_id(const struct store *s) { return sqlite3_last_insert_rowid(s->db); }

void sql_text(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    size_t length = text ? strlen((const char *) text) : 0;
    length = length < size ? length : size - 1;
    if (length)
        memcpy(out, text, length);
    out[length] = '\0';
}

/* ---- the connection ---- */

/* Turning WAL on needs the file alone and does not wait for it as other statements do. */
enum cq_err sql_use_wal(struct store *s)
{
    for (int waited = 0;; waited += 10) {
        int rc = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (!rc)
            return CQ_OK;
        if ((rc & 0xff) != SQLITE_BUSY || waited >= s->busy_timeout_ms)
            return sql_error(s, rc);
        sqlite3_sleep(10);
    }
}

void sql_close(struct store *s)
{
    for (int i = 0; i < SQL_CACHE; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
}

/* ---- transactions ---- */

enum cq_err store_begin(struct store *s)
{
    store_forget_attempts(s);
    store_turn_begins(s);
    enum cq_err err = sql_exec(s, "BEGIN IMMEDIATE", "");
    store_turn_begun(s);
    return err;
}

enum cq_err store_commit(struct store *s)
{
    if (fault_at("commit", ++s->commits)) {
        cq_log_error(s->log, "database %s: commit %lld fails because CLIPQ_FAULT says so", s->path, (long long) s->commits);
        return CQ_IO;
    }
    enum cq_err err = store_write_totals(s);
    if (!err)
        err = sql_exec(s, "COMMIT", "");
    if (!err)
        store_totals_written(s);
    store_turn_ends(s);
    if (!err && fault_at("committed", s->commits))
        raise(SIGKILL);             /* it is in the file, and nobody was told */
    return err;
}

/* Not through sql_exec: going back must work when everything else fails. */
void store_rollback(struct store *s)
{
    store_forget_attempts(s);
    store_drop_totals(s);
    s->clock_known = false;         /* this boot's row may have gone, too */
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* After some errors (disk full, I/O) SQLite has rolled everything back by itself; a savepoint would then
 * silently begin a transaction of its own. */
static enum cq_err require_transaction(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db))
        return CQ_OK;
    cq_log_error(s->log, "database %s: the transaction is gone after an earlier error", s->path);
    return CQ_IO;
}

enum cq_err store_savepoint(struct store *s)
{
    enum cq_err err = require_transaction(s);
    store_mark_totals(s);
    return err ? err : sql_exec(s, "SAVEPOINT post", "");
}

enum cq_err store_release_savepoint(struct store *s, bool keep)
{
    enum cq_err err = require_transaction(s);
    if (!err && !keep) {
        store_forget_attempts(s);
        store_restore_totals(s);
        s->clock_known = false;
        err = sql_exec(s, "ROLLBACK TO post", "");
    }
    return err ? err : sql_exec(s, "RELEASE post", "");
}

/* ---- attempts ---- */

void store_forget_attempts(struct store *s)
{
    memset(s->attempts, 0, sizeof s->attempts);
}

enum cq_err store_attempt_id(struct store *s, int64_t job_id, int attempt, int64_t *id)
{
    size_t at = (size_t) job_id % ATTEMPT_CACHE;
    if (s->attempts[at].job_id == job_id && s->attempts[at].attempt == attempt) {
        *id = s->attempts[at].attempt_id;
        return CQ_OK;
    }
    enum cq_err err = sql_int(s, id, "SELECT attempt_id FROM jobs WHERE id = ? AND attempt = ? "
                                   "AND (state = 'running' OR segments > 0 AND state = 'pending')",
                              "Ii", job_id, attempt);
    if (err)
        return err == CQ_EOF ? CQ_STALE : err;
    s->attempts[at].job_id = job_id;
    s->attempts[at].attempt = attempt;
    s->attempts[at].attempt_id = *id;
    return CQ_OK;
}
