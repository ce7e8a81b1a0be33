/* Which clip has a content: a log-structured merge of two levels.
 *
 * Fingerprints are scattered: in one table of a million each new one would change a page of its own, which costs more than all
 * else at its submission. In a small table many share a page, and merged in order many share a page of the large one.
 * Source: O'Neil et al., "The log-structured merge-tree", 1996.
 *
 * The tables have part of the fingerprint, so two clips may have the same one; nobody but a writer, in its transaction, sees
 * to it that no content is there twice.
 */
#include <sqlite3.h>

#include "runner/store_sqlite.h"

/* Few enough that the small table stays in the page cache, and so many that a page of the large one takes several at once. */
enum { MERGE_EVERY = 32768 /* clips */ };

#define PART "substr(?1, -7)"

enum cq_err store_find_content(struct store *s, const char *fingerprint, int64_t *clip_id, char path[STORE_PATH])
{
    sqlite3_stmt *row;
    enum cq_err err = sql_query(s, &row,
        "SELECT c.id, c.path FROM (SELECT clip_id FROM contents_new WHERE part = " PART " UNION ALL "
        "SELECT clip_id FROM contents WHERE part = " PART ") k CROSS JOIN clips c ON c.id = k.clip_id "
        "WHERE c.fingerprint = ?1 AND c.failure = ''", "t", fingerprint);
    if (err)
        return err;
    *clip_id = sqlite3_column_int64(row, 0);
    sql_text(row, 1, path, STORE_PATH);
    sql_done(row);
    return CQ_OK;
}

static enum cq_err merge(struct store *s)
{
    enum cq_err err = sql_exec(s, "INSERT INTO contents (part, clip_id) SELECT part, clip_id FROM contents_new ORDER BY 1, 2", "");
    return err ? err : sql_exec(s, "DELETE FROM contents_new", "");
}

enum cq_err store_put_content(struct store *s, const char *fingerprint, int64_t clip_id)
{
    enum cq_err err = sql_exec(s, "INSERT INTO contents_new (part, clip_id) VALUES (" PART ", ?2)", "tI", fingerprint, clip_id);
    return err || clip_id % MERGE_EVERY ? err : merge(s);
}
