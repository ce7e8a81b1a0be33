/* The cache of answers without a run: what names an answer, how long it lives, which goes first. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/batch_pixels.h"
#include "runner/cache_memory.h"
#include "stages/answer/geometry.h"
#include "stages/media/scale.h"

enum { HOUR = 3600000, DAY = 24 * HOUR, WEEK = 7 * DAY };

static const int64_t start = 1700000000000;

/* ---- the key ---- */

static bool same(struct cache_key a, struct cache_key b)
{
    return a.high == b.high && a.low == b.low;
}

static void a_key_depends_on_all_that_makes_an_answer(void **state)
{
    (void) state;
    const struct cache_key program = {1, 2}, newer = {1, 3}, pixels = {5, 6};
    const struct scale_target t = {.width = 64, .height = 48}, wider = {.width = 65, .height = 48};
    const struct geometry g = {640, 480, 64, 48, 0, 0, 64, 48};
    struct cache_key all[] = {
        cache_maker(7, &program, "hash", "{\"threshold\":0.3}", &t),
        cache_maker(8, &program, "hash", "{\"threshold\":0.3}", &t),
        cache_maker(7, &newer, "hash", "{\"threshold\":0.3}", &t),
        cache_maker(7, &program, "hasi", "{\"threshold\":0.3}", &t),
        cache_maker(7, &program, "hash", "{\"threshold\":0.4}", &t),
        cache_maker(7, &program, "hash", "{\"threshold\":0.3}", &wider),
    };
    assert_true(same(all[0], cache_maker(7, &program, "hash", "{\"threshold\":0.3}", &t)));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t k = 0; k < i; k++)
            assert_false(same(all[i], all[k]));

    struct cache_key key = cache_key_of(7, &all[0], &pixels, &g);
    assert_true(same(key, cache_key_of(7, &all[0], &pixels, &g)));
    assert_false(same(key, cache_key_of(7, &all[1], &pixels, &g)));
    assert_false(same(key, cache_key_of(7, &all[0], &program, &g)));
    for (int i = 0; i < (int) (sizeof g / sizeof(int)); i++) {
        struct geometry other = g;
        ((int *) &other)[i]++;
        assert_false(same(key, cache_key_of(7, &all[0], &pixels, &other)));
    }
}

static void a_program_is_itself(void **state)
{
    (void) state;
    struct cache_key a, b;
    assert_int_equal(cache_program(NULL, &a), CQ_OK);
    assert_int_equal(cache_program(NULL, &b), CQ_OK);
    assert_true(same(a, b) && (a.high || a.low));
}

/* ---- pixels that change while they are taken ---- */

enum { BYTES = 1 << 20, FRAMES = 3, ROUNDS = 100 };

/* In another process, as a decoder does. */
static pid_t scribble(uint8_t *pixels)
{
    pid_t pid = fork();
    for (unsigned v = 0; !pid; v++)
        memset(pixels + v % FRAMES * BYTES, (int) v & 0xff, BYTES);
    assert_true(pid > 0);
    return pid;
}

static void hashes_are_of_what_is_inferred(void **state)
{
    (void) state;
    struct batch_pixels own = {0};
    int changed = 0;
    uint8_t *shared = mmap(NULL, FRAMES * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    pid_t pid = scribble(shared);
    for (int round = 0; round < ROUNDS || !changed; round++) {
        const uint8_t *pixels[] = {shared, shared + BYTES, shared + 2 * BYTES};
        batch_pixels_take(&own, 9, pixels, FRAMES, BYTES);
        for (int i = 0; i < FRAMES; i++) {
            assert_true(pixels[i] < shared || pixels[i] >= shared + FRAMES * BYTES);
            assert_true(same(own.hashes[i], cache_pixels(9, pixels[i], BYTES)));
            changed += memcmp(pixels[i], shared + i * BYTES, BYTES) != 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    batch_pixels_finish(&own);
    munmap(shared, FRAMES * BYTES);
}

/* ---- lives ---- */

static void use_prolongs_life(void **state)
{
    (void) state;
    struct cache_life l = cache_life_begin(start, WEEK, 3, 100, 0);
    assert_true(cache_life_check(&l, start + WEEK - 1, WEEK));
    assert_false(cache_life_check(&l, start + WEEK, WEEK));

    /* A thousand times at once is no proof, a day later is. */
    for (int i = 0; i < 1000; i++)
        assert_false(cache_life_use(&l, start + i, WEEK, 0));
    assert_int_equal(l.expires_ms, start + WEEK);
    int64_t now = start;
    for (int i = 1; i <= CACHE_GROWTH_MAX + 2; i++) {
        now += DAY;
        int growth = i < CACHE_GROWTH_MAX ? i : CACHE_GROWTH_MAX;
        assert_true(cache_life_use(&l, now, WEEK, 0));
        assert_int_equal(l.expires_ms, now + ((int64_t) WEEK << growth));
    }
}

static void a_clock_set_back_does_no_harm(void **state)
{
    (void) state;
    struct cache_life l = cache_life_begin(start, WEEK, 3, 100, 0);
    int64_t back = start - 365LL * DAY;
    assert_true(cache_life_check(&l, back, WEEK));
    assert_int_equal(l.expires_ms, back + WEEK);       /* not a year more */
    assert_true(cache_life_use(&l, back + DAY, WEEK, 0));
    assert_int_equal(l.expires_ms, back + DAY + 2LL * WEEK);
    assert_true(cache_life_check(&l, back + 2 * DAY, HOUR * 36));   /* a shorter life was asked for since */
    assert_int_equal(l.expires_ms, back + 2 * DAY + 72LL * HOUR);
}

static void rank_is_what_a_byte_saves(void **state)
{
    (void) state;
    struct cache_life cheap = cache_life_begin(start, WEEK, 1, 1000, 0), dear = cache_life_begin(start, WEEK, 50, 1000, 0),
                      large = cache_life_begin(start, WEEK, 50, 100000, 0), late = cache_life_begin(start, WEEK, 1, 1000, 0.5);
    assert_true(dear.rank > cheap.rank && dear.rank > large.rank && cheap.rank > large.rank);
    assert_true(late.rank > dear.rank);
    for (int i = 0; i < 60; i++)
        cache_life_use(&cheap, start, WEEK, 0);
    assert_true(cheap.rank > dear.rank);
}

static void budgets_shrink_with_what_is_left(void **state)
{
    (void) state;
    assert_int_equal(cache_budget(64, 0, 10000), 64);
    assert_int_equal(cache_budget(64, 32, 400), 54);
    assert_int_equal(cache_budget(64, 64, 0), 8);
    assert_int_equal(cache_budget(64, 0, 0), 0);
    assert_int_equal(cache_budget(64, 64, INT64_MAX), 64);
}

/* ---- memory ---- */

static struct cache_key key_of(uint64_t i)
{
    return (struct cache_key) {i * 0x9e3779b97f4a7c15u, i * 0xbf58476d1ce4e5b9u};
}

static bool holds(struct cache_memory *m, uint64_t i, int64_t now)
{
    struct cache_found f;
    struct cache_key key = key_of(i);
    if (!cache_memory_use(m, &key, now, &f))
        return false;
    assert_int_equal(f.size, sizeof i);
    assert_memory_equal(f.blob, &i, sizeof i);
    return true;
}

static void put(struct cache_memory *m, uint64_t i, double cost_ms, int64_t now)
{
    struct cache_key key = key_of(i);
    cache_memory_put(m, &key, &i, sizeof i, cost_ms, now);
}

static void many_answers_are_found_again(void **state)
{
    (void) state;
    enum { N = 20000 };
    struct cache_memory *m;
    assert_int_equal(cache_memory_create(64 << 20, WEEK, &m), CQ_OK);
    for (uint64_t i = 1; i <= N; i++)
        put(m, i, 1, start);
    for (uint64_t i = 1; i <= N; i += 7)
        put(m, i, 2, start);
    assert_int_equal(cache_memory_entries(m), N);
    assert_int_equal(cache_memory_evictions(m), 0);
    for (uint64_t i = 1; i <= N; i++)
        assert_true(holds(m, i, start));
    assert_false(holds(m, N + 1, start));

    int64_t bytes = cache_memory_bytes(m);
    cache_memory_limit(m, bytes / 2);
    assert_in_range(cache_memory_entries(m), N / 2 - 1, N / 2);
    assert_true(cache_memory_bytes(m) <= bytes / 2);
    assert_int_equal(cache_memory_evictions(m), N - cache_memory_entries(m));
    cache_memory_limit(m, 0);
    assert_int_equal(cache_memory_entries(m), 0);
    assert_int_equal(cache_memory_bytes(m), 0);
    put(m, 1, 1, start);                                /* there is no room even for one */
    assert_false(holds(m, 1, start));
    cache_memory_destroy(&m);
    cache_memory_destroy(&m);
}

static void what_saves_least_goes_first(void **state)
{
    (void) state;
    struct cache_memory *m;
    assert_int_equal(cache_memory_create(1 << 20, WEEK, &m), CQ_OK);
    put(m, 1, 1, start);
    cache_memory_limit(m, 10 * cache_memory_bytes(m));
    put(m, 2, 50, start);
    for (uint64_t i = 3; i <= 9; i++)
        put(m, i, 1, start);
    for (int i = 0; i < 5; i++)
        assert_true(holds(m, 3, start));
    for (uint64_t i = 20; i < 28; i++)
        put(m, i, 1, start);
    assert_true(holds(m, 2, start) && holds(m, 3, start));
    assert_false(holds(m, 1, start) || holds(m, 4, start));
    /* Nobody wants them any more: a hundred newer ones overtake even the dear one. */
    for (uint64_t i = 100; i < 1100; i++)
        put(m, i, 1, start);
    assert_false(holds(m, 2, start));
    cache_memory_destroy(&m);
}

static void what_is_over_is_gone(void **state)
{
    (void) state;
    struct cache_memory *m;
    assert_int_equal(cache_memory_create(1 << 20, WEEK, &m), CQ_OK);
    put(m, 1, 1, start);
    put(m, 2, 1, start);
    assert_true(holds(m, 1, start + DAY));
    assert_false(holds(m, 2, start + WEEK));
    assert_true(holds(m, 1, start + 2LL * WEEK));
    assert_int_equal(cache_memory_entries(m), 1);
    assert_int_equal(cache_memory_evictions(m), 0);
    cache_memory_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_depends_on_all_that_makes_an_answer),
        cmocka_unit_test(a_program_is_itself),
        cmocka_unit_test(hashes_are_of_what_is_inferred),
        cmocka_unit_test(use_prolongs_life),
        cmocka_unit_test(a_clock_set_back_does_no_harm),
        cmocka_unit_test(rank_is_what_a_byte_saves),
        cmocka_unit_test(budgets_shrink_with_what_is_left),
        cmocka_unit_test(many_answers_are_found_again),
        cmocka_unit_test(what_saves_least_goes_first),
        cmocka_unit_test(what_is_over_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
