/* Scores beside what they were computed from, as JSON (runner/score.h). */
#include <math.h>
#include <stdio.h>

#include <sqlite3.h>

#include "runner/store_limits.h"
#include "runner/store_sqlite.h"

bool store_score_text(const struct store_score *score, struct score_columns *out)
{
    double value = score_of(&score->inputs);
    if (score->inputs.took_s <= 0)
        return false;
    snprintf(out->score, sizeof out->score, isnan(value) ? "" : "%.9g", value);
    score_to_text(&score->inputs, score->losses, out->inputs);
    return true;
}

#define SET_SCORE " SET score = CAST(nullif(?, '') AS REAL), score_inputs = ? WHERE id = ?"

static enum cq_err put_score(struct store *s, const char *update, int64_t id, const struct store_score *score)
{
    struct score_columns c;
    return store_score_text(score, &c) ? sql_exec(s, update, "ttI", c.score, c.inputs, id) : CQ_OK;
}

enum cq_err store_put_run_score(struct store *s, int64_t run_id, const struct store_score *score)
{
    return put_score(s, "UPDATE runs" SET_SCORE, run_id, score);
}

/* ---- attempts that did not count ---- */

/* One whose results were replaced had those of attempts before it in its own time. */
#define LOSS_OF_ATTEMPTS "(score_inputs ->> '$.losses.\"lost attempts\"')"

enum cq_err store_add_lost_attempts(struct store *s, int64_t job_id, int64_t attempt_id, struct store_score *score)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT total((score_inputs ->> '$.took_s') - coalesce(" LOSS_OF_ATTEMPTS ", 0)) FROM attempts "
                                         "WHERE job_id = ? AND outcome <> 'running' AND outcome <> 'done' AND id <> ?", "II", job_id,
                                attempt_id);
    if (err)
        return err;
    double lost_s = sqlite3_column_double(row, 0);
    sql_done(row);
    score->inputs.took_s += lost_s;
    score->losses[SCORE_RETRIES] += lost_s;
    return CQ_OK;
}

/* ---- back again ---- */

#define INPUT(name) "(score_inputs ->> '$." name "')"
#define LOSS(name) "(score_inputs ->> '$.losses.\"" name "\"')"
/* Of one row, or of several: `sum` and `most` are functions, or nothing. */
#define INPUTS(sum, most) \
    sum INPUT("took_s") ", " most INPUT("processors") ", " most INPUT("devices") ", " sum INPUT("decoded") ", " sum INPUT("inferred") \
    ", " sum INPUT("on_devices") ", " sum INPUT("decode_s") ", " sum INPUT("infer_s") ", " sum INPUT("device_s") ", " \
    most INPUT("observed") ", " most INPUT("unknown")
#define ONE_LOSS(id, name, advice) ", " LOSS(name)
#define SUM_LOSS(id, name, advice) ", total" LOSS(name)

static void read_parts(sqlite3_stmt *row, int c, struct store_score *out)
{
    struct score_inputs *in = &out->inputs;
    in->took_s = sqlite3_column_double(row, c++);
    in->processors = sqlite3_column_int(row, c++);
    in->devices = sqlite3_column_int(row, c++);
    in->decoded = sqlite3_column_int64(row, c++);
    in->inferred = sqlite3_column_int64(row, c++);
    in->on_devices = sqlite3_column_int64(row, c++);
    in->decode_s = sqlite3_column_double(row, c++);
    in->infer_s = sqlite3_column_double(row, c++);
    in->device_s = sqlite3_column_double(row, c++);
    in->observed = sqlite3_column_int(row, c++);
    in->unknown = sqlite3_column_int(row, c++);
    for (int i = 0; i < SCORE_REASON_COUNT; i++)
        out->losses[i] = sqlite3_column_double(row, c++);
}

static enum cq_err get_score(struct store *s, const char *sql, int64_t id, struct store_score_row *out)
{
    sqlite3_stmt *row;
    bool known;
    *out = (struct store_score_row) {.score = (double) NAN};
    enum cq_err err = sql_has_table(s, "limits", &known);    /* of the same version */
    if (err || !known)
        return err;
    err = sql_query(s, &row, sql, "I", id);
    if (err)
        return err == CQ_EOF ? CQ_OK : err;
    out->kept = true;
    if (sqlite3_column_type(row, 0) != SQLITE_NULL)
        out->score = sqlite3_column_double(row, 0);
    sql_text(row, 1, out->reason, sizeof out->reason);
    read_parts(row, 2, &out->parts);
    sql_done(row);
    return CQ_OK;
}

#define SELECT_ONE "SELECT score, " INPUT("reason") ", " INPUTS("", "") SCORE_REASONS(ONE_LOSS)

enum cq_err store_get_run_score(struct store *s, int64_t run_id, struct store_score_row *out)
{
    return get_score(s, SELECT_ONE " FROM runs WHERE id = ? AND score_inputs IS NOT NULL", run_id, out);
}

enum cq_err store_get_job_score(struct store *s, int64_t job_id, struct store_score_row *out)
{
    return get_score(s, SELECT_ONE " FROM attempts WHERE id = (SELECT accepted_id FROM jobs WHERE id = ?) "
                                   "AND score_inputs IS NOT NULL", job_id, out);
}

enum cq_err store_score_split(struct store *s, int64_t clip_job, int64_t attempt_id)
{
    struct store_score sum = {.inputs = {0}};
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT " INPUTS("total", "max") SCORE_REASONS(SUM_LOSS)
                                         " FROM jobs p JOIN attempts a ON a.id = p.attempt_id "
                                         "WHERE p.job_id = ? AND p.parent_id IS NOT NULL AND p.state = 'done'", "I", clip_job);
    if (err)
        return err;
    read_parts(row, 0, &sum);
    sql_done(row);
    return put_score(s, "UPDATE attempts" SET_SCORE, attempt_id, &sum);
}

/* ---- what to do about each reason, for SQL ---- */

enum cq_err store_put_reasons(struct store *s)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < SCORE_REASON_COUNT && !err; i++)
        err = sql_exec(s, "INSERT OR REPLACE INTO score_reasons VALUES (?, ?)", "tt", score_reason_name((enum score_reason) i),
                       score_reason_advice((enum score_reason) i));
    return err;
}
