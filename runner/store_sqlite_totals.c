/* Totals of every stage over all accepted attempts. A transaction gathers what its completions add and writes it once,
 * before it commits: a total is a histogram of hundreds of buckets as text, and reading and writing seven of them would
 * cost as much as all else that ends a job.
 */
#include <stdlib.h>

#include <sqlite3.h>

#include "runner/store_sqlite.h"

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

void store_merge_stage(struct store *s, enum metric_stage stage, const struct histogram *h)
{
    histogram_merge(&s->stages[stage], h);
}

void store_drop_totals(struct store *s)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (s->stages[i].count)
            s->stages[i] = (struct histogram) {0};
}

enum cq_err store_write_totals(struct store *s)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < METRIC_COUNT && !err; i++)
        if (s->stages[i].count)
            err = merge(s, i, &s->stages[i]);
    if (!err)
        store_drop_totals(s);
    return err;
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
