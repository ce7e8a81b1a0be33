/* Totals of every stage over all accepted attempts. A total is a histogram of hundreds of buckets as text, and reading and
 * writing seven of them would cost as much as all else that ends a job. So what completions add is gathered, over all
 * transactions of a tenth of a second, and written by the next one that commits; by the last before the queue is empty,
 * before a run ends and before the database is closed, in any case.
 *
 * A process that is killed takes along what it had not written: the totals then lack the timings of clips that ended
 * since. Each attempt's own are in its row, and all that is counted or can be asked for by clip is in the transaction that
 * ends the clip.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

static const int64_t write_every_ns = 100000000;

static enum cq_err merge(struct store *s, int stage, const struct histogram *h)
{
    struct histogram *sum = calloc(1, sizeof *sum);
    if (!sum)
        return CQ_NOMEM;
    sqlite3_stmt *row;
    char *text = NULL;
    enum cq_err err = sql_query(s, &row, "SELECT histogram, count, sum_ns, max_ns FROM stage_totals WHERE stage = ?", "i", stage);
    if (!err) {
        err = histogram_from_text((const char *) sqlite3_column_text(row, 0), sum);
        sum->count = sqlite3_column_int64(row, 1);
        sum->sum_ns = sqlite3_column_int64(row, 2);
        sum->max_ns = sqlite3_column_int64(row, 3);
        sql_done(row);
    } else if (err == CQ_EOF) {
        err = CQ_OK;
    }
    if (err)
        goto done;

    histogram_merge(sum, h);
    text = histogram_to_text(sum);
    err = !text ? CQ_NOMEM
                : sql_exec(s, "INSERT OR REPLACE INTO stage_totals (stage, count, sum_ns, max_ns, histogram) "
                              "VALUES (?, ?, ?, ?, ?)", "iIIIt", stage, sum->count, sum->sum_ns, sum->max_ns, text);
done:
    free(text);
    free(sum);
    return err;
}

static bool any(const struct histogram *stages)
{
    int64_t count = 0;
    for (int i = 0; i < METRIC_COUNT; i++)
        count += stages[i].count;
    return count > 0;
}

static void add(struct histogram *to, const struct histogram *from)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (from[i].count)
            histogram_merge(&to[i], &from[i]);
}

static void clear(struct histogram *stages)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (stages[i].count)
            stages[i] = (struct histogram) {0};
}

void store_hurry_totals(struct store *s) { s->stages_written_ns = 0; }

void store_drop_totals(struct store *s)
{
    s->writes_stages = false;
    clear(s->stages);
}

enum cq_err store_write_totals(struct store *s)
{
    enum cq_err err = CQ_OK;
    bool is_time = !s->stages_written_ns || cq_now_ns() - s->stages_written_ns >= write_every_ns;
    s->writes_stages = is_time && (any(s->kept_stages) || any(s->stages));
    if (!s->writes_stages)
        return CQ_OK;
    for (int i = 0; i < METRIC_COUNT && !err; i++) {
        struct histogram both = s->kept_stages[i];
        histogram_merge(&both, &s->stages[i]);
        if (both.count)
            err = merge(s, i, &both);
    }
    return err;
}

void store_totals_written(struct store *s)
{
    if (s->writes_stages) {
        clear(s->kept_stages);
        s->stages_written_ns = cq_now_ns();
    } else {
        add(s->kept_stages, s->stages);
    }
    store_drop_totals(s);
}

void store_flush_totals(struct store *s)
{
    if (!any(s->kept_stages))
        return;
    store_rollback(s);               /* of who closes in the middle of a transaction */
    store_hurry_totals(s);
    if (store_begin(s) || store_commit(s))
        store_rollback(s);
}

static void put_text(const struct histogram stages[METRIC_COUNT], char out[STAGES_TEXT])
{
    size_t at = 0;
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct histogram *h = &stages[i];
        if (!h->count)
            continue;
        at += (size_t) snprintf(out + at, STAGES_TEXT - at, "%s[%d,%" PRId64 ",%" PRId64 ",%lld,%lld,%" PRId64 "]", at ? "," : "[",
                                i, h->count, h->sum_ns / h->count, llround(histogram_percentile_ms(h, 0.5) * 1e6),
                                llround(histogram_percentile_ms(h, 0.95) * 1e6), h->max_ns);
    }
    snprintf(out + at, STAGES_TEXT - at, at ? "]" : "[]");
}

void store_add_stages(struct store *s, struct histogram stages[METRIC_COUNT], int64_t probe_ns, char out[STAGES_TEXT])
{
    if (!stages[METRIC_PROBE].count && probe_ns > 0)
        histogram_add(&stages[METRIC_PROBE], probe_ns);
    add(s->stages, stages);
    put_text(stages, out);
}

/* Most posts of a group end no job, and then nothing is copied. */
static void copy(struct histogram *to, const struct histogram *from)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (from[i].count != to[i].count)
            to[i] = from[i];
}

void store_mark_totals(struct store *s) { copy(s->marked_stages, s->stages); }
void store_restore_totals(struct store *s) { copy(s->stages, s->marked_stages); }
