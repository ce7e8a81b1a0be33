/* Scores in the database: kept beside their inputs, worked out again by SQL, with the time of attempts that were lost. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runner/store_jobs.h"
#include "tests/store_fixture.h"

static const struct store_score usual = {
    .inputs = {.took_s = 4, .processors = 2, .decoded = 10, .decode_s = 1, .inferred = 10, .infer_s = 3},
    .losses = {[SCORE_STARTUP] = 0.5, [SCORE_OTHERS] = 1.5},
};

static void complete(struct fixture *f, const struct store_job *j, const struct store_score *score)
{
    const struct store_completion c = {.job_id = j->id, .attempt = j->attempt, .owner = "me", .wall_ns = 1, .score = *score};
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_complete(f->store, &c), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static void expect(struct fixture *f, const char *sql, const char *want)
{
    char got[512];
    fixture_text(f, sql, got, sizeof got);
    if (strcmp(got, want))
        fail_msg("%s\n  gives %s\n  not   %s", sql, got, want);
}

static void a_jobs_score_is_kept_and_worked_out_again(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    struct store_score_row r;
    fixture_submit_all(f, 2);
    assert_true(fixture_claim(f->store, "me", &j));
    complete(f, &j, &usual);
    expect(f, "SELECT score || ' ' || recomputed || ' ' || needed_s || ' ' || reason FROM v_scores WHERE scope = 'job'", "50.0 50.0 2.0 other programs");
    expect(f, "SELECT count(*) FROM v_scores s JOIN score_reasons a USING (reason) WHERE s.advice = a.advice", "1");
    assert_int_equal(store_get_job_score(f->store, j.id, &r), CQ_OK);
    assert_true(r.kept && fabs(r.score - 50) < 1e-9 && r.parts.inputs.decoded == 10 && fabs(r.parts.losses[SCORE_STARTUP] - 0.5) < 1e-9);
    assert_string_equal(r.reason, "other programs");

    /* Any input that changes changes it. */
    static const struct { const char *input, *value, *want; } changes[] = {
        {"took_s", "8", "25.0"}, {"decode_s", "2", "31.25"}, {"infer_s", "9", "68.75"}, {"processors", "4", "34.375"},
        {"device_s", "7", "87.5"}, {"devices", "2", "43.75"}, {"unknown", "1", "none"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char change[200];
        snprintf(change, sizeof change, "UPDATE attempts SET score_inputs = json_set(score_inputs, '$.%s', %s) WHERE score IS NOT NULL",
                 changes[i].input, changes[i].value);
        fixture_change(f, change);
        expect(f, "SELECT coalesce(recomputed, 'none') FROM v_scores WHERE scope = 'job'", changes[i].want);
    }
}

static void without_limits_there_is_none_but_a_reason(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    struct store_score_row r;
    struct store_score score = usual;
    fixture_submit_all(f, 2);
    score.inputs.unknown = true;
    assert_true(fixture_claim(f->store, "me", &j));
    complete(f, &j, &score);
    expect(f, "SELECT score IS NULL AND recomputed IS NULL AND reason = 'no limit known' AND advice IS NULL FROM v_scores", "1");
    assert_int_equal(store_get_job_score(f->store, j.id, &r), CQ_OK);
    assert_true(r.kept && isnan(r.score));
    assert_true(fixture_claim(f->store, "me", &j));
    complete(f, &j, &(struct store_score) {.inputs = {0}});      /* nobody has counted anything */
    assert_int_equal(store_get_job_score(f->store, j.id, &r), CQ_OK);
    assert_false(r.kept);
    expect(f, "SELECT count(*) FROM v_scores", "1");
}

static void lost_attempts_lower_it(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    fixture_submit_all(f, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(fixture_claim(f->store, "me", &j));
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(store_note_attempt(f->store, &(struct store_attempt_note) {.job_id = j.id, .attempt = j.attempt, .took_s = 2}), CQ_OK);
        assert_int_equal(store_fail_attempt(f->store, j.id, j.attempt, "me", FAIL_IO, "gone", 9), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
        fixture_change(f, "UPDATE jobs SET not_before_ms = 0");
    }
    expect(f, "SELECT count(*) FROM v_scores", "0");
    assert_true(fixture_claim(f->store, "me", &j));
    complete(f, &j, &usual);
    expect(f, "SELECT score || ' ' || took_s || ' ' || reason || ' ' || (losses ->> '$.\"lost attempts\"') FROM v_scores", "25.0 8 lost attempts 4");
}

static void segments_add_up_to_their_clip(void **state)
{
    struct fixture *f = *state;
    struct store_job j, part;
    int attempt;
    const struct segment parts[2] = {{.from_s = 0, .to_s = 1, .to_pts = 5}, {.from_s = 1, .to_s = 2, .from_pts = 5}};
    struct store_score other = usual;
    fixture_submit_all(f, 1);
    assert_true(fixture_claim(f->store, "me", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_split(f->store, j.id, j.attempt, "me", parts, 2), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    other.inputs.took_s = 6;
    other.losses[SCORE_STARTUP] = 2.5;
    for (int i = 0; i < 2; i++) {
        assert_true(fixture_claim(f->store, "me", &part));
        complete(f, &part, i ? &other : &usual);
    }
    expect(f, "SELECT count(*) FROM v_scores", "0");
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_split_is_done(f->store, j.id, &attempt), CQ_OK);
    assert_int_equal(attempt, j.attempt);
    assert_int_equal(store_complete_split(f->store, j.id), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    expect(f, "SELECT job_id || ' ' || score || ' ' || recomputed || ' ' || took_s || ' ' || decoded || ' ' || reason FROM v_scores", "1 40.0 40.0 10 20 start-up");
}

static void a_run_has_one_too(void **state)
{
    struct fixture *f = *state;
    struct store_score_row r;
    int64_t run;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_start_run(f->store, &(struct store_run) {.workers = 1}, &run), CQ_OK);
    assert_int_equal(store_get_run_score(f->store, run, &r), CQ_OK);
    assert_false(r.kept);
    assert_int_equal(store_put_run_score(f->store, run, &usual), CQ_OK);
    assert_int_equal(store_get_run_score(f->store, run, &r), CQ_OK);
    assert_true(r.kept && fabs(r.score - 50) < 1e-9);
    assert_int_equal(store_commit(f->store), CQ_OK);
    expect(f, "SELECT run_id || scope || score || recomputed FROM v_scores", "1run50.050.0");
}

static void every_reason_has_its_advice_in_sql(void **state)
{
    struct fixture *f = *state;
    char sql[1024];
    for (int i = 0; i < SCORE_REASON_COUNT; i++) {
        snprintf(sql, sizeof sql, "SELECT advice FROM score_reasons WHERE reason = '%s'", score_reason_name((enum score_reason) i));
        expect(f, sql, score_reason_advice((enum score_reason) i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
        T(a_jobs_score_is_kept_and_worked_out_again), T(without_limits_there_is_none_but_a_reason), T(lost_attempts_lower_it),
        T(segments_add_up_to_their_clip), T(a_run_has_one_too), T(every_reason_has_its_advice_in_sql),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
