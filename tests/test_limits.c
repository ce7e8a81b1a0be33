/* Limits: which figure counts, what a run sees, and the way through the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runner/limits.h"
#include "stages/media/sample.h"
#include "stages/media/scale.h"
#include "tests/store_fixture.h"

static void near(double want, double got)
{
    if (fabs(want - got) > 1e-12)
        fail_msg("%.12g, should be %.12g", got, want);
}

static void a_device_is_as_fast_as_it_was_ever_seen(void **state)
{
    (void) state;
    struct limit l = {.key = {.kind = LIMIT_INFER}};
    bool measured;
    near(0, limit_s(&l, &measured));
    limit_see_batch(&l, 2, 0.2);
    near(0.1, limit_s(&l, &measured));       /* better than nothing */
    for (int i = 0; i < 8; i++)
        limit_see_batch(&l, 4, 0.2);
    near(0.05, limit_s(&l, &measured));
    assert_int_equal(limit_batch(&l), 4);
    assert_true(l.fresh && !measured);
    limit_see_batch(&l, 1, 0.001);           /* smaller than others: says nothing of what batches can do */
    limit_see_batch(&l, 4, 0.004);           /* one alone: neither */
    near(0.05, limit_s(&l, &measured));
    l.bench_s = 0.06;
    l.bench_batch = 8;
    near(0.05, limit_s(&l, &measured));      /* it was measured too high */
    assert_true(measured);
    l.bench_s = 0.04;
    near(0.04, limit_s(&l, &measured));
    assert_int_equal(limit_batch(&l), 8);
}

static void decoding_is_the_best_runs_mean_unless_measured(void **state)
{
    (void) state;
    struct limit l = {.key = {.kind = LIMIT_DECODE}, .observed_s = 0.02};
    bool measured;
    limit_see_clip(&l, 10, 0.1);
    limit_see_clip(&l, 30, 0.5);
    limit_see_clip(&l, 0, 9);                /* nothing of it was decoded */
    near(0.015, limit_s(&l, &measured));
    assert_false(measured);
    limit_settle(&l);
    near(0.015, l.observed_s);
    assert_true(l.fresh);
    l.bench_s = 0.03;                        /* of other clips of that kind */
    near(0.03, limit_s(&l, &measured));
    assert_true(measured);
}

static void keys_tell_apart_what_costs_otherwise(void **state)
{
    (void) state;
    struct limits ls = {0};
    struct probe p = {.codec = "h264", .pixel_format = "yuv420p", .coded_w = 640, .coded_h = 480};
    struct sample_spec all = {.mode = SAMPLE_EVERY, .every = 1}, some = {.mode = SAMPLE_FPS, .fps = 2};
    struct scale_target small = {.width = 64, .height = 64}, large = {.width = 640, .height = 640};
    struct store_limit key;
    limit_key_of_clip(&p, &all, &small, 1, &key);
    assert_string_equal(key.subject, "h264 yuv420p 640x480");
    assert_string_equal(key.shape, "all to 64x64");
    struct limit *first = limits_get(&ls, &key);
    assert_ptr_equal(limits_get(&ls, &key), first);
    limit_key_of_clip(&p, &some, &small, 1, &key);
    assert_string_equal(key.shape, "2 fps to 64x64");
    assert_ptr_not_equal(limits_get(&ls, &key), first);
    limit_key_of_clip(&p, &all, &large, 1, &key);
    assert_ptr_not_equal(limits_get(&ls, &key), first);
    limit_key_of_model("cpu", "1", 2, "h", "64x64x3", &key);
    limits_get(&ls, &key);
    limit_key_of_model("cpu", "1", 1, "h", "64x64x3", &key);     /* a part of it */
    limits_get(&ls, &key);
    assert_int_equal(ls.n, 5);
    limits_finish(&ls);
}

static void the_database_keeps_both_figures(void **state)
{
    struct fixture *f = *state;
    struct limits ls = {0};
    struct store_limit l;
    bool measured;
    limit_key_of_model("cpu", "1", 2, "h", "64x64x3", &l);
    l.batch = 8;
    l.unit_s = 0.25;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_put_limit(f->store, &l), CQ_OK);
    l.unit_s = 0.5;
    assert_int_equal(store_put_limit(f->store, &l), CQ_OK);
    l.unit_s = 0.125;
    l.measured = true;
    assert_int_equal(store_put_limit(f->store, &l), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    assert_int_equal(limits_read(f->store, &ls), CQ_OK);
    assert_int_equal(ls.n, 1);
    near(0.5, ls.list[0]->observed_s);
    near(0.125, limit_s(ls.list[0], &measured));
    assert_true(measured);
    limits_finish(&ls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_as_fast_as_it_was_ever_seen),
        cmocka_unit_test(decoding_is_the_best_runs_mean_unless_measured),
        cmocka_unit_test(keys_tell_apart_what_costs_otherwise),
        cmocka_unit_test_setup_teardown(the_database_keeps_both_figures, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
