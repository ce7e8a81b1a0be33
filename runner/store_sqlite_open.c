/* Opening the database, and refusing what is not one.
 *
 * A file is first looked at through a connection that takes no lock, reads no log and writes nothing
 * (immutable=1): a text file or another program's database is refused without a byte changed. This is enough
 * because application_id is written by the very transaction that makes the tables, in rollback-journal mode,
 * so it stands in the file itself and not only in a WAL. The real connection looks again before it changes
 * anything.
 *
 * synchronous=NORMAL in WAL mode: a crash or a kill of clipq loses nothing that was committed, and a power
 * failure or a crash of the whole machine never damages the file, but may take back the commits since the
 * last checkpoint: those clips are worked off once more. CLIPQ_DURABLE=1 syncs each commit instead (FULL).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kernels/base/log.h"
#include "runner/file_system.h"
#include "runner/store_sqlite.h"

enum { BUSY_TIMEOUT_MS = 10000, BUSY_TIMEOUT_MAX_S = 86400 };

/* CLIPQ_FAULT is a list, "sql@N" one of its items (runner/fault.h has the others). */
static int64_t fault_step(void)
{
    for (const char *at = getenv("CLIPQ_FAULT"); at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, "sql@", 4))
            return strtoll(at + 4, NULL, 10);
    }
    return 0;
}

/* "file:" URI of a path: everything but the plainest characters escaped. */
static bool uri_of(const char *path, const char *query, char *out, size_t size)
{
    size_t at = (size_t) snprintf(out, size, "file:");
    for (const unsigned char *c = (const unsigned char *) path; *c; c++) {
        if (at + 4 > size)
            return false;
        bool plain = isalnum(*c) || strchr("/._-", *c);
        at += (size_t) snprintf(out + at, size - at, plain ? "%c" : "%%%02x", *c);
    }
    return (size_t) snprintf(out + at, size - at, "%s", query) < size - at;
}

static int query_int(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (!rc) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(stmt, 0);
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

static enum cq_err foreign(struct store *s, const char *what)
{
    cq_log_error(s->log, "database %s: %s, not a clipq database; choose another file with --db", s->path, what);
    return CQ_FOREIGN;
}

/* Ours, or empty: the tables are counted first, for who makes the database writes its id with them. */
static int query_identity(sqlite3 *db, bool *ours_or_empty)
{
    int64_t things = 0, id = 0;
    int rc = query_int(db, "SELECT count(*) FROM sqlite_schema", &things);
    if (!rc)
        rc = query_int(db, "PRAGMA application_id", &id);
    if (!rc)
        *ours_or_empty = id == STORE_APPLICATION_ID || (!id && !things);
    return rc;
}

/* The look that leaves no trace. While another process copies its log into the file, or was killed doing so,
 * the file without its log seems damaged: then the real connection decides. */
static enum cq_err look_first(struct store *s)
{
    char uri[3 * STORE_PATH + 64];
    if (!uri_of(s->path, "?immutable=1", uri, sizeof uri))
        return CQ_INVALID;
    sqlite3 *db = NULL;
    bool ours_or_empty = true;
    int rc = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (!rc)
        rc = query_identity(db, &ours_or_empty);
    int system = db ? sqlite3_system_errno(db) : 0;
    sqlite3_close(db);

    if (rc == SQLITE_NOTADB)
        return foreign(s, "some other kind of file");
    if (rc && rc != SQLITE_CORRUPT) {
        enum cq_err err = sql_error_code(rc, system);
        cq_log_error(s->log, "database %s: %s%s%s", s->path, sqlite3_errstr(rc), system ? ": " : "",
                     system ? strerror(system) : "");
        return err;
    }
    return ours_or_empty ? CQ_OK : foreign(s, "another program's SQLite file");
}

/* Who was killed while making or upgrading the database left a journal that must be played back first, which a
 * connection for reading may not do. */
static void settle(const struct store *s)
{
    sqlite3 *db = NULL;
    bool ours_or_empty;
    if (!sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)) {
        sqlite3_busy_timeout(db, s->busy_timeout_ms);
        query_identity(db, &ours_or_empty);
    }
    sqlite3_close(db);
}

/* The same through the real connection, before it changes anything. */
static enum cq_err look_again(struct store *s)
{
    bool ours_or_empty;
    int rc = query_identity(s->db, &ours_or_empty);
    if (rc == SQLITE_READONLY_ROLLBACK) {
        settle(s);
        rc = query_identity(s->db, &ours_or_empty);
    }
    if (rc)
        return sql_error(s, rc);
    return ours_or_empty ? CQ_OK : foreign(s, "another program's SQLite file");
}

/* Can a file be made there? SQLite's own answer would be the errno of its second try, to open for reading. */
static enum cq_err check_folder(struct store *s)
{
    char folder[STORE_PATH];
    snprintf(folder, sizeof folder, "%s", s->path);
    const char *parent = dirname(folder);        /* "." is not in `folder` */
    if (!faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS))
        return CQ_OK;
    enum cq_err err = cq_err_errno(errno);
    cq_log_error(s->log, "database %s cannot be made: folder %s: %s", s->path, parent, strerror(errno));
    return err;
}

/* Reading is let pass: whoever copied a database to a share may look at it there. */
static enum cq_err check_file_system(struct store *s)
{
    const char *kind;
    if (s->mode == STORE_READ || file_system_look(s->path, &kind) != FILE_SYSTEM_NETWORK)
        return CQ_OK;
    cq_log_error(s->log, "database %s is on a network file system (%s), where SQLite's WAL mode does not work and another "
                 "machine's writes would damage it; choose a local disk with --db", s->path, kind);
    return CQ_DENIED;
}

static enum cq_err check_path(struct store *s, bool *exists)
{
    struct stat st;
    *exists = !stat(s->path, &st);
    if (*exists)
        return S_ISREG(st.st_mode) ? CQ_OK : foreign(s, S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    if (errno == ENOENT && s->mode == STORE_CREATE)
        return check_folder(s);
    enum cq_err err = cq_err_errno(errno);
    if (err == CQ_NOT_FOUND)
        cq_log_error(s->log, "database %s does not exist; `clipq submit` makes it, or name another with --db", s->path);
    else
        cq_log_error(s->log, "database %s: %s", s->path, strerror(errno));
    return err;
}

static enum cq_err read_only(struct store *s)
{
    cq_log_error(s->log, "database %s: the file and its folder must be writable; choose another place with --db", s->path);
    return CQ_DENIED;
}

/* An archived database: no log beside it, and none can be made. Reading in WAL mode would want one, unless
 * SQLite is told that nobody writes. */
static bool is_archived(const struct store *s)
{
    char folder[STORE_PATH], log[STORE_PATH + 8];
    snprintf(folder, sizeof folder, "%s", s->path);
    snprintf(log, sizeof log, "%s-wal", s->path);
    return faccessat(AT_FDCWD, dirname(folder), W_OK, AT_EACCESS) && access(log, F_OK);
}

/* CLIPQ_BUSY_TIMEOUT, in seconds. */
static enum cq_err read_busy_timeout(struct store *s)
{
    const char *text = getenv("CLIPQ_BUSY_TIMEOUT");
    s->busy_timeout_ms = BUSY_TIMEOUT_MS;
    if (!text || !*text)
        return CQ_OK;
    char *end;
    double seconds = strtod(text, &end);
    if (*end || !(seconds >= 0 && seconds <= BUSY_TIMEOUT_MAX_S)) {
        cq_log_error(s->log, "CLIPQ_BUSY_TIMEOUT: '%s' is no number of seconds", text);
        return CQ_INVALID;
    }
    s->busy_timeout_ms = (int) (seconds * 1000);
    return CQ_OK;
}

static enum cq_err connect_to(struct store *s)
{
    int flags = s->mode == STORE_READ ? SQLITE_OPEN_READONLY
              : s->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE
              : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    char uri[3 * STORE_PATH + 64];
    bool archived = s->mode == STORE_READ && is_archived(s) && uri_of(s->path, "?immutable=1", uri, sizeof uri);
    flags |= SQLITE_OPEN_NOMUTEX | (archived ? SQLITE_OPEN_URI : 0);
    int rc = sqlite3_open_v2(archived ? uri : s->path, &s->db, flags, NULL);
    if (rc)
        return sql_error(s, rc);
    sqlite3_extended_result_codes(s->db, 1);
    store_turns_init(s);
    store_checkpoint_init(s);
    if (s->mode != STORE_READ && sqlite3_db_readonly(s->db, "main") == 1)
        return read_only(s);                     /* SQLite falls back to reading by itself */
    return CQ_OK;
}

static enum cq_err prepare_writing(struct store *s)
{
    enum cq_err err = store_migrate(s);
    if (!err)
        err = sql_use_wal(s);
    if (err)
        return err;
    const char *durable = getenv("CLIPQ_DURABLE");
    return sql_script(s, durable && !strcmp(durable, "1") ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

/* A file of before segments, read: this hides its table from our statements, not from its views. */
static enum cq_err add_missing_columns(struct store *s)
{
    return sql_script(s, "CREATE TEMP VIEW jobs AS SELECT *, NULL AS parent_id, 0 AS segments FROM main.jobs");
}

/* Of before those totals: counted when somebody asks. */
static enum cq_err add_missing_totals(struct store *s)
{
#define ROWS(table) "(SELECT count(*) FROM main.jobs j JOIN " table " t ON t.attempt_id = j.accepted_id " \
                    "WHERE j.pipeline_id = pm.pipeline_id AND t.model = pm.position) AS " table
    return sql_script(s, "CREATE TEMP VIEW model_totals AS SELECT pipeline_id, position AS model, " ROWS("frames") ", "
                         ROWS("detections") ", " ROWS("classifications") ", " ROWS("embeddings") ", " ROWS("shots") ", "
                         ROWS("artifacts") " FROM pipeline_models pm");
#undef ROWS
}

static enum cq_err check_version(struct store *s)
{
    int64_t id, version;
    enum cq_err err = sql_int(s, &id, "PRAGMA application_id", "");
    if (!err)
        err = sql_int(s, &version, "PRAGMA user_version", "");
    if (err)
        return err;
    if (id != STORE_APPLICATION_ID) {
        cq_log_error(s->log, "database %s is empty; `clipq submit` fills it", s->path);
        return CQ_FOREIGN;
    }
    if (version > STORE_VERSION) {
        cq_log_error(s->log, "database %s has schema %lld, this clipq knows %d; use the newer clipq", s->path,
                     (long long) version, STORE_VERSION);
        return CQ_NEWER;
    }
    if (s->mode == STORE_READ && version < STORE_WITH_SEGMENTS)
        err = add_missing_columns(s);
    if (!err && s->mode == STORE_READ && version < STORE_WITH_MODEL_TOTALS)
        err = add_missing_totals(s);
    return err;
}

/* Nobody asks SQLite how much memory it has, and to count that is a lock for every piece of it. In vain where this process
 * has used SQLite before. */
static void configure_once(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum cq_err store_open(struct cq_log *log, const char *path, enum store_mode mode, struct store **out)
{
    *out = NULL;
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_once);
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->log = log;
    s->mode = mode;
    s->fault_at = fault_step();
    s->turns.folder = -1;

    enum cq_err err = CQ_OK;
    bool exists = false;
    if ((size_t) snprintf(s->path, sizeof s->path, "%s", path) >= sizeof s->path) {
        cq_log_error(log, "database: the path is longer than %zu bytes", sizeof s->path - 1);
        err = CQ_INVALID;
    }
    if (!err)
        err = read_busy_timeout(s);
    if (!err)
        err = check_path(s, &exists);
    if (!err)
        err = check_file_system(s);
    if (!err && exists)
        err = look_first(s);
    if (!err)
        err = connect_to(s);
    if (!err)
        err = look_again(s);
    if (!err)
        err = sql_script(s, "PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;"
                            "PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = OFF; PRAGMA page_size = 2048");
    if (!err && mode == STORE_CREATE)
        err = prepare_writing(s);
    if (!err)
        err = check_version(s);
    if (!err && mode == STORE_WRITE)
        err = prepare_writing(s);
    if (err) {
        store_close(&s);
        return err;
    }
    *out = s;
    return CQ_OK;
}

void store_close(struct store **s)
{
    if (!*s)
        return;
    store_flush_totals(*s);
    sql_close(*s);
    store_turns_finish(*s);
    free(*s);
    *s = NULL;
}
