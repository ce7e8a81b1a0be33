/* A migration that is killed leaves what was there before, and neither a reader nor the next one finds anything in its way; what
 * it moves elsewhere says the same there. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"
#include "tests/store_fixture.h"

extern const char schema_001_init[];

enum { JOBS = 20000, KILLS = 8 };

static void script(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Of version 1, nine in ten jobs done with a frame. */
static void make_old(const char *path)
{
    char jobs[128];
    snprintf(jobs, sizeof jobs, "CREATE TEMP TABLE n AS WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c "
                                "WHERE i < %d) SELECT i FROM c;", JOBS);
    char all[32768];
    int n = snprintf(all, sizeof all, "%s%s%s", schema_001_init, jobs,
        "PRAGMA application_id = 1668051057; PRAGMA user_version = 1;"
        "INSERT INTO models VALUES (1, 'h', 'm', 'p', 'yolox', ''); INSERT INTO pipelines VALUES (1, 'h', '{}', 0);"
        "INSERT INTO pipeline_models VALUES (1, 0, 1);"
        "INSERT INTO clips SELECT i, '/clip' || i, hex(i), '', '', 1, 1, '', '', '', 1, 1, 1, 1, 1, 1, 0, 0, 1, 30, 0, 1, 1, 1, 0, 1, '' "
        "FROM n;"
        "INSERT INTO jobs (clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, probe_ns, media_ms, "
        "attempt, attempt_id, accepted_id, frame_rows) SELECT i, 1, iif(i % 10, 'done', 'pending'), '', '', 0, 0, 5, 0, 1000, "
        "i % 10 > 0, iif(i % 10, i, NULL), iif(i % 10, i, NULL), i % 10 > 0 FROM n;"
        "INSERT INTO attempts (id, job_id, attempt, owner, started_ms, outcome) SELECT i, i, 1, 'me', 1, 'done' FROM n WHERE i % 10;"
        "INSERT INTO job_stages VALUES (2, 4, 3, 0.5, 0.25, 1.5, 1.75), (2, 1, 10, 1.5, 1.25, 2.000001, 40), (3, 6, 1, 7, 7, 7, 7);"
        "INSERT INTO frames SELECT i, 0, 0, 0, 0, 0, 0, NULL FROM n WHERE i % 10;");
    assert_in_range(n, 1, sizeof all - 1);
    char whole[sizeof all + 32];
    snprintf(whole, sizeof whole, "BEGIN; %s COMMIT;", all);
    script(path, whole);
}

/* Reading undoes what the killed one left half done. */
static void look(const struct fixture *f)
{
    struct cq_log log = f->log;
    struct store *s;
    assert_int_equal(store_open(&log, f->db, STORE_READ, &s), CQ_OK);
    store_close(&s);
}

static void migrate_and_exit(const struct fixture *f)
{
    struct store *s;
    struct cq_log silent = f->log;
    enum cq_err err = store_open(&silent, f->db, STORE_WRITE, &s);
    _exit(err != CQ_OK);
}

static void a_killed_migration_changes_nothing(void **state)
{
    (void) state;
    struct fixture home, timed, killed;
    struct store *s;
    fixture_setup(&home);
    timed = killed = home;
    timed.store = killed.store = NULL;
    snprintf(timed.db, sizeof timed.db, "%s/timed", home.folder);
    snprintf(killed.db, sizeof killed.db, "%s/killed", home.folder);
    make_old(timed.db);
    make_old(killed.db);
    int64_t start = cq_now_ns();
    assert_int_equal(store_open(&home.log, timed.db, STORE_WRITE, &s), CQ_OK);
    int64_t takes_us = (cq_now_ns() - start) / 1000;
    store_close(&s);

    int undone = 0;
    for (int i = 1; i <= KILLS; i++) {
        pid_t pid = fork();
        if (!pid)
            migrate_and_exit(&killed);
        usleep((useconds_t) (takes_us * i / (KILLS + 2)));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        look(&killed);
        int64_t version = fixture_int(&killed, "PRAGMA user_version");
        assert_true(version == 1 || version == STORE_VERSION);
        undone += version == 1;
        assert_int_equal(fixture_int(&killed, "SELECT count(*) FROM jobs"), JOBS);
        assert_int_equal(fixture_int(&killed, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'jobs_new%'"), 0);
    }
    assert_in_range(undone, 1, KILLS);          /* some were killed in the middle */
    assert_int_equal(store_open(&home.log, killed.db, STORE_WRITE, &s), CQ_OK);
    store_close(&s);
    assert_int_equal(fixture_int(&killed, "PRAGMA user_version"), STORE_VERSION);
    assert_int_equal(fixture_int(&killed, "SELECT frames FROM model_totals"), JOBS / 10 * 9);
    fixture_check_books(&killed);
    fixture_teardown(&home);
}

/* Pages already in the file, their old selves in a journal beside it. */
static void write_half_and_die(const char *path)
{
    sqlite3 *db;
    if (!sqlite3_open(path, &db))
        sqlite3_exec(db, "PRAGMA cache_size = 1; BEGIN; UPDATE jobs SET message = 'half'; DROP TABLE frames", NULL, NULL, NULL);
    raise(SIGKILL);
}

static void a_reader_undoes_what_is_half_written(void **state)
{
    (void) state;
    struct fixture home, half;
    fixture_setup(&home);
    half = home;
    half.store = NULL;
    snprintf(half.db, sizeof half.db, "%s/half", home.folder);
    make_old(half.db);
    pid_t pid = fork();
    if (!pid)
        write_half_and_die(half.db);
    waitpid(pid, NULL, 0);
    char journal[160];
    snprintf(journal, sizeof journal, "%s-journal", half.db);
    assert_int_equal(access(journal, F_OK), 0);
    look(&half);
    assert_int_equal(fixture_int(&half, "SELECT count(*) FROM jobs WHERE message = 'half'"), 0);
    assert_int_equal(fixture_int(&half, "SELECT count(*) FROM frames"), JOBS / 10 * 9);
    fixture_teardown(&home);
}

static void expect(const struct fixture *f, const char *sql, const char *text)
{
    char found[512];
    fixture_text(f, sql, found, sizeof found);
    assert_string_equal(found, text);
}

/* Version 13: what was rows of job_stages, in milliseconds. */
static void timings_move_into_the_attempt(void **state)
{
    (void) state;
    struct fixture home, old;
    struct store *s;
    fixture_setup(&home);
    old = home;
    snprintf(old.db, sizeof old.db, "%s/old", home.folder);
    make_old(old.db);
    assert_int_equal(store_open(&home.log, old.db, STORE_WRITE, &s), CQ_OK);
    store_close(&s);
    expect(&old, "SELECT stages FROM attempts WHERE id = 2",
           "[[1,10,1500000,1250000,2000001,40000000],[4,3,500000,250000,1500000,1750000]]");
    expect(&old, "SELECT count(*) FROM attempts WHERE stages IS NOT NULL", "2");
    expect(&old, "SELECT group_concat(stage || ' ' || count || ' ' || mean_ms || ' ' || p50_ms || ' ' || p95_ms || ' ' || max_ms, ', ') "
                 "FROM v_job_metrics WHERE job_id IN (2, 3)",
           "decode 10 1.5 1.25 2.000001 40.0, infer 3 0.5 0.25 1.5 1.75, write 1 7.0 7.0 7.0 7.0");
    fixture_teardown(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timings_move_into_the_attempt),
        cmocka_unit_test(a_killed_migration_changes_nothing),
        cmocka_unit_test(a_reader_undoes_what_is_half_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
