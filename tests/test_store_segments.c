/* A clip in segments: claimed, leased, failed and recorded like clips, counted as one, seen as one, ended once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/store_sqlite.h"
#include "tests/store_fixture.h"

enum { PARTS = 3, FRAMES = 4 /* sampled in each */ };

static struct fixture fx;
static struct store_job clip, parts[PARTS], other;

/* Clip 0 has been claimed and split, clip 1 waits behind it. */
static void split(void)
{
    struct segment cut[PARTS];
    for (int i = 0; i < PARTS; i++)
        cut[i] = (struct segment) {
            .from_s = i, .to_s = i + 1, .from_pts = i ? i * 100 : INT64_MIN, .to_pts = i + 1 < PARTS ? (i + 1) * 100 : INT64_MAX,
            .first_ordinal = i * 2 * FRAMES, .first_seq = i * FRAMES, .sampler = {i > 0, 0.5, i * 2 * FRAMES, i + 7},
            .frames = 2 * FRAMES, .digest = UINT64_MAX - (uint64_t) i, .sampled = FRAMES,
        };
    assert_true(fixture_claim(fx.store, "me", &clip));
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_split(fx.store, clip.id, clip.attempt, "other", cut, PARTS), CQ_STALE);
    assert_int_equal(store_split(fx.store, clip.id, clip.attempt, "me", cut, PARTS), CQ_OK);
    assert_int_equal(store_split(fx.store, clip.id, clip.attempt, "me", cut, PARTS), CQ_STALE);
    assert_int_equal(store_commit(fx.store), CQ_OK);
}

static int set_up(void **state)
{
    (void) state;
    fixture_setup(&fx);
    fixture_submit_all(&fx, 2);
    split();
    fixture_check_books(&fx);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    fixture_check_books(&fx);
    fixture_teardown(&fx);
    return 0;
}

static void expect(const char *sql, const char *want)
{
    char got[512];
    fixture_text(&fx, sql, got, sizeof got);
    if (strcmp(got, want))
        fail_msg("%s\n  gives %s\n  not   %s", sql, got, want);
}

static void claim_parts(void)
{
    for (int i = 0; i < PARTS; i++) {
        assert_true(fixture_claim(fx.store, "me", &parts[i]));
        assert_float_equal(parts[i].share, 1 / clip.probe.duration_s, 1e-6);    /* each is a second long */
    }
}

static void add_rows(const struct store_job *j)
{
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(fixture_add_frame(fx.store, j, j->segment.first_seq + i), CQ_OK);
}

static enum cq_err push(void *ctx, const float *v, int dims, int64_t seq, double time_s)
{
    int64_t *n = ctx;
    (void) time_s;
    assert_int_equal(dims, 4);
    assert_int_equal(seq, *n);
    assert_true((int64_t) v[0] == *n);
    ++*n;
    return CQ_OK;
}

/* As the supervisor does it: with the last segment's end the clip's, shots between. */
static enum cq_err end_part(const struct store_job *j)
{
    static const struct shot shots[] = {{0, 4, 0, 1, 0}, {5, 11, 1, 2, 0.5f}};
    static const struct signature sig = {.dims = 2, .v = {1, 0}, .duration_s = 3};
    int attempt = 0;
    int64_t n = 0;
    enum cq_err err = fixture_complete(fx.store, j, "me", FAIL_NONE);
    if (!err)
        err = store_split_is_done(fx.store, j->parent_id, &attempt);
    if (err || !attempt)
        return err;
    err = store_each_embedding(fx.store, j->parent_id, attempt, 1, push, &n);
    if (!err)
        err = store_add_shots(fx.store, j->parent_id, attempt, 1, shots, 2, &sig);
    if (!err)
        err = store_complete_split(fx.store, j->parent_id);
    return err;
}

static void finish(const struct store_job *j)
{
    assert_int_equal(store_begin(fx.store), CQ_OK);
    add_rows(j);
    assert_int_equal(end_part(j), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
}

static void fail_part(const struct store_job *j, enum failure why, int max_attempts)
{
    assert_int_equal(store_begin(fx.store), CQ_OK);
    add_rows(j);
    assert_int_equal(store_fail_attempt(fx.store, j->id, j->attempt, "me", why, "why it failed", max_attempts), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
}

static void segments_go_first_and_are_whole(void **state)
{
    (void) state;
    expect("SELECT state || segments FROM v_jobs WHERE job_id = 1", "pending3");
    claim_parts();
    expect("SELECT state FROM v_jobs WHERE job_id = 1", "running");
    for (int i = 0; i < PARTS; i++) {
        const struct segment *g = &parts[i].segment;
        assert_int_equal(parts[i].parent_id, clip.id);
        assert_string_equal(parts[i].path, clip.path);
        assert_true(parts[i].probe.duration_s == 1 && parts[i].probe.frames_claimed == 2 * FRAMES);
        assert_true(g->from_s == i && g->to_s == i + 1);
        assert_true(g->from_pts == (i ? i * 100 : INT64_MIN) && g->to_pts == (i + 1 < PARTS ? (i + 1) * 100 : INT64_MAX));
        assert_true(g->first_ordinal == i * 2 * FRAMES && g->first_seq == i * FRAMES);
        assert_true(g->sampler.started == (i > 0) && g->sampler.first_s == 0.5 && g->sampler.seen == i * 2 * FRAMES);
        assert_true(g->sampler.next_tick == i + 7 && g->digest == UINT64_MAX - (uint64_t) i && g->sampled == FRAMES);
    }
    assert_true(fixture_claim(fx.store, "me", &other));
    assert_int_equal(other.parent_id, 0);
    assert_int_equal(other.id, 2);
    assert_false(fixture_claim(fx.store, "me", &other));
}

static void the_clip_ends_with_its_last_segment(void **state)
{
    (void) state;
    static const int order[PARTS] = {1, 2, 0};
    claim_parts();
    for (int i = 0; i < PARTS; i++) {
        expect("SELECT count(*) FROM v_frames", "0");
        expect("SELECT count(*) FROM v_jobs WHERE state = 'done'", "0");
        finish(&parts[order[i]]);
    }
    expect("SELECT state || frames FROM v_jobs WHERE job_id = 1", "done24");       /* of two models */
    expect("SELECT count(*) FROM v_frames WHERE job_id = '1' AND path = '/clips/0.mp4'", "24");
    expect("SELECT group_concat(frame) FROM (SELECT frame FROM v_detections WHERE detection = 0 ORDER BY frame)",
           "0,2,4,6,8,10,12,14,16,18,20,22");
    expect("SELECT count(DISTINCT job_id) FROM v_embeddings", "1");
    expect("SELECT group_concat(first_frame || '-' || last_frame) FROM v_shots", "0-8,10-22");
    /* Sums of what fixture_complete() says of each. */
    expect("SELECT frames_decoded || ' ' || batches || ' ' || mean_batch || ' ' || device FROM v_job_summary", "60 15 4.0 pocl");
    expect("SELECT count || ' ' || round(mean_ms, 1) FROM v_job_metrics WHERE job_id = 1 AND stage = 'decode'", "3 1.0");
    store_flush_totals(fx.store);
    expect("SELECT count FROM stage_totals WHERE stage = 1", "3");
    expect("SELECT count(*) FROM segment_stages", "0");
    expect("SELECT group_concat(state) FROM v_segments", "done,done,done");
    expect("SELECT count(*) FROM v_attempts WHERE job_id = 1 AND accepted", "4");
    bool more = true;
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_match_signatures(fx.store, 0.5, &more), CQ_OK);
    assert_int_equal(end_part(&parts[0]), CQ_STALE);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    expect("SELECT matched FROM signatures", "1");
}

/* Each statement of the last segment's end fails once: nothing of it stays. */
static void a_last_end_that_fails_is_undone(void **state)
{
    (void) state;
    claim_parts();
    finish(&parts[0]);
    finish(&parts[1]);
    fixture_close(&fx);
    enum cq_err err = CQ_IO;
    for (int n = 1; err; n++) {
        char fault[32];
        snprintf(fault, sizeof fault, "sql@%d", n);
        setenv("CLIPQ_FAULT", fault, 1);
        enum cq_err open = store_open(&fx.log, fx.db, STORE_WRITE, &fx.store);
        unsetenv("CLIPQ_FAULT");
        if (open)
            continue;
        err = store_begin(fx.store);
        for (int i = 0; i < FRAMES && !err; i++)
            err = fixture_add_frame(fx.store, &parts[2], parts[2].segment.first_seq + i);
        if (!err)
            err = end_part(&parts[2]);
        if (!err)
            err = store_commit(fx.store);
        if (err)
            store_rollback(fx.store);
        expect("SELECT count(*) FROM v_frames", err ? "0" : "24");
        store_close(&fx.store);
        assert_true(n < 1000);
    }
    expect("SELECT state FROM v_jobs WHERE job_id = 1", "done");
}

static void a_failure_costs_its_segment(void **state)
{
    (void) state;
    claim_parts();
    finish(&parts[0]);
    fail_part(&parts[1], FAIL_CRASH, 3);
    finish(&parts[2]);
    expect("SELECT state FROM v_jobs WHERE job_id = 1", "pending");
    fixture_change(&fx, "UPDATE jobs SET not_before_ms = 0 WHERE state = 'pending' AND parent_id IS NOT NULL");
    struct store_job again[2];
    int n;
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_claim(fx.store, "me", 0, 60000, 2, again, &n), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    struct store_job *retry = again[0].parent_id ? &again[0] : &again[1];
    assert_int_equal(retry->id, parts[1].id);
    finish(retry);
    expect("SELECT state || frames || attempts FROM v_jobs WHERE job_id = 1", "done241");
    expect("SELECT group_concat(attempts) FROM v_segments", "1,2,1");
    expect("SELECT count(*) FROM frames", "24");
}

static void a_segment_that_dies_takes_its_clip_with_it(void **state)
{
    (void) state;
    claim_parts();
    finish(&parts[0]);
    fail_part(&parts[1], FAIL_IO, 1);
    expect("SELECT state || ' ' || reason || ': ' || message FROM v_failures", "dead io: segment 2 of 3: why it failed");
    expect("SELECT group_concat(state) FROM v_segments", "cancelled,dead,cancelled");
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(fixture_add_frame(fx.store, &parts[2], parts[2].segment.first_seq), CQ_STALE);
    assert_int_equal(end_part(&parts[2]), CQ_STALE);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    assert_true(fixture_work_one(fx.store, "me", 0));          /* the other clip; and sweeps */
    expect("SELECT count(*) FROM frames", "0");

    /* Whoever tries it again need not know of segments. */
    fixture_change(&fx, "UPDATE jobs SET state = 'pending', ended_ms = NULL WHERE id = 1");
    split();
    claim_parts();
    for (int i = 0; i < PARTS; i++)
        finish(&parts[i]);
    expect("SELECT state || frames FROM v_jobs WHERE job_id = 1", "done24");
}

static void lost_leases_and_releases(void **state)
{
    (void) state;
    struct store_job got[PARTS];
    int n;
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_claim(fx.store, "lost", 0, -1000, 2, got, &n), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    fixture_check_books(&fx);
    for (int i = 0; i <= 2; i++)
        assert_true(fixture_claim(fx.store, "me", &got[i]));
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_release(fx.store, "me", 0), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    expect("SELECT state FROM v_jobs WHERE job_id = 1", "pending");
    expect("SELECT group_concat(state) FROM v_segments", "pending,pending,pending");
}

static void a_void_prediction_makes_it_whole(void **state)
{
    (void) state;
    claim_parts();
    finish(&parts[0]);
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(store_unsplit(fx.store, parts[1].id, parts[1].attempt, "you", "7 frames"), CQ_STALE);
    assert_int_equal(store_unsplit(fx.store, parts[1].id, parts[1].attempt, "me", "7 frames"), CQ_OK);
    assert_int_equal(store_unsplit(fx.store, parts[1].id, parts[1].attempt, "me", "7 frames"), CQ_STALE);
    assert_int_equal(end_part(&parts[2]), CQ_STALE);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    expect("SELECT state || segments || attempts FROM v_jobs WHERE job_id = 1", "pending00");
    assert_true(fixture_claim(fx.store, "me", &clip));
    assert_int_equal(clip.id, 1);
    assert_int_equal(clip.parent_id, 0);
    assert_true(clip.whole);
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(fixture_add_frame(fx.store, &clip, 0), CQ_OK);
    assert_int_equal(fixture_complete(fx.store, &clip, "me", FAIL_DAMAGED), CQ_OK);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    expect("SELECT state || frames || attempts FROM v_jobs WHERE job_id = 1", "partial21");
    expect("SELECT count(*) FROM frames", "2");
}

static void cancelled_from_outside(void **state)
{
    (void) state;
    claim_parts();
    finish(&parts[0]);
    fixture_change(&fx, "UPDATE jobs SET state = 'cancelled', ended_ms = 5 WHERE id = 1");
    expect("SELECT group_concat(state) FROM v_segments", "cancelled,cancelled,cancelled");
    assert_int_equal(store_begin(fx.store), CQ_OK);
    assert_int_equal(fixture_add_frame(fx.store, &parts[1], parts[1].segment.first_seq), CQ_STALE);
    assert_int_equal(store_commit(fx.store), CQ_OK);
    assert_true(fixture_claim(fx.store, "me", &other));
    assert_int_equal(other.id, 2);
    assert_false(fixture_claim(fx.store, "me", &other));
}

static void done_and_done_again(void **state)
{
    (void) state;
    claim_parts();
    for (int i = 0; i < PARTS; i++)
        finish(&parts[i]);
    fixture_change(&fx, "UPDATE jobs SET state = 'pending', accepted_id = NULL, frame_rows = 0 WHERE id = 1");
    expect("SELECT count(*) FROM v_frames", "0");
    assert_true(fixture_claim(fx.store, "me", &other));     /* what is put back is behind what never was tried */
    assert_int_equal(other.id, 2);
    assert_true(fixture_claim(fx.store, "me", &clip));
    assert_int_equal(clip.id, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(segments_go_first_and_are_whole),
        CASE(the_clip_ends_with_its_last_segment),
        CASE(a_last_end_that_fails_is_undone),
        CASE(a_failure_costs_its_segment),
        CASE(a_segment_that_dies_takes_its_clip_with_it),
        CASE(lost_leases_and_releases),
        CASE(a_void_prediction_makes_it_whole),
        CASE(cancelled_from_outside),
        CASE(done_and_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
