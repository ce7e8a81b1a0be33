/* Writing: answers in, uses counted, and out what is over or saves least. */
#include "runner/store_cache_impl.h"

#include <limits.h>

#include <sqlite3.h>

#include "runner/cache_policy.h"

enum {
    ROW_BYTES = 200,            /* that an answer takes beside its own, in the table and its indexes */
    EXPIRED_AT_ONCE = 1000,
    KEEP_PERCENT = 90,          /* of the budget, when something has to go */
    MAKERS_MAX = 256
};

/* As of the file, while a transaction is open. */
struct state {
    int64_t bytes, evicted;
    double age;
    int64_t makers[MAKERS_MAX]; /* ids */
};

static enum cq_err put_makers(struct store_cache *c, const struct store_cache_write *w, struct state *st)
{
    enum cq_err err = w->n_makers > MAKERS_MAX ? CQ_INVALID : CQ_OK;
    for (int i = 0; i < w->n_makers && !err; i++) {
        const struct store_cache_maker *m = &w->makers[i];
        err = sql_int(&c->sql, &st->makers[i],
            "INSERT INTO makers (key, model, shape, hits, saved_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "hits = hits + excluded.hits, saved_ms = saved_ms + excluded.saved_ms RETURNING id", "bttId", &m->key,
            (int) sizeof m->key, m->model, m->shape, m->hits, m->saved_ms);
    }
    return err;
}

static enum cq_err forget(struct store_cache *c, const struct cache_key *key, struct state *st)
{
    int64_t bytes;
    enum cq_err err = sql_int(&c->sql, &bytes, "DELETE FROM answers WHERE key = ? RETURNING bytes", "b", key, (int) sizeof *key);
    if (err)
        return err == CQ_EOF ? CQ_OK : err;
    st->bytes -= bytes;
    return CQ_OK;
}

static enum cq_err put_answer(struct store_cache *c, const struct store_cache_write *w, const struct store_cache_change *a,
                              struct state *st)
{
    struct cache_life l = cache_life_begin(w->now_ms, w->ttl_ms, a->cost_ms, (int64_t) a->size + ROW_BYTES, st->age);
    enum cq_err err = a->size > INT_MAX ? CQ_INVALID : forget(c, &a->key, st);
    if (!err)
        err = sql_exec(&c->sql,
            "INSERT INTO answers (key, maker, counted_ms, expires_ms, uses, growth, cost_ms, bytes, rank, checksum, blob) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "bIIIiidIdIb", &a->key, (int) sizeof a->key, st->makers[a->maker],
            l.counted_ms, l.expires_ms, l.uses, l.growth, l.cost_ms, l.bytes, l.rank,
            store_cache_checksum(&a->key, a->blob, a->size), a->blob, (int) a->size);
    st->bytes += err ? 0 : l.bytes;
    return err;
}

/* What went meanwhile is not missed. */
static enum cq_err count_use(struct store_cache *c, const struct store_cache_write *w, const struct store_cache_change *a,
                             const struct state *st)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row, "SELECT id, counted_ms, expires_ms, uses, growth, cost_ms, bytes FROM answers "
                                               "WHERE key = ?", "b", &a->key, (int) sizeof a->key);
    if (err)
        return err == CQ_EOF ? CQ_OK : err;
    int64_t id = sqlite3_column_int64(row, 0);
    struct cache_life l = {
        .counted_ms = sqlite3_column_int64(row, 1), .expires_ms = sqlite3_column_int64(row, 2), .uses = sqlite3_column_int(row, 3),
        .growth = sqlite3_column_int(row, 4), .cost_ms = sqlite3_column_double(row, 5), .bytes = sqlite3_column_int64(row, 6),
    };
    sql_done(row);
    if (l.growth < 0 || l.growth > CACHE_GROWTH_MAX || l.bytes <= 0)
        return CQ_CORRUPT;
    if (!cache_life_check(&l, w->now_ms, w->ttl_ms))
        return CQ_OK;
    cache_life_use(&l, w->now_ms, w->ttl_ms, st->age);
    return sql_exec(&c->sql, "UPDATE answers SET counted_ms = ?, expires_ms = ?, uses = ?, growth = ?, rank = ? WHERE id = ?",
                    "IIiidI", l.counted_ms, l.expires_ms, l.uses, l.growth, l.rank, id);
}

/* A clock that was set back leaves answers that would live too long: they count from now on. */
static enum cq_err drop_expired(struct store_cache *c, const struct store_cache_write *w, struct state *st)
{
    int64_t longest = w->now_ms + (w->ttl_ms << CACHE_GROWTH_MAX), bytes = 0;
    enum cq_err err = sql_exec(&c->sql, "UPDATE answers SET expires_ms = ?1, counted_ms = min(counted_ms, ?2) WHERE expires_ms > ?1",
                               "II", longest, w->now_ms);
    if (!err)
        err = sql_int(&c->sql, &bytes, "SELECT total(bytes) FROM (SELECT bytes FROM answers WHERE expires_ms <= ? "
                                       "ORDER BY expires_ms, id LIMIT ?)", "Ii", w->now_ms, EXPIRED_AT_ONCE);
    if (!err && bytes)
        err = sql_exec(&c->sql, "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE expires_ms <= ? "
                                "ORDER BY expires_ms, id LIMIT ?)", "Ii", w->now_ms, EXPIRED_AT_ONCE);
    st->bytes -= bytes;
    return err;
}

static enum cq_err drop_lowest(struct store_cache *c, struct state *st)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row, "SELECT id, rank, bytes FROM answers ORDER BY rank LIMIT 1", "");
    if (err)
        return err;
    int64_t id = sqlite3_column_int64(row, 0);
    st->age = sqlite3_column_double(row, 1);
    st->bytes -= sqlite3_column_int64(row, 2);
    st->evicted++;
    sql_done(row);
    return sql_exec(&c->sql, "DELETE FROM answers WHERE id = ?", "I", id);
}

static enum cq_err make_room(struct store_cache *c, int64_t budget, struct state *st)
{
    enum cq_err err = CQ_OK;
    if (st->bytes > budget)
        while (!err && st->bytes > budget / 100 * KEEP_PERCENT)
            err = drop_lowest(c, st);
    if (err != CQ_EOF)
        return err;
    st->bytes = 0;                  /* it is empty, whatever was counted */
    return CQ_OK;
}

static enum cq_err read_state(struct store_cache *c, struct state *st)
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(&c->sql, &row, "SELECT bytes, age FROM meta", "");
    if (err)
        return err == CQ_EOF ? CQ_CORRUPT : err;
    st->bytes = sqlite3_column_int64(row, 0);
    st->age = sqlite3_column_double(row, 1);
    sql_done(row);
    return CQ_OK;
}

static enum cq_err write_all(struct store_cache *c, const struct store_cache_write *w, struct state *st)
{
    enum cq_err err = read_state(c, st);
    if (!err)
        err = put_makers(c, w, st);
    if (!err)
        err = drop_expired(c, w, st);
    for (int i = 0; i < w->n && !err; i++)
        err = w->changes[i].blob ? put_answer(c, w, &w->changes[i], st) : count_use(c, w, &w->changes[i], st);
    if (!err)
        err = make_room(c, w->budget, st);
    if (!err)
        err = sql_exec(&c->sql, "UPDATE meta SET bytes = ?, age = ?", "Id", st->bytes, st->age);
    return err ? err : sql_exec(&c->sql, "COMMIT", "");
}

enum cq_err store_cache_write(struct store_cache *c, const struct store_cache_write *w, int64_t *evicted)
{
    struct state st = {0};
    *evicted = 0;
    enum cq_err err = sql_exec(&c->sql, "BEGIN IMMEDIATE", "");
    if (err)
        return err;
    err = write_all(c, w, &st);
    if (err)
        sqlite3_exec(c->sql.db, "ROLLBACK", NULL, NULL, NULL);
    else
        *evicted = st.evicted;
    return err;
}
