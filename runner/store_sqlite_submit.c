/* Submitting: models, pipelines, clips and their jobs, each put twice being the same as once.
 *
 * A clip is its content, so a second path of it makes no second job. What cannot be probed has no content to
 * go by and is known by its path; once that path can be read, the same row becomes the clip it now is.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kernels/base/buf.h"
#include "kernels/base/clock.h"
#include "runner/cost.h"
#include "runner/store_sqlite.h"
#include "stages/media/sample.h"

/* ---- models and pipelines ---- */

static enum cq_err put_labels(struct store *s, int64_t model_id, const struct store_model *m)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < m->n_labels && !err; i++)
        err = sql_exec(s, "INSERT INTO labels (model_id, class_id, label) VALUES (?, ?, ?)", "Iit", model_id, i,
                       m->labels[i]);
    return err;
}

static enum cq_err put_model(struct store *s, const struct store_model *m, const char *labels, int64_t *id)
{
    enum cq_err err = sql_int(s, id, "UPDATE models SET path = ? WHERE hash = ? AND name = ? AND decoder = ? AND labels = ? "
                                     "RETURNING id", "ttttt", m->path, m->hash, m->name, m->decoder, labels);
    if (err != CQ_EOF)
        return err;
    err = sql_exec(s, "INSERT INTO models (path, hash, name, decoder, labels) VALUES (?, ?, ?, ?, ?)", "ttttt", m->path,
                   m->hash, m->name, m->decoder, labels);
    if (err)
        return err;
    *id = sql_last_id(s);
    return put_labels(s, *id, m);
}

enum cq_err store_put_model(struct store *s, const struct store_model *m, int64_t *id)
{
    struct cq_buf labels = {0};
    for (int i = 0; i < m->n_labels; i++) {
        cq_put(&labels, m->labels[i], strlen(m->labels[i]));
        cq_put_u8(&labels, '\n');
    }
    cq_put_u8(&labels, '\0');
    enum cq_err err = labels.err ? labels.err : put_model(s, m, (const char *) labels.data, id);
    cq_buf_finish(&labels);
    return err;
}

enum cq_err store_put_pipeline(struct store *s, const char *hash, const char *document, const int64_t *model_ids,
                               int n_models, int64_t *id)
{
    enum cq_err err = sql_int(s, id, "SELECT id FROM pipelines WHERE hash = ?", "t", hash);
    if (err != CQ_EOF)
        return err;
    err = sql_exec(s, "INSERT INTO pipelines (hash, document, created_ms) VALUES (?, ?, ?)", "ttI", hash, document,
                   cq_utc_ms());
    if (err)
        return err;
    *id = sql_last_id(s);
    for (int i = 0; i < n_models && !err; i++)
        err = sql_exec(s, "INSERT INTO pipeline_models (pipeline_id, position, model_id) VALUES (?, ?, ?)", "IiI", *id, i,
                       model_ids[i]);
    return err;
}

/* ---- clips ---- */

/* The values of a probe in PROBE_COLUMNS' order, for sql_exec. */
#define PROBE_TYPES "tttII" "ttt" "iiiiiiii" "iiIdId" "iit"
#define PROBE_VALUES(p) \
    (p)->fingerprint, failure_name((p)->failure), (p)->message, (p)->size, (p)->mtime_ns, \
    (p)->container, (p)->codec, (p)->pixel_format, \
    (p)->coded_w, (p)->coded_h, (p)->display_w, (p)->display_h, (p)->sar_num, (p)->sar_den, (p)->rotation, (int) (p)->mirrored, \
    (p)->tb_num, (p)->tb_den, (p)->start_pts, (p)->duration_s, (p)->frames_claimed, (p)->fps, \
    (p)->stream_index, (p)->video_streams, (p)->stream_reason

static enum cq_err insert_clip(struct store *s, const char *path, const struct probe *p, int64_t *id)
{
    enum cq_err err = sql_exec(s,
        "INSERT INTO clips (" PROBE_COLUMNS ", path) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -9223372036854775808), ?, ?, ?, ?, ?, ?, ?)",
        PROBE_TYPES "t", PROBE_VALUES(p), path);
    *id = sql_last_id(s);
    return err || p->failure ? err : store_put_content(s, p->fingerprint, *id);
}

static enum cq_err update_clip(struct store *s, int64_t id, const struct probe *p)
{
    return sql_exec(s,
        "UPDATE clips SET (" PROBE_COLUMNS ") = "
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -9223372036854775808), ?, ?, ?, ?, ?, ?) "
        "WHERE id = ?", PROBE_TYPES "I", PROBE_VALUES(p), id);
}

void store_read_probe(sqlite3_stmt *stmt, int c, struct probe *out)
{
    *out = (struct probe) {0};
    char failure[32];
    sql_text(stmt, c++, out->fingerprint, sizeof out->fingerprint);
    sql_text(stmt, c++, failure, sizeof failure);
    out->failure = failure_by_name(failure);
    sql_text(stmt, c++, out->message, sizeof out->message);
    out->size = sqlite3_column_int64(stmt, c++);
    out->mtime_ns = sqlite3_column_int64(stmt, c++);
    sql_text(stmt, c++, out->container, sizeof out->container);
    sql_text(stmt, c++, out->codec, sizeof out->codec);
    sql_text(stmt, c++, out->pixel_format, sizeof out->pixel_format);
    out->coded_w = sqlite3_column_int(stmt, c++);
    out->coded_h = sqlite3_column_int(stmt, c++);
    out->display_w = sqlite3_column_int(stmt, c++);
    out->display_h = sqlite3_column_int(stmt, c++);
    out->sar_num = sqlite3_column_int(stmt, c++);
    out->sar_den = sqlite3_column_int(stmt, c++);
    out->rotation = sqlite3_column_int(stmt, c++);
    out->mirrored = sqlite3_column_int(stmt, c++);
    out->tb_num = sqlite3_column_int(stmt, c++);
    out->tb_den = sqlite3_column_int(stmt, c++);
    out->start_pts = sqlite3_column_type(stmt, c) == SQLITE_NULL ? INT64_MIN : sqlite3_column_int64(stmt, c);
    out->duration_s = sqlite3_column_double(stmt, ++c);
    out->frames_claimed = sqlite3_column_int64(stmt, ++c);
    out->fps = sqlite3_column_double(stmt, ++c);
    out->stream_index = sqlite3_column_int(stmt, ++c);
    out->video_streams = sqlite3_column_int(stmt, ++c);
    sql_text(stmt, ++c, out->stream_reason, sizeof out->stream_reason);
}

static int64_t media_ms(const struct probe *p)
{
    bool sane = isfinite(p->duration_s) && p->duration_s > 0 && p->duration_s < 1e9;
    return p->failure || !sane ? 0 : llround(p->duration_s * 1e3);
}

/* What was unreadable under this path can be read now: its failed jobs go back into the queue. */
static enum cq_err heal_clip(struct store *s, const char *path, const struct probe *p, int64_t *clip_id)
{
    enum cq_err err = sql_int(s, clip_id, "SELECT id FROM clips WHERE path = ? AND failure <> ''", "t", path);
    if (err)
        return err;
    err = update_clip(s, *clip_id, p);
    if (!err)
        err = store_put_content(s, p->fingerprint, *clip_id);
    if (err)
        return err;
    return sql_exec(s, "UPDATE jobs SET state = 'pending', reason = '', message = '', ended_ms = NULL, media_ms = ? "
                       "WHERE clip_id = ? AND state = 'failed' AND parent_id IS NULL", "II", media_ms(p), *clip_id);
}

static bool is_gone(const char *path)
{
    return access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR);
}

/* The content is known. Under its own path, take the new time stamp (it was touched or copied over); when its
 * path has vanished, take the new path, and try again the jobs that failed because of that. */
static enum cq_err refresh_clip(struct store *s, int64_t clip_id, const char *known_path, const char *path,
                                const struct probe *p)
{
    bool moved = strcmp(known_path, path) && is_gone(known_path);
    if (strcmp(known_path, path) && !moved)
        return CQ_OK;
    enum cq_err err = sql_exec(s, "UPDATE clips SET path = ?, mtime_ns = ? WHERE id = ?", "tII", path, p->mtime_ns, clip_id);
    if (err || !moved)
        return err;
    return sql_exec(s, "UPDATE jobs SET state = 'pending', reason = '', message = '', ended_ms = NULL, not_before_ms = 0, "
                       "failures = 0 WHERE clip_id = ? AND state IN ('failed', 'dead') AND reason = 'vanished' AND parent_id IS NULL", "I", clip_id);
}

static enum cq_err put_readable(struct store *s, const char *path, const struct probe *p, int64_t *clip_id, bool *healed)
{
    char known[STORE_PATH];
    enum cq_err err = store_find_content(s, p->fingerprint, clip_id, known);
    if (!err)
        return refresh_clip(s, *clip_id, known, path, p);
    if (err != CQ_EOF)
        return err;
    err = heal_clip(s, path, p, clip_id);
    *healed = err == CQ_OK;
    return err == CQ_EOF ? insert_clip(s, path, p, clip_id) : err;
}

static enum cq_err put_unreadable(struct store *s, const char *path, const struct probe *p, int64_t *clip_id)
{
    enum cq_err err = sql_int(s, clip_id, "SELECT id FROM clips WHERE path = ? AND failure <> ''", "t", path);
    if (err)
        return err == CQ_EOF ? insert_clip(s, path, p, clip_id) : err;
    err = update_clip(s, *clip_id, p);
    if (err)
        return err;
    return sql_exec(s, "UPDATE jobs SET reason = ?, message = ? WHERE clip_id = ? AND state = 'failed' AND parent_id IS NULL", "ttI",
                    failure_name(p->failure), p->message, *clip_id);
}

/* ---- jobs ---- */

/* What costs more goes first, in classes: the nearer the end, the shorter must be what is left to do, so that all
 * end together (runner/balance_sim.h shows what that is worth). Pipelines leave out what they leave out of every clip alike. */
static int64_t place_in_queue(const struct probe *p)
{
    const struct sample_spec all = {.mode = SAMPLE_EVERY, .every = 1};
    return p->failure ? 0 : -(int64_t) cost_class(cost_of_clip(p, &all));
}

static enum cq_err insert_job(struct store *s, int64_t clip_id, const struct probe *p, int64_t probe_ns, int64_t pipeline_id,
                              int priority, int64_t *job_id)
{
    int64_t now = cq_utc_ms();
    enum cq_err err = sql_exec(s,
        "INSERT INTO jobs (clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, ended_ms, "
        "probe_ns, media_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?)", "IIttt" "iIIIII", clip_id, pipeline_id,
        p->failure ? "failed" : "pending", failure_name(p->failure), p->message, priority, place_in_queue(p), now, p->failure ? now : (int64_t) 0,
        probe_ns, media_ms(p));
    *job_id = sql_last_id(s);
    return err;
}

enum cq_err store_put_clip_job(struct store *s, const char *path, const struct probe *p, int64_t probe_ns, int64_t pipeline_id,
                               int priority, int64_t *job_id, enum store_put *what)
{
    int64_t clip_id;
    bool healed = false;
    enum cq_err err = p->failure ? put_unreadable(s, path, p, &clip_id) : put_readable(s, path, p, &clip_id, &healed);
    if (err)
        return err;

    err = sql_int(s, job_id, "SELECT id FROM jobs WHERE clip_id = ? AND pipeline_id = ? AND parent_id IS NULL", "II", clip_id, pipeline_id);
    bool known = err == CQ_OK;
    if (err == CQ_EOF)
        err = insert_job(s, clip_id, p, probe_ns, pipeline_id, priority, job_id);
    if (!err)
        err = sql_exec(s, "INSERT OR IGNORE INTO paths (path, job_id) VALUES (?, ?)", "tI", path, *job_id);
    if (err)
        return err;
    bool new_path = sql_changes(s) > 0;
    *what = !known || healed ? STORE_NEW : new_path ? STORE_SAME_CONTENT : STORE_KNOWN;
    return CQ_OK;
}

/* ---- asking back ---- */

enum cq_err store_get_pipeline(struct store *s, int64_t id, char **document)
{
    *document = NULL;
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT document FROM pipelines WHERE id = ?", "I", id);
    if (err)
        return err == CQ_EOF ? CQ_NOT_FOUND : err;
    const unsigned char *text = sqlite3_column_text(row, 0);
    *document = text ? strdup((const char *) text) : NULL;
    sql_done(row);
    return *document ? CQ_OK : CQ_NOMEM;
}

enum cq_err store_get_model_path(struct store *s, const char *hash, char out[STORE_PATH])
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT path FROM models WHERE hash = ? ORDER BY id DESC LIMIT 1", "t", hash);
    if (err)
        return err == CQ_EOF ? CQ_NOT_FOUND : err;
    sql_text(row, 0, out, STORE_PATH);
    sql_done(row);
    return CQ_OK;
}

enum cq_err store_pending_pipelines(struct store *s, int64_t *ids, int max, int *n)
{
    *n = 0;
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT pipeline_id FROM totals t WHERE state = 'open' AND jobs > (SELECT count(*) "
                                         "FROM jobs WHERE state = 'running' AND +parent_id IS NULL AND +pipeline_id = t.pipeline_id) "
                                         "ORDER BY pipeline_id LIMIT ?", "i", max);
    for (; !err; err = sql_next(s, row))
        ids[(*n)++] = sqlite3_column_int64(row, 0);
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}
