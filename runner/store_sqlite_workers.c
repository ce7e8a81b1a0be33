/* How the children of a run fare. */
#include <stdio.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

enum cq_err store_put_worker(struct store *s, int64_t run_id, const struct store_worker *w)
{
    return sql_exec(s, "INSERT OR REPLACE INTO workers (run_id, role, slot, pid, state, restarts, clips, frames, frames_per_s, "
                       "cpu_s, rss, last_frame_ms, job_id, updated_ms) "
                       "VALUES (?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), ?)", "ItiitIIIddIIII",
                    run_id, w->role, w->slot, w->pid, w->state, w->restarts, w->clips, w->frames, w->frames_per_s, w->cpu_s,
                    w->rss, w->last_frame_ms, w->job_id, cq_utc_ms());
}

static void read_worker(sqlite3_stmt *row, struct store_worker_row *out)
{
    int c = 0;
    out->run_id = sqlite3_column_int64(row, c++);
    sql_text(row, c++, out->role, sizeof out->role);
    out->w.role = out->role;
    out->w.slot = sqlite3_column_int(row, c++);
    out->w.pid = sqlite3_column_int(row, c++);
    sql_text(row, c++, out->state, sizeof out->state);
    out->w.state = out->state;
    out->w.restarts = sqlite3_column_int64(row, c++);
    out->w.clips = sqlite3_column_int64(row, c++);
    out->w.frames = sqlite3_column_int64(row, c++);
    out->w.frames_per_s = sqlite3_column_double(row, c++);
    out->w.cpu_s = sqlite3_column_double(row, c++);
    out->w.rss = sqlite3_column_int64(row, c++);
    out->w.last_frame_ms = sqlite3_column_int64(row, c++);
    out->w.job_id = sqlite3_column_int64(row, c++);
    sql_text(row, c, out->path, sizeof out->path);
}

enum cq_err store_each_worker(struct store *s, enum cq_err (*fn)(void *ctx, const struct store_worker_row *r), void *ctx)
{
    sqlite3_stmt *row;
    bool known;
    int64_t now;
    enum cq_err err = sql_has_table(s, "workers", &known);
    if (err || !known)
        return err;
    err = store_queue_ms_seen(s, &now);
    if (err)
        return err;
    err = sql_query(s, &row,
        "SELECT w.run_id, w.role, w.slot, w.pid, w.state, w.restarts, w.clips, w.frames, w.frames_per_s, w.cpu_s, w.rss, "
        "w.last_frame_ms, w.job_id, c.path FROM runs r JOIN workers w ON w.run_id = r.id LEFT JOIN jobs j ON j.id = w.job_id "
        "LEFT JOIN clips c ON c.id = j.clip_id WHERE r.ended_ms IS NULL AND r.alive_until_ms >= ? "
        "ORDER BY w.run_id, w.role DESC, w.slot", "I", now);
    for (; !err; err = sql_next(s, row)) {
        struct store_worker_row r;
        read_worker(row, &r);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}
