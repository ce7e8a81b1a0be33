/* Results, as they come: rows under a running attempt, seen by nobody until it is accepted; and the deletion
 * of what attempts that came to nothing left behind.
 *
 * This is the hot path: about one insert per frame and one per detection, each an append to a B-tree that is
 * ordered by (attempt, model, seq).
 */
#include <stdio.h>

#include <sqlite3.h>

#include "kernels/base/log.h"
#include "runner/store_sqlite.h"

enum { LANDMARKS_TEXT = ANSWER_MAX_POINTS * 32 };

/* JSON, in tenths of a pixel; NULL when there are none. */
static const char *landmarks(const struct detection *d, char out[LANDMARKS_TEXT])
{
    if (d->n_points <= 0)
        return NULL;
    int n = d->n_points < ANSWER_MAX_POINTS ? d->n_points : ANSWER_MAX_POINTS;
    size_t at = 0;
    for (int i = 0; i < n; i++)
        at += (size_t) snprintf(out + at, LANDMARKS_TEXT - at, "%s[%.1f,%.1f]", i ? "," : "[", (double) d->point[i][0],
                                (double) d->point[i][1]);
    snprintf(out + at, LANDMARKS_TEXT - at, "]");
    return out;
}

static enum cq_err add_detections(struct store *s, int64_t id, const struct store_frame *f)
{
    char text[LANDMARKS_TEXT];
    enum cq_err err = CQ_OK;
    for (int i = 0; i < f->answer->n_detections && !err; i++) {
        const struct detection *d = &f->answer->detections[i];
        err = sql_exec(s, "INSERT INTO detections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "IiIiidddddt", id, f->model,
                       f->seq, i, d->class_id, (double) d->score, (double) d->x0, (double) d->y0, (double) d->x1,
                       (double) d->y1, landmarks(d, text));
    }
    return err;
}

static enum cq_err add_classes(struct store *s, int64_t id, const struct store_frame *f)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < f->answer->n_classes && !err; i++) {
        const struct classification *c = &f->answer->classes[i];
        err = sql_exec(s, "INSERT INTO classifications VALUES (?, ?, ?, ?, ?, ?)", "IiIiid", id, f->model, f->seq, i + 1,
                       c->class_id, (double) c->score);
    }
    return err;
}

static enum cq_err add_artifacts(struct store *s, int64_t id, const struct store_frame *f)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < f->answer->n_artifacts && !err; i++) {
        const struct artifact *a = &f->answer->artifacts[i];
        err = sql_exec(s, "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "IiIitttt", id, f->model, f->seq, i, a->kind,
                       a->name, a->shape, a->path);
    }
    return err;
}

/* Floats are stored as they stand in memory: every platform with OpenCL that matters is little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "embeddings are little-endian");

static enum cq_err add_embedding(struct store *s, int64_t id, const struct store_frame *f)
{
    const struct answer *a = f->answer;
    enum cq_err err = CQ_OK;
    if (a->dims > 0)
        err = sql_exec(s, "INSERT INTO embeddings (attempt_id, model, seq, v) VALUES (?, ?, ?, ?)", "IiIb", id, f->model,
                       f->seq, (const void *) a->embedding, a->dims * (int) sizeof *a->embedding);
    if (!err && a->has_quality) {
        const struct quality *q = &a->quality;
        err = sql_exec(s, "INSERT INTO quality VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "IiIddddd", id, f->model, f->seq,
                       (double) q->sharpness, (double) q->exposure, (double) q->contrast, (double) q->clipped_dark,
                       (double) q->clipped_bright);
    }
    return err;
}

enum cq_err store_add_frame(struct store *s, int64_t job_id, int attempt, const struct store_frame *f)
{
    int64_t id;
    enum cq_err err = store_attempt_id(s, job_id, attempt, &id);
    if (err)
        return err;
    err = sql_exec(s, "INSERT INTO frames VALUES (?, ?, ?, nullif(?, -1), ?, ?, ?, nullif(?, -1))", "IiIIIdiI", id, f->model,
                   f->seq, f->ordinal, f->pts, f->time_s, (int) f->source,
                   f->source == SOURCE_INHERITED ? f->source_seq : (int64_t) -1);
    if (err || !f->answer)
        return err;
    err = add_detections(s, id, f);
    if (!err)
        err = add_classes(s, id, f);
    if (!err)
        err = add_embedding(s, id, f);
    return err ? err : add_artifacts(s, id, f);
}

/* ---- embeddings to shots ---- */

typedef enum cq_err embedding_fn(void *ctx, const float *v, int dims, int64_t seq, double time_s);

static enum cq_err each_embedding(struct store *s, int64_t id, int model, embedding_fn *fn, void *ctx)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT e.v, e.seq, f.time_s FROM embeddings e JOIN frames f USING (attempt_id, model, seq) "
                                         "WHERE e.attempt_id = ? AND e.model = ? ORDER BY e.seq", "Ii", id, model);
    for (; !err; err = sql_next(s, row)) {
        int dims = sqlite3_column_bytes(row, 0) / (int) sizeof(float);
        err = fn(ctx, sqlite3_column_blob(row, 0), dims, sqlite3_column_int64(row, 1), sqlite3_column_double(row, 2));
        if (err)
            break;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

enum cq_err store_each_embedding(struct store *s, int64_t job_id, int attempt, int model,
                                 enum cq_err (*fn)(void *ctx, const float *v, int dims, int64_t seq, double time_s), void *ctx)
{
    int64_t id, parts[SEGMENTS_MAX];
    int n = 0;
    enum cq_err err = store_attempt_id(s, job_id, attempt, &id);
    if (!err)
        err = store_parts(s, job_id, id, parts, &n);
    for (int i = 0; i < n && !err; i++)
        err = each_embedding(s, parts[i], model, fn, ctx);
    return err;
}

/* A place among the embeddings of an attempt, or of its segments one after the other. */
struct walk {
    struct store *s;
    int64_t parts[SEGMENTS_MAX];
    int n, part, model;
    sqlite3_stmt *row;          /* stands on number `at` while set */
    int at;
};

static enum cq_err next_part(struct walk *w)
{
    enum cq_err err = CQ_EOF;
    sql_done(w->row);
    while (err == CQ_EOF && ++w->part < w->n)
        err = sql_query(w->s, &w->row, "SELECT seq FROM embeddings WHERE attempt_id = ? AND model = ? ORDER BY seq", "Ii",
                        w->parts[w->part], w->model);
    return err == CQ_EOF ? CQ_INVALID : err;
}

/* A shot counts embeddings, the tables count sampled frames, and a frame may have none: walks to the seq of embedding
 * number `want`, and the attempt that holds it. CQ_INVALID: there are not that many. */
static enum cq_err walk_to(struct walk *w, int want, int64_t *seq, int64_t *part)
{
    enum cq_err err = w->row ? CQ_OK : next_part(w);
    for (; !err && w->at < want; ++w->at) {
        err = sql_next(w->s, w->row);
        if (err == CQ_EOF)
            err = next_part(w);
    }
    if (!err) {
        *seq = sqlite3_column_int64(w->row, 0);
        *part = w->parts[w->part];
    }
    return err;
}

static enum cq_err add_each_shot(struct walk *w, int64_t id, const struct shot *shots, int n)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++) {
        const struct shot *h = &shots[i];
        int64_t first, last, first_part, last_part;
        err = walk_to(w, h->first, &first, &first_part);
        if (!err)
            err = walk_to(w, h->last, &last, &last_part);
        if (!err)
            err = sql_exec(w->s, "INSERT INTO shots VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?9, ?1), nullif(?10, ?1))", "IiiIIdddII",
                           id, w->model, i, first, last, h->start_s, h->end_s, (double) h->cut_score, first_part, last_part);
    }
    sql_done(w->row);
    return err;
}

enum cq_err store_add_shots(struct store *s, int64_t job_id, int attempt, int model, const struct shot *shots, int n,
                            const struct signature *sig)
{
    int64_t id;
    struct walk w = {.s = s, .part = -1, .model = model};
    enum cq_err err = store_attempt_id(s, job_id, attempt, &id);
    if (!err)
        err = store_parts(s, job_id, id, w.parts, &w.n);
    if (!err)
        err = add_each_shot(&w, id, shots, n);
    if (err == CQ_INVALID)
        cq_log_error(s->log, "job %lld: the shots name more frames than there are embeddings", (long long) job_id);
    if (err || !sig || sig->dims <= 0)
        return err;
    return sql_exec(s,
        "INSERT INTO signatures (attempt_id, model, clip_id, model_hash, duration_s, v) "
        "SELECT ?1, ?2, j.clip_id, m.hash, ?3, ?4 FROM jobs j "
        "JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id AND pm.position = ?2 JOIN models m ON m.id = pm.model_id "
        "WHERE j.id = ?5", "IidbI", id, model, sig->duration_s, (const void *) sig->v, sig->dims * (int) sizeof *sig->v, job_id);
}

/* ---- sweeping ---- */

enum cq_err store_attempt_is_void(struct store *s, int64_t job_id, int attempt, bool *is_void)
{
    int64_t found = 0;
    enum cq_err err = sql_int(s, &found, "SELECT 1 FROM attempts WHERE job_id = ? AND attempt = ? "
                                         "AND " ATTEMPT_ASIDE("") " AND outcome <> 'partial'", "Ii", job_id, attempt);
    *is_void = found;
    return err == CQ_EOF ? CQ_OK : err;
}

static enum cq_err sweep_attempt(struct store *s, int64_t id, int *budget)
{
#define KEYED(table, key) \
    "DELETE FROM " table " WHERE (attempt_id, " key ") IN (SELECT attempt_id, " key " FROM " table " WHERE attempt_id = ? LIMIT ?)"
    static const char *const deletes[] = {
        KEYED("detections", "model, seq, n"),
        KEYED("classifications", "model, seq, rank"),
        KEYED("artifacts", "model, seq, n"),
        KEYED("quality", "model, seq"),
        KEYED("embeddings", "model, seq"),
        KEYED("shots", "model, shot"),
        KEYED("signatures", "model"),
        KEYED("frames", "model, seq"),
    };
#undef KEYED
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes; i++) {
        enum cq_err err = sql_exec(s, deletes[i], "Ii", id, *budget);
        if (err)
            return err;
        *budget -= (int) sql_changes(s);
        if (*budget <= 0)
            return CQ_OK;           /* the rest with the next call */
    }
    return sql_exec(s, "UPDATE attempts SET sweep = 0 WHERE id = ?", "I", id);
}

enum cq_err store_sweep(struct store *s, int budget)
{
    while (budget > 0) {
        int64_t id;
        enum cq_err err = sql_int(s, &id, "SELECT id FROM attempts WHERE sweep = 1 ORDER BY id LIMIT 1", "");
        if (err)
            return err == CQ_EOF ? CQ_OK : err;
        err = sweep_attempt(s, id, &budget);
        if (err)
            return err;
        budget--;
    }
    return CQ_OK;
}
