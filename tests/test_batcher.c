/* When a batch is due, of which lane, and what happens to frames that come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runner/batcher.h"

enum { WAIT = 20 };

static struct batcher empty(void)
{
    return (struct batcher) {.max_wait_ns = WAIT};
}

static int take(struct batcher *b, int64_t now, int limit, bool flush, struct batch_item **items, int *lane)
{
    int limits[BATCHER_LANES];
    for (int i = 0; i < BATCHER_LANES; i++)
        limits[i] = limit;
    return batcher_take(b, &(struct batcher_ask) {now, limits, flush}, items, lane);
}

static void full_batches_go_at_once(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item it[5], *out[BATCHER_MAX];
    int lane = -1;
    for (int i = 0; i < 5; i++)
        batcher_add(&b, 3, &it[i], i);
    assert_int_equal(take(&b, 5, 4, false, out, &lane), 4);
    assert_int_equal(lane, 3);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(out[i], &it[i]);
    assert_int_equal(take(&b, 5, 4, false, out, &lane), 0);
    assert_int_equal(batcher_count(&b), 1);
}

static void a_part_waits_its_time(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item it[2], *out[BATCHER_MAX];
    int lane;
    assert_int_equal(batcher_due_in(&b, 0), -1);
    batcher_add(&b, 0, &it[0], 100);
    batcher_add(&b, 0, &it[1], 110);
    assert_int_equal(batcher_due_in(&b, 105), 15);
    assert_int_equal(take(&b, 119, 8, false, out, &lane), 0);
    assert_int_equal(batcher_due_in(&b, 200), 0);
    assert_int_equal(take(&b, 120, 8, false, out, &lane), 2);
}

static void flush_waits_for_nothing(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item it, *out[BATCHER_MAX];
    int lane;
    batcher_add(&b, 0, &it, 100);
    assert_int_equal(take(&b, 100, 8, true, out, &lane), 1);
}

static void oldest_lane_first_and_only_served_ones(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item young, old, *out[BATCHER_MAX];
    int lane, limits[BATCHER_LANES] = {0};
    batcher_add(&b, 1, &old, 10);
    batcher_add(&b, 0, &young, 20);
    limits[0] = 1;
    assert_int_equal(batcher_take(&b, &(struct batcher_ask) {100, limits, false}, out, &lane), 1);
    assert_ptr_equal(out[0], &young);       /* lane 1 is not this engine's */
    batcher_add(&b, 0, &young, 30);
    limits[1] = 1;
    assert_int_equal(batcher_take(&b, &(struct batcher_ask) {100, limits, false}, out, &lane), 1);
    assert_ptr_equal(out[0], &old);
    assert_int_equal(lane, 1);
}

static void what_comes_back_goes_first_and_keeps_its_age(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item it[4], *out[BATCHER_MAX];
    int lane;
    for (int i = 0; i < 3; i++)
        batcher_add(&b, 0, &it[i], i);
    assert_int_equal(take(&b, 3, 3, false, out, &lane), 3);
    batcher_add(&b, 0, &it[3], 4);
    batcher_put_back(&b, 0, out, 3);
    assert_int_equal(batcher_count(&b), 4);
    assert_int_equal(batcher_due_in(&b, 5), WAIT - 5);
    assert_int_equal(take(&b, 5, 4, false, out, &lane), 4);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(out[i], &it[i]);

    batcher_put_back(&b, 0, out, 4);         /* into an empty lane: its end must be right, too */
    batcher_add(&b, 0, &(struct batch_item) {0}, 6);
    assert_int_equal(take(&b, 6, 5, false, out, &lane), 5);
}

static bool is_odd(void *ctx, struct batch_item *item)
{
    return (item - (struct batch_item *) ctx) % 2;
}

static void removing_keeps_the_rest_in_order(void **state)
{
    (void) state;
    struct batcher b = empty();
    struct batch_item it[6], *out[BATCHER_MAX];
    int lane;
    for (int i = 0; i < 6; i++)
        batcher_add(&b, 0, &it[i], i);
    batcher_remove(&b, 0, is_odd, it);
    assert_int_equal(take(&b, 6, 3, false, out, &lane), 3);
    assert_ptr_equal(out[0], &it[0]);
    assert_ptr_equal(out[2], &it[4]);
    batcher_add(&b, 0, &it[0], 7);
    assert_int_equal(take(&b, 7, 1, false, out, &lane), 1);
}

/* Whatever the arrivals: nobody waits past the limit, every frame goes once, batches never exceed theirs. */
static void random_arrivals(void **state)
{
    (void) state;
    enum { N = 5000 };
    struct batcher b = empty();
    static struct batch_item it[N];
    static bool gone[N];
    struct batch_item *out[BATCHER_MAX];
    int64_t now = 0;
    int added = 0, taken = 0, lane;
    unsigned seed = 3;
    while (taken < N) {
        seed = seed * 1103515245 + 12345;
        int come = (int) (seed >> 16) % 4;
        for (; come-- && added < N; added++)
            batcher_add(&b, added % 3, &it[added], now);
        for (int n; (n = take(&b, now, 8, false, out, &lane)); taken += n) {
            assert_in_range(n, 1, 8);
            for (int i = 0; i < n; i++) {
                size_t at = (size_t) (out[i] - it);
                assert_false(gone[at]);
                assert_int_equal(at % 3, lane);
                assert_true(now - it[at].since_ns <= WAIT);
                gone[at] = true;
            }
        }
        now++;
    }
    assert_int_equal(batcher_count(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_batches_go_at_once),
        cmocka_unit_test(a_part_waits_its_time),
        cmocka_unit_test(flush_waits_for_nothing),
        cmocka_unit_test(oldest_lane_first_and_only_served_ones),
        cmocka_unit_test(what_comes_back_goes_first_and_keeps_its_age),
        cmocka_unit_test(removing_keeps_the_rest_in_order),
        cmocka_unit_test(random_arrivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
