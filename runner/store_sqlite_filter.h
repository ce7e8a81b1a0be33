/* A store_filter as SQL, inside of the store: parameters 1 to 9 of a statement over `jobs j`.
 *
 *     sql_exec(s, FILTERED(filter_way(f), "UPDATE jobs AS j SET ... WHERE ", ""), FILTER_TYPES, FILTER_VALUES(f, v))
 *
 * There are three texts of each such statement, for SQLite must see in the text which index finds the jobs.
 */
#ifndef CLIPQ_RUNNER_STORE_SQLITE_FILTER_H
#define CLIPQ_RUNNER_STORE_SQLITE_FILTER_H

#include "runner/store_jobs.h"

struct filter_values {
    int states;
    int64_t first, last;        /* ids: a range, so that one job is found by its key */
};

struct filter_values filter_values(const struct store_filter *f);

/* By key, that is one job or all in the order of their ids; or from an index over what is seldom. */
enum filter_way { FILTER_BY_KEY, FILTER_BY_REASON, FILTER_BY_STATE };
enum filter_way filter_way(const struct store_filter *f);

#define FILTERED(way, before, after)                                    \
    ((way) == FILTER_BY_REASON ? before FILTER_REASON_SQL after         \
     : (way) == FILTER_BY_STATE ? before FILTER_STATE_SQL after         \
                                : before FILTER_SQL after)

#define STATES_SQL(state)                                                                                             \
    "(CASE " state " WHEN 'pending' THEN 1 WHEN 'running' THEN 2 WHEN 'done' THEN 4 WHEN 'partial' THEN 8 "             \
    "WHEN 'failed' THEN 16 WHEN 'dead' THEN 32 ELSE 64 END) & ?3 "
#define FILTER_SQL                                                                                                    \
    "j.id BETWEEN ?1 AND ?2 AND j.parent_id IS NULL AND " STATES_SQL("j.state")                                                  \
    "AND (?4 IS NULL OR j.reason = ?4) "                                                                              \
    "AND (?5 = 0 OR j.id IN (SELECT a.job_id FROM attempts a WHERE a.run_id = ?5)) "                                  \
    "AND (?6 IS NULL OR j.id IN (SELECT w.job_id FROM paths w WHERE w.path GLOB ?6)) "                                \
    "AND (?7 IS NULL OR j.pipeline_id IN (SELECT p.id FROM pipelines p WHERE substr(p.hash, 1, length(?7)) = ?7)) "   \
    "AND (?8 IS NULL OR j.pipeline_id IN (SELECT pm.pipeline_id FROM pipeline_models pm "                             \
    "JOIN models m ON m.id = pm.model_id WHERE m.name GLOB ?8)) "                                                     \
    "AND (?9 = 0 OR NOT EXISTS (SELECT 1 FROM clips k WHERE k.id = j.clip_id AND k.failure <> ''))"
/* The same for a filter with a reason, or with states without `done`: not by a look at every job. */
#define FILTER_REASON_SQL \
    "j.id IN (SELECT r.id FROM jobs r WHERE r.reason = ?4 AND r.reason <> '' AND r.parent_id IS NULL) AND " FILTER_SQL
#define FILTER_OF_STATE(bit, name) "SELECT r.id FROM jobs r WHERE ?3 & " bit " AND r.state = '" name "' AND r.parent_id IS NULL"
#define FILTER_STATE_SQL                                                                                              \
    "j.id IN (" FILTER_OF_STATE("1", "pending") " UNION ALL " FILTER_OF_STATE("2", "running") " UNION ALL "           \
    FILTER_OF_STATE("8", "partial") " UNION ALL " FILTER_OF_STATE("16", "failed") " UNION ALL "                       \
    FILTER_OF_STATE("32", "dead") " UNION ALL " FILTER_OF_STATE("64", "cancelled") ") AND " FILTER_SQL
#define FILTER_TYPES "IIitIttti"
#define FILTER_VALUES(f, v) (v).first, (v).last, (v).states, (f)->reason, (f)->run, (f)->path, (f)->pipeline, (f)->model, \
    (int) (f)->probed

#endif
