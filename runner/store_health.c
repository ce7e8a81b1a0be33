/* Through a store that is open for reading, so that nothing is migrated and nobody is held up. */
#include "runner/store_health.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kernels/base/log.h"
#include "runner/store.h"
#include "runner/store_sqlite.h"

static int64_t size_of(const char *path, const char *suffix)
{
    char name[STORE_PATH + 8];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &st) ? 0 : (int64_t) st.st_size;
}

static bool is_writable(const char *path)
{
    char folder[STORE_PATH];
    snprintf(folder, sizeof folder, "%s", path);
    return !access(path, W_OK) && !access(dirname(folder), W_OK | X_OK);
}

static enum cq_err one_text(struct store *s, const char *sql, char *out, size_t size)
{
    struct sqlite3_stmt *stmt;
    enum cq_err err = sql_query(s, &stmt, sql, "");
    if (!err)
        sql_text(stmt, 0, out, size);
    sql_done(stmt);
    return err;
}

static enum cq_err look(struct store *s, bool full, struct store_health *out)
{
    int64_t version = 0;
    enum cq_err err = sql_int(s, &version, "PRAGMA user_version", "");
    out->version = (int) version;
    if (!err)
        err = one_text(s, "PRAGMA journal_mode", out->journal, sizeof out->journal);
    if (!err)
        err = sql_int(s, &out->jobs, "SELECT count(*) FROM jobs", "");
    if (!err)
        err = one_text(s, full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", out->message, sizeof out->message);
    out->sound = !err && !strcmp(out->message, "ok");
    if (out->sound)
        out->message[0] = '\0';
    return err;
}

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

void store_health_look(const char *path, bool full, struct store_health *out)
{
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    struct store *s = NULL;
    *out = (struct store_health) {.newest = STORE_VERSION, .bytes = size_of(path, ""), .log_bytes = size_of(path, "-wal")};
    out->writable = is_writable(path);
    out->err = store_open(&log, path, STORE_READ, &s);
    if (!out->err)
        out->err = look(s, full, out);
    if (out->err)
        snprintf(out->message, sizeof out->message, "%s", cq_log_reason(&log, cq_err_text(out->err)));
    store_close(&s);
}

const char *store_library_version(void)
{
    return sqlite3_libversion();
}
