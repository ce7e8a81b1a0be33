/* Jobs one by one, read. One statement serves every filter: what is not given is NULL or spans everything. */
#include <string.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"
#include "runner/store_sqlite_filter.h"

/* ---- filters ---- */

static const char *const state_names[] = {"pending", "running", "done", "partial", "failed", "dead", "cancelled"};
enum { STATES = sizeof state_names / sizeof *state_names };

int job_state_by_name(const char *name, int length)
{
    for (int i = 0; i < STATES; i++)
        if ((int) strlen(state_names[i]) == length && !strncmp(state_names[i], name, (size_t) length))
            return 1 << i;
    return 0;
}

struct filter_values filter_values(const struct store_filter *f)
{
    return (struct filter_values) {
        .states = f->states ? f->states : JOB_STATES_ALL, .first = f->id ? f->id : 0, .last = f->id ? f->id : INT64_MAX,
    };
}

enum filter_way filter_way(const struct store_filter *f)
{
    if (f->reason)
        return FILTER_BY_REASON;
    return f->states && !(f->states & JOB_DONE) && !f->id ? FILTER_BY_STATE : FILTER_BY_KEY;
}

static bool is_by_state_only(const struct store_filter *f)
{
    return !f->id && !f->run && !f->reason && !f->path && !f->pipeline && !f->model && !f->probed;
}

static enum cq_err count_by_state(struct store *s, int states, int64_t *n)
{
    struct store_counts c;
    enum cq_err err = store_get_counts(s, &c);
    const int64_t counts[STATES] = {c.pending, c.running, c.done, c.partial, c.failed, c.dead, c.cancelled};
    *n = 0;
    for (int i = 0; i < STATES; i++)
        *n += states & 1 << i ? counts[i] : 0;
    return err;
}

enum cq_err store_count_jobs(struct store *s, const struct store_filter *f, int64_t *n)
{
    struct filter_values v = filter_values(f);
    if (is_by_state_only(f))
        return count_by_state(s, v.states, n);
    return sql_int(s, n, FILTERED(filter_way(f), "SELECT count(*) FROM jobs j WHERE ", ""), FILTER_TYPES, FILTER_VALUES(f, v));
}

/* ---- jobs ---- */

static void read_row(sqlite3_stmt *row, struct store_job_row *r)
{
    int c = 0;
    r->id = sqlite3_column_int64(row, c++);
    r->clip_id = sqlite3_column_int64(row, c++);
    r->pipeline_id = sqlite3_column_int64(row, c++);
    sql_text(row, c++, r->path, sizeof r->path);
    sql_text(row, c++, r->state, sizeof r->state);
    sql_text(row, c++, r->reason, sizeof r->reason);
    sql_text(row, c++, r->message, sizeof r->message);
    sql_text(row, c++, r->pipeline, sizeof r->pipeline);
    sql_text(row, c++, r->owner, sizeof r->owner);
    r->priority = sqlite3_column_int(row, c++);
    r->attempts = sqlite3_column_int(row, c++);
    r->failures = sqlite3_column_int(row, c++);
    r->crashes = sqlite3_column_int(row, c++);
    r->lost = sqlite3_column_int(row, c++);
    r->frames = sqlite3_column_int64(row, c++);
    r->duration_s = sqlite3_column_double(row, c++);
    r->submitted_ms = sqlite3_column_int64(row, c++);
    r->started_ms = sqlite3_column_int64(row, c++);
    r->ended_ms = sqlite3_column_int64(row, c++);
    r->not_before_ms = sqlite3_column_int64(row, c);
}

#define LIST_SQL                                                                                                           \
    "SELECT j.id, j.clip_id, j.pipeline_id, c.path, j.state, j.reason, j.message, p.hash, j.owner, j.priority, j.attempts, "  \
    "j.failures, j.crashes, j.lost, j.frame_rows, c.duration_s, j.submitted_ms, j.started_ms, j.ended_ms, "                 \
    "CASE WHEN j.state = 'pending' AND j.segments = 0 THEN j.not_before_ms END "                                            \
    "FROM jobs j JOIN clips c ON c.id = j.clip_id JOIN pipelines p ON p.id = j.pipeline_id "                                \
    "WHERE j.id IN (SELECT j.id FROM jobs j WHERE "

enum cq_err store_each_job(struct store *s, const struct store_filter *f, int64_t offset, int64_t limit,
                           enum cq_err (*fn)(void *ctx, const struct store_job_row *r), void *ctx)
{
    sqlite3_stmt *row;
    struct filter_values v = filter_values(f);
    /* Of those that wait, the first page is found sooner by going through the jobs than by sorting all that wait. */
    enum filter_way way = filter_way(f);
    if (way == FILTER_BY_STATE && f->states & JOB_PENDING)
        way = FILTER_BY_KEY;
    const char *sql = FILTERED(way, LIST_SQL, " ORDER BY j.id LIMIT ?10 OFFSET ?11) ORDER BY j.id");
    enum cq_err err = sql_query(s, &row, sql, FILTER_TYPES "II", FILTER_VALUES(f, v), limit, offset);
    for (; !err; err = sql_next(s, row)) {
        struct store_job_row r;
        read_row(row, &r);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_get_probe(struct store *s, int64_t job_id, struct probe *out)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT " PROBE_COLUMNS " FROM (SELECT clip_id FROM jobs WHERE id = ?) j "
                                         "JOIN clips c ON c.id = j.clip_id", "I", job_id);
    if (err)
        return err == CQ_EOF ? CQ_NOT_FOUND : err;
    store_read_probe(row, 0, out);
    sql_done(row);
    return CQ_OK;
}

/* ---- attempts ---- */

static void read_attempt(sqlite3_stmt *row, struct store_attempt_row *a)
{
    int c = 1;
    a->attempt = sqlite3_column_int(row, c++);
    sql_text(row, c++, a->outcome, sizeof a->outcome);
    sql_text(row, c++, a->reason, sizeof a->reason);
    sql_text(row, c++, a->message, sizeof a->message);
    sql_text(row, c++, a->owner, sizeof a->owner);
    sql_text(row, c++, a->host, sizeof a->host);
    sql_text(row, c++, a->device, sizeof a->device);
    a->pid = sqlite3_column_int(row, c++);
    a->supervisor_pid = sqlite3_column_int(row, c++);
    a->run_id = sqlite3_column_int64(row, c++);
    a->started_ms = sqlite3_column_int64(row, c++);
    a->ended_ms = sqlite3_column_int64(row, c++);
    a->wall_s = sqlite3_column_double(row, c++);
    a->frames_decoded = sqlite3_column_int64(row, c++);
    a->frames_sampled = sqlite3_column_int64(row, c++);
    a->frames_inferred = sqlite3_column_int64(row, c++);
    a->batches = sqlite3_column_int64(row, c++);
    a->oom_halvings = sqlite3_column_int64(row, c++);
    a->accepted = sqlite3_column_int(row, c++);
    a->segment = sqlite3_column_int(row, c);
}

/* By themselves, for a reader may look at a database that is older than the columns. */
static enum cq_err read_cached(struct store *s, bool kept, int64_t id, struct store_attempt_row *a)
{
    a->frames_cached = 0;
    return kept ? sql_int(s, &a->frames_cached, "SELECT coalesce(frames_cached, 0) FROM attempts WHERE id = ?", "I", id) : CQ_OK;
}

static enum cq_err read_words(struct store *s, bool kept, int64_t id, struct store_attempt_row *a)
{
    sqlite3_stmt *row;
    a->last_words[0] = '\0';
    if (!kept)
        return CQ_OK;
    enum cq_err err = sql_query(s, &row, "SELECT last_words FROM attempts WHERE id = ?", "I", id);
    if (!err)
        sql_text(row, 0, a->last_words, sizeof a->last_words);
    sql_done(row);
    return err;
}

struct history {
    enum cq_err (*fn)(void *ctx, const struct store_attempt_row *a);
    void *ctx;
    bool words_kept, cached_kept;
};

/* `err` is of the query that gave `row`. */
static enum cq_err each_attempt(struct store *s, enum cq_err err, sqlite3_stmt *row, const struct history *h)
{
    for (; !err; err = sql_next(s, row)) {
        struct store_attempt_row a;
        read_attempt(row, &a);
        err = read_words(s, h->words_kept, sqlite3_column_int64(row, 0), &a);
        if (!err)
            err = read_cached(s, h->cached_kept, sqlite3_column_int64(row, 0), &a);
        if (!err)
            err = h->fn(h->ctx, &a);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

#define ATTEMPT_COLUMNS                                                                                                        \
    "a.id, a.attempt, a.outcome, a.reason, a.message, a.owner, r.host, a.device, a.pid, r.pid, a.run_id, a.started_ms, "        \
    "a.ended_ms, coalesce(a.wall_ns / 1e9, (a.ended_ms - a.started_ms) / 1000.0, -1), a.frames_decoded, a.frames_sampled, "     \
    "a.frames_inferred, a.batches, a.oom_halvings, a.id IS j.accepted_id, "

static enum cq_err attempts_of_clip(struct store *s, int64_t job_id, const struct history *h)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT " ATTEMPT_COLUMNS "0 FROM attempts a JOIN jobs j ON j.id = a.job_id "
                                         "LEFT JOIN runs r ON r.id = a.run_id WHERE a.id IN (SELECT attempt_id FROM jobs WHERE id = ?1 "
                                         "UNION ALL SELECT id FROM attempts WHERE job_id = ?1 AND " ATTEMPT_ASIDE("") ") "
                                         "ORDER BY a.attempt", "I", job_id);
    return each_attempt(s, err, row, h);
}

static enum cq_err attempts_of_segments(struct store *s, int64_t job_id, const struct history *h)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT " ATTEMPT_COLUMNS "g.number FROM jobs j JOIN segments g ON g.job_id = j.id "
                                         "JOIN attempts a ON a.job_id = j.id LEFT JOIN runs r ON r.id = a.run_id "
                                         "WHERE a.id IN (SELECT attempt_id FROM jobs WHERE job_id = ?1 AND parent_id IS NOT NULL "
                                         "UNION ALL SELECT t.id FROM jobs p JOIN attempts t ON t.job_id = p.id WHERE p.job_id = ?1 "
                                         "AND p.parent_id IS NOT NULL AND " ATTEMPT_ASIDE("t.") ") ORDER BY j.id, a.attempt", "I", job_id);
    return each_attempt(s, err, row, h);
}

enum cq_err store_each_attempt(struct store *s, int64_t job_id,
                               enum cq_err (*fn)(void *ctx, const struct store_attempt_row *a), void *ctx)
{
    struct history h = {.fn = fn, .ctx = ctx};
    bool has_segments;
    int64_t kept, cached;
    enum cq_err err = sql_int(s, &kept, "SELECT count(*) FROM pragma_table_info('attempts') WHERE name = 'last_words'", "");
    if (!err)
        err = sql_int(s, &cached, "SELECT count(*) FROM pragma_table_info('attempts') WHERE name = 'frames_cached'", "");
    if (!err)
        err = sql_has_table(s, "segments", &has_segments);
    if (err)
        return err;
    h.words_kept = kept;
    h.cached_kept = cached;
    err = attempts_of_clip(s, job_id, &h);
    return err || !has_segments ? err : attempts_of_segments(s, job_id, &h);
}

enum cq_err store_each_segment(struct store *s, int64_t job_id,
                               enum cq_err (*fn)(void *ctx, const struct store_segment_row *r), void *ctx)
{
    sqlite3_stmt *row;
    bool has_segments;
    enum cq_err err = sql_has_table(s, "segments", &has_segments);
    if (err || !has_segments)
        return err;
    err = sql_query(s, &row, "SELECT g.number, p.attempts, p.state, p.message, g.from_s, g.to_s, g.sampled FROM jobs j JOIN jobs p "
                             "ON p.job_id = j.id AND p.parent_id IS NOT NULL JOIN segments g ON g.job_id = p.id "
                             "WHERE j.id = ? AND j.segments > 0 AND p.state <> 'cancelled' ORDER BY g.number", "I", job_id);
    for (; !err; err = sql_next(s, row)) {
        struct store_segment_row r = {
            .number = sqlite3_column_int(row, 0), .attempts = sqlite3_column_int(row, 1), .from_s = sqlite3_column_double(row, 4),
            .to_s = sqlite3_column_double(row, 5), .sampled = sqlite3_column_int64(row, 6),
        };
        sql_text(row, 2, r.state, sizeof r.state);
        sql_text(row, 3, r.message, sizeof r.message);
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_sum_segments(struct store *s, struct store_segment_sums *out)
{
    sqlite3_stmt *row;
    bool has_segments;
    *out = (struct store_segment_sums) {0};
    enum cq_err err = sql_has_table(s, "segments", &has_segments);
    if (err || !has_segments)
        return err;
    err = sql_query(s, &row, "SELECT count(DISTINCT p.job_id), count(*), total(p.attempts > 1) FROM segments g CROSS JOIN jobs p "
                             "ON p.id = g.job_id WHERE p.state <> 'cancelled'", "");
    if (!err)
        *out = (struct store_segment_sums) {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2)};
    sql_done(row);
    return err;
}

enum cq_err store_each_job_stage(struct store *s, int64_t job_id,
                                 enum cq_err (*fn)(void *ctx, const struct store_stage_row *r), void *ctx)
{
    sqlite3_stmt *row;
    bool of_before;
    enum cq_err err = sql_has_table(s, "job_stages", &of_before);
    if (err)
        return err;
#define FIELD(n) "json_extract(t.value, '$[" #n "]')"
#define OF_JOB "= (SELECT coalesce(accepted_id, attempt_id) FROM jobs WHERE id = ?) ORDER BY 1"
    err = sql_query(s, &row, of_before
        ? "SELECT stage, count, mean_ms, p50_ms, p95_ms, max_ms FROM job_stages WHERE attempt_id " OF_JOB
        : "SELECT " FIELD(0) ", " FIELD(1) ", " FIELD(2) " / 1e6, " FIELD(3) " / 1e6, " FIELD(4) " / 1e6, " FIELD(5) " / 1e6 "
          "FROM attempts a JOIN json_each(a.stages) t WHERE a.id " OF_JOB, "I", job_id);
#undef FIELD
#undef OF_JOB
    for (; !err; err = sql_next(s, row)) {
        struct store_stage_row r = {
            .stage = (enum metric_stage) sqlite3_column_int(row, 0), .count = sqlite3_column_int64(row, 1),
            .mean_ms = sqlite3_column_double(row, 2), .p50_ms = sqlite3_column_double(row, 3),
            .p95_ms = sqlite3_column_double(row, 4), .max_ms = sqlite3_column_double(row, 5),
        };
        err = fn(ctx, &r);
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_note_attempt(struct store *s, const struct store_attempt_note *n)
{
    return sql_exec(s, "UPDATE attempts SET pid = coalesce(nullif(?, 0), pid), device = coalesce(nullif(?, ''), device), "
                       "last_words = coalesce(nullif(?, ''), last_words), frames_decoded = ?, frames_sampled = ?, "
                       "frames_inferred = ?, frames_cached = ?10, score_inputs = json_object('took_s', nullif(?9, 0.0)) WHERE " ATTEMPT_ID("?7", "?8"),
                    "ittIIIIidI", n->pid, n->device, n->last_words, n->frames_decoded, n->frames_sampled, n->frames_inferred,
                    n->job_id, n->attempt, n->took_s, n->frames_cached);
}
