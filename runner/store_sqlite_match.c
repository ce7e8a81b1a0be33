/* Near-duplicate clips: every signature against every other, each pair once, in bounded pieces. The one that comes later
 * is recorded with the first few that it resembles, which is what keeps a thousand empty scenes from half a million pairs.
 *
 * Accepted signatures are new (matched = 0) or compared with all their kind (matched = 1). A block of new
 * ones is held in memory while the compared ones stream past, up to a budget per call; how far they came is
 * their `cursor`, so the next call, be it another process's, goes on with the same block. When nothing is
 * left to stream, the block is compared within itself and joins the compared ones.
 */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "runner/store_sqlite.h"
#include "stages/answer/shots.h"

enum { BLOCK = 256, STREAM = 4096, PAIRS_MAX = 16 };

struct item {
    int64_t id, clip_id, cursor, pairs;
    char model_hash[33];
    struct signature signature;
};

#define ITEM_COLUMNS "id, clip_id, cursor, model_hash, duration_s, v, pairs"

static void read_item(sqlite3_stmt *row, struct item *out)
{
    out->id = sqlite3_column_int64(row, 0);
    out->clip_id = sqlite3_column_int64(row, 1);
    out->cursor = sqlite3_column_int64(row, 2);
    sql_text(row, 3, out->model_hash, sizeof out->model_hash);
    out->signature.duration_s = sqlite3_column_double(row, 4);
    int dims = sqlite3_column_bytes(row, 5) / (int) sizeof(float);
    out->signature.dims = dims < SIGNATURE_MAX ? dims : SIGNATURE_MAX;
    if (dims > 0)
        memcpy(out->signature.v, sqlite3_column_blob(row, 5), (size_t) out->signature.dims * sizeof(float));
    out->pairs = sqlite3_column_int64(row, 6);
}

/* The block that has come furthest: new ones that join later begin their own. */
static enum cq_err read_block(struct store *s, struct item *block, int *n)
{
    *n = 0;
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row, "SELECT " ITEM_COLUMNS " FROM signatures "
                                         "WHERE matched = 0 ORDER BY cursor DESC, id LIMIT ?", "i", BLOCK);
    for (; !err; err = sql_next(s, row)) {
        read_item(row, &block[*n]);
        if (block[*n].cursor != block[0].cursor)
            break;
        ++*n;
    }
    sql_done(row);
    return err == CQ_EOF ? CQ_OK : err;
}

/* `a` came later. */
static enum cq_err compare(struct store *s, struct item *a, const struct item *b, double threshold)
{
    if (a->pairs >= PAIRS_MAX || a->clip_id == b->clip_id || strcmp(a->model_hash, b->model_hash))
        return CQ_OK;
    double similarity = signature_similarity(&a->signature, &b->signature);
    if (!(similarity >= threshold))
        return CQ_OK;
    a->pairs++;
    bool swap = a->clip_id > b->clip_id;
    const struct item *first = swap ? b : a, *second = swap ? a : b;
    return sql_exec(s, "INSERT OR REPLACE INTO duplicates VALUES (?, ?, ?, ?, ?)", "IIIId", first->clip_id, second->clip_id,
                    first->id, second->id, similarity);
}

/* Streams up to STREAM compared ones past the block; *at is the last id seen, *end whether it was the last. */
static enum cq_err stream_past(struct store *s, struct item *block, int n, double threshold, int64_t *at, bool *end)
{
    struct item *other = malloc(sizeof *other);
    if (!other)
        return CQ_NOMEM;
    sqlite3_stmt *row;
    int seen = 0;
    enum cq_err err = sql_query(s, &row, "SELECT " ITEM_COLUMNS " FROM signatures "
                                         "WHERE matched = 1 AND id > ? ORDER BY id LIMIT ?", "Ii", *at, STREAM);
    for (; !err; err = sql_next(s, row), seen++) {
        read_item(row, other);
        *at = other->id;
        for (int i = 0; i < n && !err; i++)
            err = compare(s, &block[i], other, threshold);
        if (err)
            break;
    }
    sql_done(row);
    free(other);
    *end = seen < STREAM;
    return err == CQ_EOF ? CQ_OK : err;
}

static enum cq_err close_block(struct store *s, struct item *block, int n, double threshold)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++) {
        for (int k = 0; k < i && !err; k++)
            err = compare(s, &block[i], &block[k], threshold);
        if (!err)
            err = sql_exec(s, "UPDATE signatures SET matched = 1, pairs = ? WHERE id = ?", "II", block[i].pairs, block[i].id);
    }
    return err;
}

static enum cq_err remember_cursor(struct store *s, const struct item *block, int n, int64_t at)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++)
        err = sql_exec(s, "UPDATE signatures SET cursor = ?, pairs = ? WHERE id = ?", "III", at, block[i].pairs, block[i].id);
    return err;
}

enum cq_err store_match_signatures(struct store *s, double threshold, bool *more)
{
    *more = false;
    struct item *block = malloc(BLOCK * sizeof *block);
    if (!block)
        return CQ_NOMEM;
    int n;
    bool end;
    enum cq_err err = read_block(s, block, &n);
    if (err || !n)
        goto done;
    int64_t at = block[0].cursor;
    err = stream_past(s, block, n, threshold, &at, &end);
    if (err)
        goto done;
    err = end ? close_block(s, block, n, threshold) : remember_cursor(s, block, n, at);
    if (!err && end) {
        int64_t next;
        err = sql_int(s, &next, "SELECT id FROM signatures WHERE matched = 0 LIMIT 1", "");
        *more = err == CQ_OK;
        err = err == CQ_EOF ? CQ_OK : err;
    } else {
        *more = !err;
    }
done:
    free(block);
    return err;
}
