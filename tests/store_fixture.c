/* See store_fixture.h. */
#include "tests/store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/books.h"

static void silent(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
}

static void put_pipeline(struct fixture *f)
{
    static const char *const labels[] = {"person", "bicycle", "car"};
    const struct store_model detector = {"detector.onnx", "aaaa", "/models/detector.onnx", "yolox", labels, 3};
    const struct store_model scene = {"builtin:scene", "bbbb", "builtin:scene", "scene", NULL, 0};
    int64_t ids[2];
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_model(f->store, &detector, &ids[0]), CQ_OK);
    assert_int_equal(store_put_model(f->store, &scene, &ids[1]), CQ_OK);
    assert_int_equal(store_put_pipeline(f->store, "p1", "{\"version\":1}", ids, 2, &f->pipeline), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

void fixture_setup(struct fixture *f)
{
    *f = (struct fixture) {.log = {.level = CQ_ERROR, .sink = silent}};
    const char *tmp = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/clipq-store-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->db, sizeof f->db, "%s/a db?#%%.db", f->folder);      /* a name that must be escaped in a URI */
    assert_int_equal(store_open(&f->log, f->db, STORE_CREATE, &f->store), CQ_OK);
    put_pipeline(f);
}

void fixture_close(struct fixture *f)
{
    store_close(&f->store);
}

void fixture_teardown(struct fixture *f)
{
    fixture_close(f);
    DIR *folder = opendir(f->folder);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder)); )
        unlinkat(dirfd(folder), e->d_name, 0);
    closedir(folder);
    assert_int_equal(rmdir(f->folder), 0);
}

int fixture_begin(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    fixture_setup(f);
    *state = f;
    return 0;
}

int fixture_end(void **state)
{
    fixture_teardown(*state);
    free(*state);
    return 0;
}

int fixture_end_checked(void **state)
{
    fixture_check_books(*state);
    return fixture_end(state);
}

struct probe fixture_probe(int number)
{
    struct probe p = {
        .size = 1000 + number, .mtime_ns = 77, .container = "mov", .codec = "h264", .pixel_format = "yuv420p",
        .coded_w = 640, .coded_h = 480, .display_w = 480, .display_h = 640, .sar_num = 1, .sar_den = 1, .rotation = 90,
        .tb_num = 1, .tb_den = 30, .start_pts = INT64_MIN, .duration_s = 2.5, .fps = 30, .video_streams = 1,
        .stream_reason = "the only one",
    };
    snprintf(p.fingerprint, sizeof p.fingerprint, "%032x", (unsigned) number);
    return p;
}

int64_t fixture_submit(struct store *s, int64_t pipeline, int number)
{
    struct probe p = fixture_probe(number);
    char path[64];
    snprintf(path, sizeof path, "/clips/%d.mp4", number);
    int64_t job = 0;
    enum store_put what;
    assert_int_equal(store_put_clip_job(s, path, &p, 2000000, pipeline, 0, &job, &what), CQ_OK);
    return job;
}

void fixture_submit_all(struct fixture *f, int n)
{
    assert_int_equal(store_begin(f->store), CQ_OK);
    for (int i = 0; i < n; i++)
        fixture_submit(f->store, f->pipeline, i);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

int64_t fixture_put(struct fixture *f, const char *path, const struct probe *p, int64_t pipeline, enum store_put want)
{
    int64_t job;
    enum store_put what;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_clip_job(f->store, path, p, 1000, pipeline, 0, &job, &what), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(what, want);
    return job;
}

enum cq_err fixture_add_frame(struct store *s, const struct store_job *j, int64_t seq)
{
    struct detection boxes[2] = {
        {.class_id = 0, .score = 0.9f, .x0 = 10, .y0 = 20, .x1 = 110, .y1 = 220, .n_points = 2, .point = {{1, 2}, {3.5f, 4}}},
        {.class_id = 7, .score = 0.4f, .x0 = 1, .y0 = 2, .x1 = 3, .y1 = 4},
    };
    struct classification best = {.class_id = 2, .score = 0.8f};
    struct answer found = {.detections = boxes, .n_detections = 2, .classes = &best, .n_classes = 1};
    struct store_frame frame = {.model = 0, .seq = seq, .ordinal = seq * 2, .pts = seq * 2 + 5,
                                .time_s = (double) (seq * 2 + 5) / 30, .source_seq = -1, .answer = &found};
    enum cq_err err = store_add_frame(s, j->id, j->attempt, &frame);
    if (err)
        return err;

    float v[4] = {(float) seq, 1, 2, 3};
    struct artifact file = {"png", "image", "4x4", "out/1.png"};
    struct answer scene = {.embedding = v, .dims = 4, .has_quality = 1, .artifacts = &file, .n_artifacts = 1,
                           .quality = {.sharpness = 5, .exposure = seq % 2 ? 0.05f : 0.5f, .contrast = 0.1f}};
    frame.model = 1;
    frame.answer = &scene;
    return store_add_frame(s, j->id, j->attempt, &frame);
}

enum cq_err fixture_complete(struct store *s, const struct store_job *j, const char *owner, enum failure failure)
{
    struct store_completion *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->job_id = j->id;
    c->attempt = j->attempt;
    c->owner = owner;
    c->failure = failure;
    c->frames_decoded = 20;
    c->frames_sampled = c->frames_inferred = 10;
    c->batches = 5;
    c->mean_batch = 4;
    c->wall_ns = 2000000000;
    snprintf(c->device, sizeof c->device, "pocl");
    for (int i = METRIC_DECODE; i < METRIC_COUNT; i++)
        histogram_add(&c->stages[i], 1000000 * i);
    enum cq_err err = store_complete(s, c);
    free(c);
    return err;
}

bool fixture_claim(struct store *s, const char *owner, struct store_job *out)
{
    int n;
    assert_int_equal(store_begin(s), CQ_OK);
    assert_int_equal(store_claim(s, owner, 0, 60000, 1, out, &n), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    return n == 1;
}

bool fixture_work_one(struct store *s, const char *owner, int frames)
{
    struct store_job j;
    if (!fixture_claim(s, owner, &j))
        return false;
    assert_int_equal(store_begin(s), CQ_OK);
    for (int i = 0; i < frames; i++)
        assert_int_equal(fixture_add_frame(s, &j, i), CQ_OK);
    assert_int_equal(fixture_complete(s, &j, owner, FAIL_NONE), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    return true;
}

void fixture_change(const struct fixture *f, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f->db, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void fixture_text(const struct fixture *f, const char *sql, char *out, int size)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(f->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        fail_msg("%s: %s", sql, rc == SQLITE_DONE ? "no row" : sqlite3_errmsg(db));
    const unsigned char *text = sqlite3_column_text(stmt, 0);
    snprintf(out, (size_t) size, "%s", text ? (const char *) text : "NULL");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

int64_t fixture_int(const struct fixture *f, const char *sql)
{
    char text[64];
    fixture_text(f, sql, text, sizeof text);
    return strtoll(text, NULL, 10);
}

void fixture_check_books(const struct fixture *f)
{
    char text[64];
    fixture_text(f, "PRAGMA integrity_check", text, sizeof text);
    assert_string_equal(text, "ok");
    /* The totals equal the rows, state by state; segments are not counted. */
    assert_int_equal(fixture_int(f,
        "SELECT count(*) FROM totals t WHERE (jobs, media_ms, frame_rows) IS NOT "
        "(SELECT count(*), coalesce(sum(media_ms), 0), coalesce(sum(frame_rows), 0) FROM jobs j "
        "WHERE j.pipeline_id = t.pipeline_id AND iif(j.state IN ('pending', 'running'), 'open', j.state) = t.state AND j.parent_id IS NULL)"), 0);
    assert_int_equal(fixture_int(f, BOOK_CONTENTS), 0);
    /* Attempts that are in no index by their job are its newest. */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM attempts a WHERE outcome IN ('running', 'done') AND NOT "
                                    "EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.job_id AND j.attempt_id = a.id)"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE parent_id IS NULL"), fixture_int(f, "SELECT sum(jobs) FROM totals"));
    /* What is done has been accepted, what is accepted is done, and every accepted row is counted. Segments are accepted
     * with their clip; one that waits for them has some to wait for, and runs when one of them does. */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE (accepted_id IS NOT NULL) <> (state IN ('done', 'partial')) "
                                    "AND parent_id IS NULL"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs s JOIN jobs j ON j.id = s.parent_id WHERE (s.accepted_id IS NOT NULL) <> "
                                    "(s.state = 'done' AND j.state = 'done')"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs j WHERE segments > 0 AND state IN ('pending', 'running') AND "
                                    "(state = 'running') <> EXISTS (SELECT 1 FROM jobs s WHERE s.parent_id = j.id AND s.state = 'running')"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs j WHERE segments > 0 AND state IN ('pending', 'running') AND NOT "
                                    "EXISTS (SELECT 1 FROM jobs s WHERE s.parent_id = j.id AND s.state IN ('pending', 'running'))"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs s JOIN jobs j ON j.id = s.parent_id WHERE s.state IN ('pending', 'running') "
                                    "AND (j.segments = 0 OR j.state NOT IN ('pending', 'running'))"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), fixture_int(f, "SELECT sum(frame_rows) FROM totals"));
    static const char *const kinds[] = {"frames", "detections", "classifications", "embeddings", "shots", "artifacts"};
    for (int i = 0; i < 6; i++) {
        char ask[512];
        snprintf(ask, sizeof ask, "SELECT count(*) FROM model_totals t WHERE %s <> (SELECT count(*) FROM jobs j JOIN %s r ON "
                                  "r.attempt_id = j.accepted_id AND r.model = t.model WHERE j.pipeline_id = t.pipeline_id)",
                 kinds[i], kinds[i]);
        assert_int_equal(fixture_int(f, ask), 0);
    }
    /* Leases belong to running jobs, and to the attempt that the history calls running. */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE (owner IS NOT NULL) <> (state = 'running') AND segments = 0"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE owner IS NOT NULL AND segments > 0"), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM attempts a WHERE (outcome = 'running') <> "
                                    "EXISTS (SELECT 1 FROM jobs j WHERE j.attempt_id = a.id AND j.state = 'running' AND j.segments = 0)"), 0);
}
