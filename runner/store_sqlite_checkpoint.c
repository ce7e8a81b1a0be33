/* When the log is copied into the file: by the transaction that fills another thousand pages of it, and by no other.
 *
 * SQLite's own rule is a log of a thousand pages or more after any commit. As long as somebody reads from the log it cannot
 * begin anew, and then each commit of sixteen processes copies, with two syncs, what the one before has added.
 */
#include <sqlite3.h>

#include "runner/store_sqlite.h"

enum { LOG_PAGES = 2000 };

static int pages_written(sqlite3 *db)
{
    int written = 0, unused;
    sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_WRITE, &written, &unused, 1);
    return written;
}

/* A copy that cannot be made now is made a thousand pages later: no failure of what was committed. */
static int on_commit(void *ctx, sqlite3 *db, const char *name, int log_pages)
{
    (void) ctx;
    if ((log_pages - pages_written(db)) / LOG_PAGES < log_pages / LOG_PAGES)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

void store_checkpoint_init(struct store *s)
{
    sqlite3_wal_hook(s->db, on_commit, s);
}
