/* Opening, refusing, submitting. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "runner/store_control.h"
#include "tests/store_fixture.h"

/* ---- opening ---- */

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL))
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

struct snapshot { long size; unsigned sum; };

static struct snapshot snapshot(const char *path)
{
    struct snapshot s = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF; s.size++)
        s.sum = s.sum * 31 + (unsigned) c;
    fclose(file);
    return s;
}

/* Refused with `want` in each mode, with a message, and with no byte changed and no file beside it. */
static void refuses(struct fixture *f, const char *path, enum cq_err want)
{
    struct snapshot before = snapshot(path);
    for (int mode = STORE_READ; mode <= STORE_CREATE; mode++) {
        struct store *s;
        f->log.last_error[0] = '\0';
        assert_int_equal(store_open(&f->log, path, (enum store_mode) mode, &s), want);
        assert_null(s);
        assert_non_null(strstr(f->log.last_error, path));
    }
    struct snapshot after = snapshot(path);
    assert_int_equal(before.size, after.size);
    assert_int_equal(before.sum, after.sum);
    char wal[256];
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(access(wal, F_OK), -1);
    unlink(path);
}

static void refuses_what_is_not_its_own(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/other", f->folder);
    write_file(path, "This is a list of my clips, and not a database at all. Keep it.\n");
    refuses(f, path, CQ_FOREIGN);
    sql(path, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    refuses(f, path, CQ_FOREIGN);
    sql(path, "PRAGMA journal_mode = WAL; CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    refuses(f, path, CQ_FOREIGN);
    sql(path, "PRAGMA application_id = 1234; CREATE TABLE mine (x)");
    refuses(f, path, CQ_FOREIGN);
}

static void refuses_a_newer_schema(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/newer", f->folder);
    struct store *s;
    assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_OK);
    store_close(&s);
    sql(path, "PRAGMA user_version = 999");
    for (int mode = STORE_READ; mode <= STORE_CREATE; mode++)
        assert_int_equal(store_open(&f->log, path, (enum store_mode) mode, &s), CQ_NEWER);
    assert_non_null(strstr(f->log.last_error, "999"));
}

static enum cq_err no_tuning(void *ctx, const struct store_tuning_row *row)
{
    (void) ctx, (void) row;
    fail();
    return CQ_OK;
}

static enum cq_err no_worker(void *ctx, const struct store_worker_row *row)
{
    (void) ctx, (void) row;
    fail();
    return CQ_OK;
}

extern const char schema_001_init[];

static enum cq_err count_class(void *ctx, const struct store_failure_class *c)
{
    *(int64_t *) ctx += c->count;
    return CQ_OK;
}

static enum cq_err count_running(void *ctx, const struct store_running_row *r)
{
    (void) r;
    ++*(int64_t *) ctx;
    return CQ_OK;
}

static enum cq_err count_frames(void *ctx, const struct store_model_row *m)
{
    *(int64_t *) ctx += m->frames;
    return CQ_OK;
}

/* A file of version 1: a clip that failed, one that is under way, one that is done with a frame. */
static void make_version_1(const char *path)
{
    sql(path, schema_001_init);
    sql(path, "PRAGMA application_id = 1668051057;"
              "INSERT INTO models VALUES (1, 'h', 'm', 'p', 'yolox', '');"
              "INSERT INTO pipelines VALUES (1, 'h', '{}', 0);"
              "INSERT INTO pipeline_models VALUES (1, 0, 1);"
              "INSERT INTO clips SELECT value, '/clip' || value, 'f' || value, '', '', 1, 1, '', '', '', 1, 1, 1, 1, 1, 1, 0, 0, 1, 30, "
              "0, 1, 1, 1, 0, 1, '' FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3);"
              "INSERT INTO jobs (clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, probe_ns, media_ms, "
              "owner, attempt, attempt_id, accepted_id, frame_rows) VALUES (1, 1, 'failed', 'io', 'm', 0, 0, 5, 0, 1000, NULL, 1, 1, NULL, 0), "
              "(2, 1, 'running', '', '', 0, 0, 5, 0, 1000, 'me', 7, 2, NULL, 0), (3, 1, 'done', '', '', 0, 0, 5, 0, 1000, NULL, 1, 3, 3, 1);"
              "INSERT INTO attempts (id, job_id, attempt, owner, started_ms, outcome) VALUES (1, 1, 1, 'me', 1, 'failed'), "
              "(2, 2, 7, 'me', 1, 'running'), (3, 3, 1, 'me', 1, 'done');"
              "INSERT INTO runs (id, started_ms, alive_until_ms, host, pid, workers, batch, devices, options) "
              "VALUES (1, 0, 0, '', 1, 1, 0, '', '');"
              "INSERT INTO frames VALUES (3, 0, 0, 0, 0, 0, 0, NULL);"
              "INSERT INTO paths SELECT '/clip' || id, id FROM jobs; PRAGMA user_version = 1");
}

static enum cq_err no_processors(void *ctx, const struct store_run_row *r)
{
    ++*(int *) ctx;
    assert_true(r->id == 1 && r->processors == 0 && r->engine_cpu_s == 0);
    return CQ_OK;
}

/* Readers do without what it lacks, writers bring it up. */
static void an_older_schema_is_brought_up(void **state)
{
    struct fixture *f = *state;
    struct fixture older = {0};
    struct store *s;
    int64_t failed = 0, running = 0;
    int runs = 0;
    snprintf(older.db, sizeof older.db, "%s/older", f->folder);
    make_version_1(older.db);
    assert_int_equal(store_open(&f->log, older.db, STORE_READ, &s), CQ_OK);
    assert_int_equal(store_each_tuning(s, "k", no_tuning, NULL), CQ_OK);
    assert_int_equal(store_each_worker(s, no_worker, NULL), CQ_OK);
    assert_int_equal(store_each_run(s, 9, no_processors, &runs), CQ_OK);
    assert_int_equal(runs, 1);
    assert_int_equal(store_each_failure_class(s, count_class, &failed), CQ_OK);
    assert_int_equal(store_each_running(s, count_running, &running), CQ_OK);
    assert_int_equal(failed + running, 2);
    int64_t frames = 0;
    assert_int_equal(store_each_model(s, count_frames, &frames), CQ_OK);
    assert_int_equal(frames, 1);
    struct store_pause pause;
    assert_int_equal(store_get_pause(s, &pause), CQ_OK);
    assert_int_equal(pause.since_ms, 0);
    store_close(&s);
    assert_int_equal(store_open(&f->log, older.db, STORE_WRITE, &s), CQ_OK);
    const struct store_tuning t = {"d", "1", "k", "a", "CONV", "conv_tile", "conv_tile", "{}"};
    assert_int_equal(store_begin(s), CQ_OK);
    assert_int_equal(store_put_tuning(s, &t), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    store_close(&s);
    sql(older.db, "SELECT ms FROM v_tunings");
    fixture_check_books(&older);
    assert_int_equal(fixture_int(&older, "SELECT count(*) FROM v_jobs JOIN v_paths USING (job_id)"), 3);
    assert_int_equal(fixture_int(&older, "SELECT count(*) FROM jobs WHERE id = 2 AND owner = 'me' AND attempt = 7"), 1);
    assert_int_equal(fixture_int(&older, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static void missing_file_or_folder(void **state)
{
    struct fixture *f = *state;
    char path[160];
    struct store *s;
    snprintf(path, sizeof path, "%s/none", f->folder);
    assert_int_equal(store_open(&f->log, path, STORE_READ, &s), CQ_NOT_FOUND);
    assert_int_equal(store_open(&f->log, path, STORE_WRITE, &s), CQ_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/none/clipq.db", f->folder);
    assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_NOT_FOUND);
    assert_int_equal(store_open(NULL, f->folder, STORE_CREATE, &s), CQ_FOREIGN);    /* a folder */
}

static void too_long_a_path(void **state)
{
    struct fixture *f = *state;
    char *path = malloc(STORE_PATH + 10);
    memset(path, 'x', STORE_PATH + 9);
    path[STORE_PATH + 9] = '\0';
    struct store *s;
    assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_INVALID);
    free(path);
}

/* An empty file is what mktemp gives: it may become a database, but not be read as one. */
static void takes_an_empty_file(void **state)
{
    struct fixture *f = *state;
    char path[160];
    struct store *s;
    snprintf(path, sizeof path, "%s/empty", f->folder);
    write_file(path, "");
    assert_int_equal(store_open(&f->log, path, STORE_READ, &s), CQ_FOREIGN);
    assert_int_equal(store_open(&f->log, path, STORE_WRITE, &s), CQ_FOREIGN);
    assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_OK);
    store_close(&s);
    assert_int_equal(store_open(&f->log, path, STORE_READ, &s), CQ_OK);
    store_close(&s);
}

/* As another user than root, to whom nothing is denied. Exit code: the store's error. */
static int open_as_nobody(const struct fixture *f, const char *path, enum store_mode mode)
{
    pid_t pid = fork();
    if (!pid) {
        struct cq_log log = f->log;
        struct store *s;
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(99);
        int err = store_open(&log, path, mode, &s);
        struct store_counts counts;
        if (!err)
            err = mode == STORE_READ ? store_get_counts(s, &counts) : store_begin(s);
        _exit(err);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void denied_where_it_may_not_write(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/new.db", f->folder);
    fixture_close(f);
    assert_int_equal(chmod(f->folder, 0555), 0);
    assert_int_equal(open_as_nobody(f, path, STORE_CREATE), CQ_DENIED);
    assert_int_equal(open_as_nobody(f, f->db, STORE_WRITE), CQ_DENIED);     /* a log beside it cannot be made */
    assert_int_equal(chmod(f->folder, 0777), 0);
    assert_int_equal(chmod(f->db, 0444), 0);
    assert_int_equal(open_as_nobody(f, f->db, STORE_WRITE), CQ_DENIED);
    assert_int_equal(chmod(f->db, 0), 0);
    assert_int_equal(open_as_nobody(f, f->db, STORE_READ), CQ_DENIED);
}

static void an_archived_database_is_read(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    assert_int_equal(chmod(f->db, 0444), 0);
    assert_int_equal(chmod(f->folder, 0555), 0);
    assert_int_equal(open_as_nobody(f, f->db, STORE_READ), CQ_OK);
    assert_int_equal(chmod(f->folder, 0777), 0);
}

static void busy_while_another_writes(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &other), CQ_OK);
    assert_int_equal(store_begin(f->store), CQ_OK);
    fixture_submit(f->store, f->pipeline, 1);

    struct store_counts counts;                     /* looking goes on, and sees what was committed */
    struct store *reader;
    assert_int_equal(store_open(&f->log, f->db, STORE_READ, &reader), CQ_OK);
    assert_int_equal(store_get_counts(reader, &counts), CQ_OK);
    assert_int_equal(counts.submitted, 0);
    assert_int_equal(store_begin(other), CQ_BUSY);  /* after the busy timeout of 10 s */
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(store_get_counts(reader, &counts), CQ_OK);
    assert_int_equal(counts.submitted, 1);
    assert_int_equal(store_begin(other), CQ_OK);
    store_rollback(other);
    store_close(&reader);
    store_close(&other);
}

static void readers_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct store *reader;
    int64_t run;
    assert_int_equal(store_open(&f->log, f->db, STORE_READ, &reader), CQ_OK);
    assert_int_equal(store_start_run(reader, &(struct store_run) {.workers = 1}, &run), CQ_DENIED);
    store_close(&reader);
}

/* Two that create at once get one database; `n` processes, each submits one clip. */
static void several_may_create_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 6 };
    char path[128];
    snprintf(path, sizeof path, "%s/raced", f->folder);
    pid_t pids[N];
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        struct store *s;
        int64_t pipeline, job;
        enum store_put what;
        struct probe p = fixture_probe(i);
        _exit(store_open(&f->log, path, STORE_CREATE, &s) || store_begin(s)
              || store_put_pipeline(s, "p", "{}", NULL, 0, &pipeline)
              || store_put_clip_job(s, p.fingerprint, &p, 0, pipeline, 0, &job, &what) || store_commit(s));
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct store *s;
    struct store_counts counts;
    assert_int_equal(store_open(&f->log, path, STORE_WRITE, &s), CQ_OK);
    assert_int_equal(store_get_counts(s, &counts), CQ_OK);
    assert_int_equal(counts.pending, N);
    store_close(&s);
}

/* ---- submitting ---- */

static void submitting_twice_is_once(void **state)
{
    struct fixture *f = *state;
    struct probe p = fixture_probe(1);
    char here[160];
    snprintf(here, sizeof here, "%s", f->db);            /* a path that exists */
    int64_t job = fixture_put(f, here, &p, f->pipeline, STORE_NEW);
    assert_int_equal(fixture_put(f, here, &p, f->pipeline, STORE_KNOWN), job);
    assert_int_equal(fixture_put(f, "/copy.mp4", &p, f->pipeline, STORE_SAME_CONTENT), job);
    assert_int_equal(fixture_put(f, "/copy.mp4", &p, f->pipeline, STORE_KNOWN), job);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_paths WHERE job_id = 1"), 2);
    assert_int_equal(fixture_int(f, "SELECT is_other_path FROM v_paths WHERE path = '/copy.mp4'"), 1);

    int64_t other, id;
    const struct store_model m = {"m", "cccc", "/m", "raw", NULL, 0};
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_model(f->store, &m, &id), CQ_OK);
    assert_int_equal(store_put_pipeline(f->store, "p2", "{}", &id, 1, &other), CQ_OK);
    assert_int_equal(store_put_pipeline(f->store, "p2", "{}", &id, 1, &id), CQ_OK);
    assert_int_equal(id, other);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_not_equal(fixture_put(f, here, &p, other, STORE_NEW), job);
    fixture_check_books(f);
}

static void same_model_other_labels_is_another(void **state)
{
    struct fixture *f = *state;
    const char *one[] = {"a", "b"}, *two[] = {"a", "c"};
    struct store_model m = {"m", "h", "/old", "yolox", one, 2};
    int64_t first, again, other;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_model(f->store, &m, &first), CQ_OK);
    m.path = "/new";
    assert_int_equal(store_put_model(f->store, &m, &again), CQ_OK);
    m.labels = two;
    assert_int_equal(store_put_model(f->store, &m, &other), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
    char path[STORE_PATH];
    assert_int_equal(store_get_model_path(f->store, "h", path), CQ_OK);
    assert_string_equal(path, "/new");
    assert_int_equal(store_get_model_path(f->store, "unknown", path), CQ_NOT_FOUND);
}

static void a_vanished_path_gives_way(void **state)
{
    struct fixture *f = *state;
    struct probe p = fixture_probe(1);
    int64_t job = fixture_put(f, "/gone/a.mp4", &p, f->pipeline, STORE_NEW);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", FAIL_VANISHED, NULL, 1), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_jobs WHERE state = 'dead' AND reason = 'vanished'"), 1);

    p.mtime_ns = 99;
    assert_int_equal(fixture_put(f, "/moved/b.mp4", &p, f->pipeline, STORE_SAME_CONTENT), job);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_string_equal(j.path, "/moved/b.mp4");
    assert_int_equal(j.probe.mtime_ns, 99);
    assert_int_equal(j.attempt, 2);
    fixture_check_books(f);
}

static void unreadable_clips_go_by_path_and_heal(void **state)
{
    struct fixture *f = *state;
    struct probe bad = {.failure = FAIL_EMPTY, .message = "0 bytes", .start_pts = INT64_MIN};
    int64_t a = fixture_put(f, "/a.mp4", &bad, f->pipeline, STORE_NEW), b = fixture_put(f, "/b.mp4", &bad, f->pipeline, STORE_NEW);
    assert_int_not_equal(a, b);
    bad.failure = FAIL_NOT_MEDIA;
    assert_int_equal(fixture_put(f, "/a.mp4", &bad, f->pipeline, STORE_KNOWN), a);
    char text[64];
    fixture_text(f, "SELECT state || ' ' || reason FROM v_jobs WHERE path = '/a.mp4'", text, sizeof text);
    assert_string_equal(text, "failed not_media");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_failures"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_job_metrics WHERE stage = 'probe'"), 2);

    struct probe good = fixture_probe(1);
    assert_int_equal(fixture_put(f, "/a.mp4", &good, f->pipeline, STORE_NEW), a);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(j.id, a);
    assert_false(fixture_claim(f->store, "me", &j));
    fixture_check_books(f);
}

static void the_probe_comes_back_whole(void **state)
{
    struct fixture *f = *state;
    struct probe p = fixture_probe(5);
    p.start_pts = -12345;
    p.mirrored = true;
    p.frames_claimed = 1LL << 40;
    fixture_put(f, "/c/\xff\xfe not UTF-8.mp4", &p, f->pipeline, STORE_NEW);
    struct store_job j;
    assert_true(fixture_claim(f->store, "me", &j));
    assert_string_equal(j.path, "/c/\xff\xfe not UTF-8.mp4");
    assert_int_equal(j.pipeline_id, f->pipeline);
    struct probe *q = &j.probe;
    assert_string_equal(q->fingerprint, p.fingerprint);
    assert_string_equal(q->container, p.container);
    assert_string_equal(q->codec, p.codec);
    assert_string_equal(q->pixel_format, p.pixel_format);
    assert_string_equal(q->stream_reason, p.stream_reason);
    assert_int_equal(q->size, p.size);
    assert_int_equal(q->coded_w, 640);
    assert_int_equal(q->coded_h, 480);
    assert_int_equal(q->display_w, 480);
    assert_int_equal(q->display_h, 640);
    assert_int_equal(q->sar_num, 1);
    assert_int_equal(q->sar_den, 1);
    assert_int_equal(q->rotation, 90);
    assert_true(q->mirrored);
    assert_int_equal(q->tb_num, 1);
    assert_int_equal(q->tb_den, 30);
    assert_int_equal(q->start_pts, -12345);
    assert_true(q->duration_s == 2.5);
    assert_int_equal(q->frames_claimed, 1LL << 40);
    assert_true(q->fps == 30);
    assert_int_equal(q->stream_index, 0);
    assert_int_equal(q->video_streams, 1);

    fixture_put(f, "/unknown-start.mp4", &(struct probe) {.fingerprint = "x", .start_pts = INT64_MIN}, f->pipeline, STORE_NEW);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(j.probe.start_pts, INT64_MIN);
}

static void pipelines_come_back(void **state)
{
    struct fixture *f = *state;
    char *text;
    assert_int_equal(store_get_pipeline(f->store, f->pipeline, &text), CQ_OK);
    assert_string_equal(text, "{\"version\":1}");
    free(text);
    assert_int_equal(store_get_pipeline(f->store, 99, &text), CQ_NOT_FOUND);
    assert_null(text);
    int64_t ids[4];
    int n;
    assert_int_equal(store_pending_pipelines(f->store, ids, 4, &n), CQ_OK);
    assert_int_equal(n, 0);
    fixture_submit_all(f, 2);
    assert_int_equal(store_pending_pipelines(f->store, ids, 4, &n), CQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], f->pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_what_is_not_its_own, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(refuses_a_newer_schema, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(an_older_schema_is_brought_up, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(missing_file_or_folder, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(too_long_a_path, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(takes_an_empty_file, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(denied_where_it_may_not_write, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(an_archived_database_is_read, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(busy_while_another_writes, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(readers_cannot_write, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(several_may_create_at_once, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(submitting_twice_is_once, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(same_model_other_labels_is_another, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_vanished_path_gives_way, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(unreadable_clips_go_by_path_and_heal, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(the_probe_comes_back_whole, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(pipelines_come_back, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
