/* Runs of `clipq work`, and what was learnt about devices. */
#include <stdlib.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

/* Until the first heartbeat says how long this run's leases are. */
enum { FIRST_SIGN_MS = 60000 };

/* A limit met long ago may be gone (other programs used the memory then); forgotten by and by, not at once. */
enum { LIMIT_DOUBLES_MS = 24 * 3600 * 1000, LIMIT_DOUBLINGS_MAX = 12 };

static const char *or_empty(const char *text) { return text ? text : ""; }

enum cq_err store_start_run(struct store *s, const struct store_run *r, int64_t *run_id)
{
    int64_t queue_now;
    enum cq_err err = store_queue_ms(s, &queue_now);
    if (err)
        return err;
    err = sql_exec(s, "INSERT INTO runs (started_ms, alive_until_ms, host, pid, workers, batch, devices, options) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "IItiiitt", cq_utc_ms(), queue_now + FIRST_SIGN_MS, or_empty(r->host),
                   r->pid, r->workers, r->batch, or_empty(r->devices), or_empty(r->options));
    if (err)
        return err;
    *run_id = s->run_id = sql_last_id(s);
    return CQ_OK;
}

static enum cq_err put_run_stage(struct store *s, int64_t run_id, int stage, const struct histogram *h)
{
    if (!h->count)
        return CQ_OK;
    char *text = histogram_to_text(h);
    if (!text)
        return CQ_NOMEM;
    enum cq_err err = sql_exec(s, "INSERT OR REPLACE INTO run_stages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "IiIddddt", run_id, stage,
                               h->count, histogram_mean_ms(h), histogram_percentile_ms(h, 0.5),
                               histogram_percentile_ms(h, 0.95), (double) h->max_ns / 1e6, text);
    free(text);
    return err;
}

enum cq_err store_end_run(struct store *s, int64_t run_id, const struct store_run_end *e)
{
    enum cq_err err = sql_exec(s,
        "UPDATE runs SET ended_ms = ?, end_reason = ?, frames_decoded = ?, frames_sampled = ?, frames_inferred = ?, "
        "batches = ?, oom_halvings = ?, worker_restarts = ?, engine_restarts = ?, media_s = ?, prepare_s = ?, engines = ?, "
        "devices = coalesce(nullif(?, ''), devices), frames_cached = ?, cache_misses = ?, cache_evictions = ?, cache_saved_ns = ? "
        "WHERE id = ?", "ItIIIIIIIddItIIIII",
        cq_utc_ms(), or_empty(e->end_reason), e->frames_decoded, e->frames_sampled, e->frames_inferred, e->batches,
        e->oom_halvings, e->worker_restarts, e->engine_restarts, e->media_s, e->prepare_s, (int64_t) e->engines,
        or_empty(e->devices), e->cache.hits, e->cache.misses, e->cache.evictions, e->cache.saved_ns, run_id);
    store_hurry_totals(s);
    for (int i = 0; i < METRIC_COUNT && !err; i++)
        err = put_run_stage(s, run_id, i, &e->stages[i]);
    return err;
}

enum cq_err store_sum_cache_use(struct store *s, struct store_cache_use *out)
{
    int64_t kept;
    sqlite3_stmt *row;
    *out = (struct store_cache_use) {0};
    enum cq_err err = sql_int(s, &kept, "SELECT count(*) FROM pragma_table_info('runs') WHERE name = 'frames_cached'", "");
    if (err || !kept)
        return err;                 /* a file of an earlier version that is only read */
    err = sql_query(s, &row, "SELECT sum(frames_cached), sum(cache_misses), sum(cache_evictions), sum(cache_saved_ns) FROM runs", "");
    if (!err)
        *out = (struct store_cache_use) {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                                         sqlite3_column_int64(row, 2), sqlite3_column_int64(row, 3)};
    sql_done(row);
    return err;
}

enum cq_err store_get_device_limit(struct store *s, const char *device, const char *model_hash, const char *shape, int *batch)
{
    int64_t known = 0;
    enum cq_err err = sql_int(s, &known,
        "SELECT batch << max(0, min((?4 - updated_ms) / ?5, ?6)) FROM device_limits "
        "WHERE device = ?1 AND model_hash = ?2 AND shape = ?3", "tttIii", device, model_hash, shape, cq_utc_ms(),
        LIMIT_DOUBLES_MS, LIMIT_DOUBLINGS_MAX);
    if (err && err != CQ_EOF)
        return err;
    *batch = (int) known;
    return CQ_OK;
}

enum cq_err store_put_device_limit(struct store *s, const char *device, const char *model_hash, const char *shape, int batch)
{
    return sql_exec(s, "INSERT OR REPLACE INTO device_limits VALUES (?, ?, ?, ?, ?)", "tttiI", device, model_hash, shape, batch,
                    cq_utc_ms());
}
