/* From nothing, or from an older version, to the newest schema, in one transaction: a creation or a migration
 * that is killed leaves what was there before.
 *
 * Version n is reached by schema/00n_*.sql. The views are dropped and made again each time, so they always
 * belong to the tables under them; a change to views.sql alone is a migration too (an empty one).
 */
#include <stdio.h>

#include <sqlite3.h>

#include "kernels/base/log.h"
#include "runner/store_sqlite.h"

extern const char schema_001_init[], schema_002_tunings[], schema_003_workers[], schema_004_last_words[],
    schema_005_pause[], schema_006_failure_counts[], schema_007_segments[], schema_008_engines[],
    schema_009_boots[], schema_010_model_totals[], schema_011_accepting[],
    schema_012_failed[], schema_013_stage_texts[], schema_014_queue_index[],
    schema_015_set_aside[], schema_016_neighbours[], schema_017_quiet_claims[],
    schema_018_scores[], schema_019_cache[], schema_020_contents[], schema_views[];

static const char *const migrations[STORE_VERSION] = {
    schema_001_init, schema_002_tunings, schema_003_workers, schema_004_last_words, schema_005_pause,
    schema_006_failure_counts, schema_007_segments, schema_008_engines, schema_009_boots,
    schema_010_model_totals, schema_011_accepting, schema_012_failed,
    schema_013_stage_texts, schema_014_queue_index, schema_015_set_aside,
    schema_016_neighbours, schema_017_quiet_claims, schema_018_scores, schema_019_cache,
    schema_020_contents,
};

static enum cq_err drop_views(struct store *s)
{
    for (;;) {
        sqlite3_stmt *row;
        enum cq_err err = sql_query(s, &row, "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v\\_%' "
                                             "ESCAPE '\\' LIMIT 1", "");
        if (err)
            return err == CQ_EOF ? CQ_OK : err;
        char name[128], drop[160];
        sql_text(row, 0, name, sizeof name);
        sql_done(row);
        snprintf(drop, sizeof drop, "DROP VIEW \"%s\"", name);
        err = sql_script(s, drop);
        if (err)
            return err;
    }
}

static enum cq_err upgrade(struct store *s, int64_t from)
{
    enum cq_err err = drop_views(s);
    for (int64_t v = from; !err && v < STORE_VERSION; v++)
        err = sql_script(s, migrations[v]);
    if (!err)
        err = sql_script(s, schema_views);
    if (!err)
        err = store_put_reasons(s);
    if (err)
        return err;
    char stamp[128];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d", STORE_APPLICATION_ID, STORE_VERSION);
    return sql_script(s, stamp);
}

static enum cq_err migrate(struct store *s)
{
    int64_t version;
    enum cq_err err = store_begin(s);
    if (!err)                       /* another process may have been faster */
        err = sql_int(s, &version, "PRAGMA user_version", "");
    if (!err && version < STORE_VERSION)
        err = upgrade(s, version);
    if (!err)
        err = store_commit(s);
    if (err)
        store_rollback(s);
    return err;
}

/* Tables that others refer to are made again, which would delete what refers to them; the switch has no effect inside a
 * transaction. */
enum cq_err store_migrate(struct store *s)
{
    int64_t version;
    enum cq_err err = sql_int(s, &version, "PRAGMA user_version", "");
    if (err || version >= STORE_VERSION)
        return err;                 /* the newer one is refused by the caller */
    err = sql_script(s, "PRAGMA foreign_keys = OFF");
    if (!err)
        err = migrate(s);
    enum cq_err on = sql_script(s, "PRAGMA foreign_keys = ON");
    return err ? err : on;
}
