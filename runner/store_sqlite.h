/* Inside of the store: what runner/store*.c share. Everything else sees store.h only.
 *
 * SQL stands where it is used. A statement is prepared once per place (the literal's address is the key) and
 * kept; its arguments follow as a string of types and values:
 *
 *     i int   I int64_t   d double   t const char * (NULL: null)   b const void *, int   n null
 *
 * Text and blobs are borrowed until the statement is used again. Every step goes through one function, so
 * that CLIPQ_FAULT=sql@N can make the N-th of a store fail and tests can try each.
 */
#ifndef CLIPQ_RUNNER_STORE_SQLITE_H
#define CLIPQ_RUNNER_STORE_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "runner/store.h"

struct sqlite3;
struct sqlite3_stmt;

enum { SQL_CACHE = 256 /* a power of two, well above the number of statements */, ATTEMPT_CACHE = 64 };

/* Of one process at the write lock; see store_sqlite_turns.c. */
struct store_turns {
    int folder;                      /* of the database; -1: not open */
    bool beginning, waited, first; /* inside store_begin; has found the lock taken; and told so */
    int64_t waits_since_ns;          /* for the lock it now waits for */
    int64_t since_ns, ended_ns;      /* of this turn; of its latest transaction */
};

struct store {
    struct sqlite3 *db;
    struct cq_log *log;              /* borrowed; may be NULL */
    char path[STORE_PATH];
    enum store_mode mode;
    int busy_timeout_ms;
    struct store_turns turns;
    int64_t run_id;                  /* of store_start_run, 0 before */

    struct {
        const char *sql;
        struct sqlite3_stmt *stmt;
    } cache[SQL_CACHE];

    /* Which attempt a (job, attempt) is, looked up once per transaction: within one nobody else can take
     * the lease away. */
    struct {
        int64_t job_id, attempt_id;
        int attempt;
    } attempts[ATTEMPT_CACHE];

    struct histogram stages[METRIC_COUNT];         /* what this transaction adds to stage_totals */
    struct histogram marked_stages[METRIC_COUNT];  /* the same, as of its savepoint */
    struct histogram kept_stages[METRIC_COUNT];    /* of transactions before it, still to be written */
    int64_t stages_written_ns;                     /* when that was done; 0: never, or not long enough ago */
    bool writes_stages;                            /* this transaction does */

    int64_t tidied_ns;               /* when a claim last took expired leases back; 0: the next one does */
    int64_t clock_ahead_ms;          /* of the monotonic clock: see store_queue_ms */
    bool clock_known;

    int64_t steps, fault_at;         /* CLIPQ_FAULT=sql@N; 0: never */
    int64_t commits;                 /* begun so far, for CLIPQ_FAULT=commit@N and committed@N */
};

/* Logs what SQLite says with the path and what to do; gives the code for it. */
enum cq_err sql_error(struct store *s, int rc);
/* The same without a statement to blame; `db` may be NULL. */
enum cq_err sql_error_code(int rc, int system_errno);

enum cq_err sql_exec(struct store *s, const char *sql, const char *types, ...);
/* CQ_OK: *stmt stands on the first row, go on with sql_next and end with sql_done. CQ_EOF: no row. *stmt is
 * NULL unless CQ_OK. */
enum cq_err sql_query(struct store *s, struct sqlite3_stmt **stmt, const char *sql, const char *types, ...);
enum cq_err sql_next(struct store *s, struct sqlite3_stmt *stmt);
void sql_done(struct sqlite3_stmt *stmt);           /* NULL is fine */
/* One integer; CQ_EOF when there is no row. */
enum cq_err sql_int(struct store *s, int64_t *out, const char *sql, const char *types, ...);
/* False in a file of an earlier version that is open for reading. */
enum cq_err sql_has_table(struct store *s, const char *name, bool *has);
/* Waits for others for busy_timeout_ms. */
enum cq_err sql_use_wal(struct store *s);
/* The connection and its statements; nothing of either may be used afterwards. */
void sql_close(struct store *s);
/* Several statements, not cached. */
enum cq_err sql_script(struct store *s, const char *sql);
int64_t sql_changes(const struct store *s);
int64_t sql_last_id(const struct store *s);

/* Column as text, "" for null, cut to `size`. */
void sql_text(struct sqlite3_stmt *stmt, int column, char *out, size_t size);

/* CQ_STALE, unlogged, when (job, attempt) is not running any more, nor waiting for its segments. */
enum cq_err store_attempt_id(struct store *s, int64_t job_id, int attempt, int64_t *id);
void store_forget_attempts(struct store *s);

/* Now, by the clock that leases and pauses are measured with: UTC milliseconds, but no jump of the wall clock moves it.
 * Inside a transaction. */
enum cq_err store_queue_ms(struct store *s, int64_t *now);
/* The same for who only looks. INT64_MAX: nobody has worked on the queue since the machine was started, so that nothing of
 * before is alive. */
enum cq_err store_queue_ms_seen(struct store *s, int64_t *now);

void store_checkpoint_init(struct store *s);
void store_turns_init(struct store *s);          /* once it is connected */
void store_turns_finish(struct store *s);
void store_turn_begins(struct store *s);         /* before BEGIN IMMEDIATE, and after it, whether it came to be or not */
void store_turn_begun(struct store *s);
void store_turn_ends(struct store *s);

/* Brings the file to the newest schema; see store_sqlite_migrate.c. */
enum { STORE_APPLICATION_ID = 0x636c7071 /* "clpq" */, STORE_VERSION = 20, STORE_WITH_SEGMENTS = 7,
       STORE_WITH_MODEL_TOTALS = 10 };
enum cq_err store_migrate(struct store *s);

/* Attempts, by the job and their number, both parameters; running and done ones are in no index but are their job's newest
 * (schema/017_quiet_claims.sql). */
#define ATTEMPT_ASIDE(a) a "outcome <> 'running' AND " a "outcome <> 'done'"
#define ATTEMPT_ID(job, attempt) "id IN (SELECT attempt_id FROM jobs WHERE id = " job " AND attempt = " attempt " UNION ALL " \
                                 "SELECT id FROM attempts WHERE job_id = " job " AND attempt = " attempt " AND " ATTEMPT_ASIDE("") ")"

/* Deletes up to `budget` result rows of attempts that came to nothing. */
enum { SWEEP_PIECE = 2000 };    /* as much as one call of the queue does on the way */
enum cq_err store_sweep(struct store *s, int budget);

/* Columns of clips that are the probe's, in PROBE_COLUMNS' order. */
#define PROBE_COLUMNS "fingerprint, failure, message, size, mtime_ns, container, codec, pixel_format, " \
                      "coded_w, coded_h, display_w, display_h, sar_num, sar_den, rotation, mirrored, " \
                      "tb_num, tb_den, start_pts, duration_s, frames_claimed, fps, " \
                      "stream_index, video_streams, stream_reason"
enum { PROBE_COLUMN_COUNT = 25 };
void store_read_probe(struct sqlite3_stmt *stmt, int first_column, struct probe *out);

/* The readable clip that has a content; CQ_EOF: none has. Putting one that another has is the caller's mistake. */
enum cq_err store_find_content(struct store *s, const char *fingerprint, int64_t *clip_id, char path[STORE_PATH]);
enum cq_err store_put_content(struct store *s, const char *fingerprint, int64_t clip_id);

/* Totals: what a transaction adds to them is written then or later (store_sqlite_totals.c). */
enum cq_err store_write_totals(struct store *s);  /* before it commits, */
void store_totals_written(struct store *s);       /* and after it has */
void store_hurry_totals(struct store *s);         /* the next commit writes them */
void store_flush_totals(struct store *s);         /* in a transaction of its own; a failure is logged, no more */
void store_drop_totals(struct store *s);          /* of the whole transaction */
void store_mark_totals(struct store *s);          /* at its savepoint, */
void store_restore_totals(struct store *s);       /* and back to it */
/* A clip's time is known: its probe, which was at submission, joins the other stages where none is among them, and the
 * totals get them all if the transaction commits. `out`: as attempts.stages has them. */
enum { STAGES_TEXT = 1024 };
void store_add_stages(struct store *s, struct histogram stages[METRIC_COUNT], int64_t probe_ns, char out[STAGES_TEXT]);

/* Scores (runner/store_limits.h), as the columns score and score_inputs take them; score is "" where there is none. False:
 * nothing is to be kept. */
struct score_columns { char score[32], inputs[SCORE_TEXT]; };
bool store_score_text(const struct store_score *score, struct score_columns *out);
/* What the job's other attempts took. */
enum cq_err store_add_lost_attempts(struct store *s, int64_t job_id, int64_t attempt_id, struct store_score *score);
/* Of a clip whose segments are done: the sum of theirs. */
enum cq_err store_score_split(struct store *s, int64_t clip_job, int64_t attempt_id);
/* The table score_reasons. */
enum cq_err store_put_reasons(struct store *s);

/* What a claimed segment is, into out->segment and out->probe. */
enum cq_err store_read_segment(struct store *s, struct store_job *out);
/* Keeps a segment's histograms for its clip's. */
enum cq_err store_keep_stages(struct store *s, int64_t segment_id, const struct histogram stages[METRIC_COUNT]);
/* The attempts that hold the rows of an attempt: itself, or in order those of its segments. At most SEGMENTS_MAX. */
enum cq_err store_parts(struct store *s, int64_t job_id, int64_t attempt_id, int64_t *ids, int *n);

#endif
