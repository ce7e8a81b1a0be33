/* Kernels by measurement. */
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

enum cq_err store_put_tuning(struct store *s, const struct store_tuning *t)
{
    return sql_exec(s, "INSERT OR REPLACE INTO tunings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", "ttttttttI", t->device,
                    t->driver, t->kernels, t->key, t->description, t->variant, t->heuristic, t->measured, cq_utc_ms());
}

enum cq_err store_drop_old_tunings(struct store *s, const char *device, const char *driver, const char *kernels)
{
    return sql_exec(s, "DELETE FROM tunings WHERE device = ? AND driver = ? AND kernels <> ?", "ttt", device, driver,
                    kernels);
}

enum cq_err store_each_tuning(struct store *s, const char *kernels,
                              enum cq_err (*fn)(void *ctx, const struct store_tuning_row *row), void *ctx)
{
    sqlite3_stmt *stmt;
    bool known;
    enum cq_err err = sql_has_table(s, "tunings", &known);
    if (err || !known)
        return err;
    err = sql_query(s, &stmt, "SELECT device, driver, operator, variant FROM tunings WHERE kernels = ?", "t", kernels);
    for (; !err; err = sql_next(s, stmt)) {
        struct store_tuning_row row;
        sql_text(stmt, 0, row.device, sizeof row.device);
        sql_text(stmt, 1, row.driver, sizeof row.driver);
        sql_text(stmt, 2, row.key, sizeof row.key);
        sql_text(stmt, 3, row.variant, sizeof row.variant);
        err = fn(ctx, &row);
        if (err)
            break;
    }
    sql_done(stmt);
    return err == CQ_EOF ? CQ_OK : err;
}
