/* Slots: aligned, disjoint, merged again; a random walk against a plain map; the child's view. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/arena.h"

enum { PAGE = ARENA_ALIGN, PAGES = 64 };

static void gives_lowest_first_and_merges(void **state)
{
    (void) state;
    struct arena *a;
    int64_t s[4], all;
    assert_int_equal(arena_create(NULL, 4 * PAGE, &a), CQ_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(arena_take(a, 1, &s[i]), CQ_OK);
        assert_int_equal(s[i], i * PAGE);
    }
    assert_int_equal(arena_take(a, 1, &all), CQ_AGAIN);
    assert_int_equal(arena_used(a), 4 * PAGE);
    arena_give(a, s[2]);
    arena_give(a, s[0]);
    assert_int_equal(arena_take(a, 2 * PAGE, &all), CQ_AGAIN);
    arena_give(a, s[1]);
    assert_int_equal(arena_take(a, 3 * PAGE, &all), CQ_OK);
    assert_int_equal(all, 0);
    arena_give(a, all);
    arena_give(a, s[3]);
    assert_int_equal(arena_take(a, 4 * PAGE, &all), CQ_OK);
    assert_int_equal(arena_take(a, 4 * PAGE + 1, &all), CQ_INVALID);
    assert_int_equal(arena_take(a, 0, &all), CQ_INVALID);
    arena_destroy(&a);
    assert_null(a);
}

struct slot { int64_t offset; int pages; };

static void random_walk_never_overlaps(void **state)
{
    (void) state;
    struct arena *a;
    bool taken[PAGES] = {false};
    struct slot slots[PAGES];
    int n = 0, refused = 0;
    unsigned seed = 7;
    assert_int_equal(arena_create(NULL, (int64_t) PAGES * PAGE, &a), CQ_OK);
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1103515245 + 12345;
        unsigned r = seed >> 16;
        if (n && r % 2) {
            int i = (int) (r / 2) % n;
            for (int p = 0; p < slots[i].pages; p++)
                taken[slots[i].offset / PAGE + p] = false;
            arena_give(a, slots[i].offset);
            slots[i] = slots[--n];
            continue;
        }
        struct slot s = {.pages = 1 + (int) (r / 2) % 9};
        enum cq_err err = arena_take(a, (int64_t) s.pages * PAGE - 100, &s.offset);
        int run = 0, longest = 0;
        for (int p = 0; p < PAGES; p++) {
            run = taken[p] ? 0 : run + 1;
            longest = run > longest ? run : longest;
        }
        assert_int_equal(err, longest >= s.pages ? CQ_OK : CQ_AGAIN);
        refused += err != CQ_OK;
        for (int p = 0; !err && p < s.pages; p++) {
            assert_false(taken[s.offset / PAGE + p]);
            taken[s.offset / PAGE + p] = true;
        }
        if (!err)
            slots[n++] = s;
    }
    assert_true(refused > 100);
    arena_destroy(&a);
}

static void views_share_and_check(void **state)
{
    (void) state;
    struct arena *a;
    struct arena_view one, two;
    assert_int_equal(arena_create(NULL, 3 * PAGE, &a), CQ_OK);
    assert_int_equal(arena_map(NULL, arena_fd(a), &one), CQ_OK);
    assert_int_equal(arena_map(NULL, arena_fd(a), &two), CQ_OK);
    assert_int_equal(one.bytes, 3 * PAGE);
    memset(arena_at(&one, PAGE, PAGE), 0x5a, PAGE);
    assert_int_equal(arena_at(&two, PAGE, PAGE)[PAGE - 1], 0x5a);

    assert_non_null(arena_at(&one, 0, 3 * PAGE));
    assert_null(arena_at(&one, 1, 3 * PAGE));
    assert_null(arena_at(&one, -1, 1));
    assert_null(arena_at(&one, INT64_MAX, 1));
    assert_null(arena_at(&one, 1, INT64_MAX));
    assert_int_not_equal(ftruncate(arena_fd(a), PAGE), 0);   /* sealed */
    arena_unmap(&one);
    arena_unmap(&two);
    arena_destroy(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_lowest_first_and_merges),
        cmocka_unit_test(random_walk_never_overlaps),
        cmocka_unit_test(views_share_and_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
