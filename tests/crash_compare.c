/* A database against that of an undisturbed run: the views, row by row, and the books. Numbers may differ by 1e-3, since
 * another batch may be computed by other kernels; everything else must be equal. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "tests/books.h"
#include "tests/crash.h"

static const double tolerance = 1e-3;

static const char *const answers[] = {
    "SELECT path, state, reason, frames FROM v_jobs ORDER BY path",
    "SELECT path, model, seq, frame, pts, time_s, replace(source, 'cached', 'inferred') FROM v_frames ORDER BY path, model, seq",
    "SELECT path, model, seq, detection, class_id, label, score FROM v_detections ORDER BY path, model, seq, detection",
    "SELECT path, model, seq, detection, x0 / 100, y0 / 100, x1 / 100, y1 / 100 FROM v_detections "
    "ORDER BY path, model, seq, detection",
    "SELECT path, model, seq, rank, class_id, score FROM v_classifications ORDER BY path, model, seq, rank",
    "SELECT path, model, seq, dims, embedding FROM v_embeddings ORDER BY path, model, seq",
    "SELECT path, model, seq, exposure, contrast, clipped_dark, clipped_bright FROM v_quality ORDER BY path, model, seq",
    "SELECT path, model, shot, first_frame, last_frame, start_s, end_s FROM v_shots ORDER BY path, model, shot",
    "SELECT min(path_a, path_b), max(path_a, path_b), similarity FROM v_duplicates ORDER BY 1, 2",
};

/* Each must count nothing. */
static const struct { const char *what, *sql; } books[] = {
    {"jobs that are still running, or leased", "SELECT count(*) FROM jobs WHERE state = 'running' OR owner IS NOT NULL"},
    {"settled jobs without exactly one accepted attempt",
     "SELECT count(*) FROM jobs j WHERE state IN ('done', 'partial') AND "
     "(SELECT count(*) FROM attempts a WHERE a.id = j.accepted_id AND a.job_id = j.id) <> 1"},
    {"totals that are not the jobs counted",
     "SELECT abs((SELECT sum(jobs) FROM totals) - (SELECT count(*) FROM jobs WHERE parent_id IS NULL)) + "
     "(SELECT count(*) FROM totals t WHERE jobs <> (SELECT count(*) FROM jobs j WHERE "
     "iif(j.state IN ('pending', 'running'), 'open', j.state) = t.state AND "
     "j.pipeline_id = t.pipeline_id AND j.parent_id IS NULL))"},
    {"clips that are there twice, or are not found by their content", BOOK_CONTENTS},
    {"attempts that are still running", "SELECT count(*) FROM attempts WHERE outcome = 'running'"},
    {"rows of attempts that came to nothing",
     "SELECT count(*) FROM frames WHERE attempt_id NOT IN (SELECT accepted_id FROM jobs WHERE accepted_id IS NOT NULL)"},
    {"pages that are not sound", "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
};

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        sqlite3_busy_timeout(db, 20000);
    else
        fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
    return db;
}

static int64_t number(sqlite3 *db, const char *sql, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        if (text)
            sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            n = sqlite3_column_int64(stmt, 0);
    }
    if (n < 0)
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    return n;
}

static bool close_numbers(double a, double b)
{
    return fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

/* Blobs are vectors of float32. */
static bool same_blob(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    int size = sqlite3_column_bytes(a, column);
    const char *x = sqlite3_column_blob(a, column), *y = sqlite3_column_blob(b, column);
    bool same = size == sqlite3_column_bytes(b, column) && size % (int) sizeof(float) == 0;
    for (int at = 0; same && at < size; at += (int) sizeof(float)) {
        float u, v;
        memcpy(&u, x + at, sizeof u);
        memcpy(&v, y + at, sizeof v);
        same = close_numbers((double) u, (double) v);
    }
    return same;
}

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    int type = sqlite3_column_type(a, column);
    if (type != sqlite3_column_type(b, column))
        return false;
    if (type == SQLITE_FLOAT)
        return close_numbers(sqlite3_column_double(a, column), sqlite3_column_double(b, column));
    if (type == SQLITE_BLOB)
        return same_blob(a, b, column);
    return type == SQLITE_NULL ||
           !strcmp((const char *) sqlite3_column_text(a, column), (const char *) sqlite3_column_text(b, column));
}

static bool same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int i = 0; i < sqlite3_column_count(a); i++) {
        if (same_value(a, b, i))
            continue;
        fprintf(stderr, "%s of %s: %s instead of %s\n", sqlite3_column_name(a, i), sqlite3_column_text(a, 0),
                (const char *) sqlite3_column_text(b, i), (const char *) sqlite3_column_text(a, i));
        return false;
    }
    return true;
}

static bool same_answers(sqlite3 *reference, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *a = NULL, *b = NULL;
    bool same = sqlite3_prepare_v2(reference, sql, -1, &a, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, sql, -1, &b, NULL) == SQLITE_OK;
    int x = SQLITE_ROW, y = SQLITE_ROW;
    while (same && x == SQLITE_ROW && y == SQLITE_ROW) {
        x = sqlite3_step(a);
        y = sqlite3_step(b);
        same = x == y && (x == SQLITE_DONE || (x == SQLITE_ROW && same_row(a, b)));
    }
    if (!same)
        fprintf(stderr, "%s\n  does not give the same%s\n", sql, x == y ? "" : " number of rows");
    sqlite3_finalize(a);
    sqlite3_finalize(b);
    return same;
}

static bool books_balance(sqlite3 *db)
{
    bool fine = true;
    for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
        int64_t n = number(db, books[i].sql, NULL);
        if (n)
            fprintf(stderr, "%lld %s\n", (long long) n, books[i].what);
        fine = fine && !n;
    }
    return fine;
}

bool crash_same(const char *reference, const char *db)
{
    sqlite3 *a = open_db(reference), *b = open_db(db);
    bool same = books_balance(b);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        same = same_answers(a, b, answers[i]) && same;
    sqlite3_close(a);
    sqlite3_close(b);
    return same;
}

static int64_t ask(const char *path, const char *sql, const char *text)
{
    sqlite3 *db = open_db(path);
    int64_t n = number(db, sql, text);
    sqlite3_close(db);
    return n;
}

bool crash_leases_end(const char *db, int64_t lease_ms)
{
    char latest[32];
    snprintf(latest, sizeof latest, "%lld", (long long) (cq_utc_ms() + lease_ms));
    /* A clip in segments has no lease: they have. */
    int64_t n = ask(db, "SELECT count(*) FROM jobs WHERE state = 'running' AND segments = 0 AND "
                        "coalesce(lease_until_ms, 9e18) > CAST(? AS INTEGER)", latest);
    if (n)
        fprintf(stderr, "%lld leases outlive their time\n", (long long) n);
    return !n;
}

int64_t crash_count(const char *db, const char *state)
{
    return ask(db, "SELECT count(*) FROM jobs WHERE state = ?", state);
}

/* In a table of its own in `db`, which clipq does not look at. */
int64_t crash_keep(const char *path)
{
    sqlite3 *db = open_db(path);
    sqlite3_exec(db, "CREATE TABLE crash_kept AS SELECT id, attempt_id FROM jobs WHERE parent_id IS NOT NULL AND state = 'done'", NULL,
                 NULL, NULL);
    int64_t n = number(db, "SELECT count(*) FROM crash_kept", NULL);
    sqlite3_close(db);
    return n;
}

bool crash_kept(const char *db)
{
    int64_t n = ask(db, "SELECT count(*) FROM crash_kept k WHERE NOT EXISTS "
                        "(SELECT 1 FROM jobs j WHERE j.id = k.id AND j.attempt_id = k.attempt_id AND j.state = 'done')", NULL);
    if (n)
        fprintf(stderr, "%lld segments were done and are so no more, or again\n", (long long) n);
    return !n;
}
