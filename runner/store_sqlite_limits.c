/* Limits of this host. */
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_limits.h"
#include "runner/store_sqlite.h"

enum { HOST = 64 };

static const char *const kinds[LIMIT_KINDS] = {[LIMIT_DECODE] = "decode", [LIMIT_INFER] = "infer"};

static const char *this_host(char out[HOST])
{
    out[0] = out[HOST - 1] = '\0';
    gethostname(out, HOST - 1);
    return out;
}

enum cq_err store_put_limit(struct store *s, const struct store_limit *l)
{
    char host[HOST];
    return sql_exec(s, "INSERT OR REPLACE INTO limits (host, kind, device, driver, units, subject, shape, source, batch, unit_s, "
                       "measured_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "ttttitttidI", this_host(host), kinds[l->kind],
                    l->device, l->driver, l->units, l->subject, l->shape, l->measured ? "bench" : "observed", l->batch, l->unit_s,
                    cq_utc_ms());
}

static void read_limit(sqlite3_stmt *row, struct store_limit *l)
{
    int c = 0;
    *l = (struct store_limit) {.kind = sqlite3_column_int(row, c++) ? LIMIT_INFER : LIMIT_DECODE};
    sql_text(row, c++, l->device, sizeof l->device);
    sql_text(row, c++, l->driver, sizeof l->driver);
    l->units = sqlite3_column_int(row, c++);
    sql_text(row, c++, l->subject, sizeof l->subject);
    sql_text(row, c++, l->shape, sizeof l->shape);
    l->measured = sqlite3_column_int(row, c++);
    l->batch = sqlite3_column_int(row, c++);
    l->unit_s = sqlite3_column_double(row, c);
}

enum cq_err store_each_limit(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_limit *l), void *ctx)
{
    char host[HOST];
    sqlite3_stmt *row;
    bool known;
    enum cq_err err = sql_has_table(s, "limits", &known);
    if (err || !known)
        return err;
    err = sql_query(s, &row, "SELECT kind = 'infer', device, driver, units, subject, shape, source = 'bench', batch, unit_s FROM limits "
                             "WHERE host = ?", "t", this_host(host));
    for (; !err; err = sql_next(s, row)) {
        struct store_limit l;
        read_limit(row, &l);
        err = fn(ctx, &l);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}
