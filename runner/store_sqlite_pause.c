/* Pausing: one row, read in the very transaction that claims, so that nothing is claimed after a pause was committed. */
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_control.h"
#include "runner/store_sqlite.h"

enum cq_err store_set_pause(struct store *s, const char *by)
{
    return sql_exec(s, "INSERT OR IGNORE INTO pause (id, since_ms, by) VALUES (1, ?, ?)", "It", cq_utc_ms(), by);
}

enum cq_err store_end_pause(struct store *s)
{
    return sql_exec(s, "DELETE FROM pause", "");
}

enum cq_err store_get_pause(struct store *s, struct store_pause *out)
{
    bool has = true;
    sqlite3_stmt *row;
    *out = (struct store_pause) {0};
    enum cq_err err = s->mode == STORE_READ ? sql_has_table(s, "pause", &has) : CQ_OK;   /* who writes has brought it up */
    if (err || !has)
        return err;
    err = sql_query(s, &row, "SELECT since_ms, by FROM pause", "");
    if (err)
        return err == CQ_EOF ? CQ_OK : err;
    out->since_ms = sqlite3_column_int64(row, 0);
    sql_text(row, 1, out->by, sizeof out->by);
    sql_done(row);
    return CQ_OK;
}
