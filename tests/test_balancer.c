/* Every balancer gives to ready targets only, and never lets all wait for nobody; each has its own way beyond that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/balancer.h"
#include "runner/speed.h"

/* The target that the balancer names for work of these costs, or -1; *piece is the work. */
static int pick(const char *name, const struct balancer_target *t, int n, const double *costs, int n_costs, double later, int *piece)
{
    struct balancer b;
    struct balancer_pair p = {-2, -2};
    assert_int_equal(balancer_init(&b, balancer_find(name)), CQ_OK);
    bool found = balancer_pick(&b, t, n, &(struct balancer_work) {costs, n_costs, later}, &p);
    balancer_finish(&b);
    if (piece)
        *piece = p.work;
    return found ? p.target : -1;
}

static void all_pick_only_ready_targets(void **state)
{
    (void) state;
    for (int c = 0; balancer_classes[c]; c++) {
        const char *name = balancer_classes[c]->name;
        struct balancer_target t[5] = {{false, 0, 1}, {false, 0, 2}, {false, 0, 1}, {false, 0, 3}, {false, 0, 1}};
        const double costs[3] = {1, 5, 2};
        int piece;
        assert_ptr_equal(balancer_find(name), balancer_classes[c]);
        assert_int_equal(pick(name, t, 5, costs, 3, 0, NULL), -1);
        for (unsigned mask = 1; mask < 32; mask++) {
            for (int i = 0; i < 5; i++) {
                t[i].ready = mask >> i & 1;
                t[i].speed = t[i].ready ? 1 + i % 3 : 0;     /* the others are out of service */
            }
            int at = pick(name, t, 5, costs, 3, 0, &piece);
            assert_in_range(at, 0, 4);
            assert_true(t[at].ready);
            assert_in_range(piece, 0, 2);
        }
    }
    assert_null(balancer_find("no such balancer"));
}

/* The option's choices are the registry's names, in its order. */
static void choices_name_the_registry(void **state)
{
    (void) state;
    const char *at = BALANCER_CHOICES;
    for (int c = 0; balancer_classes[c]; c++) {
        size_t length = strcspn(at, "|");
        assert_int_equal(length, strlen(balancer_classes[c]->name));
        assert_memory_equal(at, balancer_classes[c]->name, length);
        at += length + (at[length] == '|');
    }
    assert_string_equal(at, "");
}

static void round_robin_takes_turns(void **state)
{
    (void) state;
    struct balancer b;
    const struct balancer_target t[4] = {{true, 0, 1}, {true, 9, 1}, {false, 0, 1}, {true, 0, 9}};
    const double cost = 1;
    int got[4] = {0};
    assert_int_equal(balancer_init(&b, balancer_find("round-robin")), CQ_OK);
    for (int i = 0; i < 300; i++) {
        struct balancer_pair p;
        assert_true(balancer_pick(&b, t, 4, &(struct balancer_work) {&cost, 1, 0}, &p));
        got[p.target]++;
    }
    assert_int_equal(got[0], 100);
    assert_int_equal(got[1], 100);
    assert_int_equal(got[2], 0);
    assert_int_equal(got[3], 100);
    balancer_finish(&b);
}

static void least_loaded_looks_at_what_is_in_hand(void **state)
{
    (void) state;
    const struct balancer_target t[3] = {{true, 3, 9}, {true, 2, 1}, {false, 0, 1}};
    const double costs[2] = {1, 7};
    int piece;
    assert_int_equal(pick("least-loaded", t, 3, costs, 2, 0, &piece), 1);
    assert_int_equal(piece, 0);
}

static void adaptive_gives_the_longest_to_whom_is_through_first(void **state)
{
    (void) state;
    const struct balancer_target t[3] = {{true, 0, 1}, {true, 6, 4}, {true, 0, 2}};
    const double costs[3] = {1, 8, 2};
    int piece;
    assert_int_equal(pick("adaptive", t, 3, costs, 3, 0, &piece), 1);      /* 3.5 s, 8 s, 4 s */
    assert_int_equal(piece, 1);
    assert_int_equal(pick("adaptive", t, 3, costs, 1, 0, &piece), 2);      /* 0.5 s beside 1 s and 1.75 s */
}

/* A slow one that is free, a fast one that is busy: with much to do the slow one helps, the last piece is better left
 * to the fast one, and what is short enough can be done meanwhile. */
static void adaptive_waits_for_a_better_target(void **state)
{
    (void) state;
    const struct balancer_target t[2] = {{true, 0, 1}, {false, 2, 10}};
    const double last = 4, both[2] = {4, 0.3};
    int piece;
    assert_int_equal(pick("adaptive", t, 2, &last, 1, 1000, NULL), 0);
    assert_int_equal(pick("adaptive", t, 2, &last, 1, 0, NULL), -1);
    assert_int_equal(pick("adaptive", t, 2, both, 2, 0, &piece), 0);
    assert_int_equal(piece, 1);
    const struct balancer_target gone[2] = {{true, 0, 1}, {false, 2, 0}};
    assert_int_equal(pick("adaptive", gone, 2, &last, 1, 0, NULL), 0);      /* nobody to wait for */
}

/* A worker three times as fast as the one that is free has the clip before the last one in hand: worth waiting for. Then it
 * hangs, or is given no slots, and nothing that it says changes; the other takes the last clip all the same, and not late. */
static void adaptive_does_not_wait_for_one_that_hangs(void **state)
{
    (void) state;
    static const double busy[] = {0, 0.5, 1.9, 2.1};    /* seconds of the 2 that its clip takes it */
    const double last = 4, speed = 3;
    for (int i = 0; i < 4; i++) {
        double s = 0;
        struct balancer_target t[2] = {{true, 0, 1}, {false, speed_load(6, speed, busy[i], busy[i]), speed}};
        if (busy[i] < 2)
            assert_int_equal(pick("adaptive", t, 2, &last, 1, 0, NULL), -1);
        for (; s < 100 && pick("adaptive", t, 2, &last, 1, 0, NULL) < 0; s += 0.25)
            t[1].load = speed_load(6, speed, busy[i], busy[i] + s);
        assert_true(s > 0 && s < 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pick_only_ready_targets),
        cmocka_unit_test(choices_name_the_registry),
        cmocka_unit_test(round_robin_takes_turns),
        cmocka_unit_test(least_loaded_looks_at_what_is_in_hand),
        cmocka_unit_test(adaptive_gives_the_longest_to_whom_is_through_first),
        cmocka_unit_test(adaptive_waits_for_a_better_target),
        cmocka_unit_test(adaptive_does_not_wait_for_one_that_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
