/* What each engine of a run did. */
#include <sqlite3.h>

#include "runner/store_sqlite.h"

enum cq_err store_put_engine(struct store *s, int64_t run_id, const struct store_engine *e)
{
    return sql_exec(s, "INSERT OR REPLACE INTO engines (run_id, slot, spec, device, chosen, batches, frames, busy_s) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "IitttIId", run_id, e->slot, e->spec, e->device, e->chosen, e->batches,
                    e->frames, e->busy_s);
}

enum cq_err store_each_engine(struct store *s, int64_t run_id, enum cq_err (*fn)(void *ctx, const struct store_engine *e), void *ctx)
{
    sqlite3_stmt *row;
    bool known;
    enum cq_err err = sql_has_table(s, "engines", &known);
    if (err || !known)
        return err;
    err = sql_query(s, &row, "SELECT slot, spec, device, chosen, batches, frames, busy_s FROM engines WHERE run_id = ? ORDER BY slot",
                    "I", run_id);
    for (; !err; err = sql_next(s, row)) {
        struct store_engine e = {
            .slot = sqlite3_column_int(row, 0), .batches = sqlite3_column_int64(row, 4),
            .frames = sqlite3_column_int64(row, 5), .busy_s = sqlite3_column_double(row, 6),
        };
        sql_text(row, 1, e.spec, sizeof e.spec);
        sql_text(row, 2, e.device, sizeof e.device);
        sql_text(row, 3, e.chosen, sizeof e.chosen);
        err = fn(ctx, &e);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}
