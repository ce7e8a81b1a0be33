/* A content is found again wherever it has got to, and one that only looks like it is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "runner/store_sqlite.h"
#include "tests/store_fixture.h"

enum { CLIPS = 33000 /* more than are merged at once */, LIKE = 1 << 28 /* added to a fixture's number: the same part */ };

static void put(struct fixture *f, const char *path, int number, enum store_put want)
{
    struct probe p = fixture_probe(number);
    fixture_put(f, path, &p, f->pipeline, want);
}

static void found_after_they_were_merged(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, CLIPS);
    assert_in_range(fixture_int(f, "SELECT count(*) FROM contents"), 1, CLIPS - 1);
    assert_in_range(fixture_int(f, "SELECT count(*) FROM contents_new"), 1, CLIPS - 1);
    fixture_submit_all(f, CLIPS);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM clips"), CLIPS);

    for (int i = 0; i < CLIPS; i += CLIPS - 1) {        /* the oldest is in one table, the newest in the other */
        put(f, "/copies/same.mp4", i, STORE_SAME_CONTENT);
        char path[64];
        snprintf(path, sizeof path, "/like/%d.mp4", i);
        put(f, path, i + LIKE, STORE_NEW);
        put(f, path, i + LIKE, STORE_KNOWN);
        put(f, "/copies/like.mp4", i + LIKE, STORE_SAME_CONTENT);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM clips"), CLIPS + 2);
}

/* A merge that fails is undone with the clip that asked for it. */
static void a_merge_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_submit_all(f, CLIPS - CLIPS % 1000 - 300);  /* 32,700 */
    fixture_change(f, "CREATE TRIGGER refuse BEFORE INSERT ON contents BEGIN SELECT raise(ABORT, 'no'); END");
    int64_t job;
    enum store_put what;
    enum cq_err err = store_begin(f->store);
    for (int i = 0; i < 100 && !err; i++) {
        struct probe p = fixture_probe(CLIPS + i);
        err = store_put_clip_job(f->store, p.fingerprint, &p, 1000, f->pipeline, 0, &job, &what);
    }
    assert_int_not_equal(err, CQ_OK);
    store_rollback(f->store);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM clips"), 32700);
    fixture_check_books(f);
    fixture_change(f, "DROP TRIGGER refuse");
    fixture_submit_all(f, CLIPS);
    assert_in_range(fixture_int(f, "SELECT count(*) FROM contents"), 32700, CLIPS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_after_they_were_merged, fixture_begin, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_merge_is_all_or_nothing, fixture_begin, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
