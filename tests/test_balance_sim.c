/* What balancers promise, on every load that `clipq bench balance` plays and with many random costs: all is done once,
 * adaptive stays within a tenth of what no schedule can beat and never falls behind round-robin by more than 2 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/balance_sim.h"
#include "runner/balancer.h"

enum { SEEDS = 300, SEEDS_OF_ORDER = 50 };

static struct sim_result play(const char *balancer, const struct sim_load *l, uint32_t seed)
{
    static struct sim_result r;
    assert_int_equal(balance_sim(balancer_find(balancer), l, seed, &r), CQ_OK);
    return r;
}

static void every_piece_is_done_once_and_no_bound_is_beaten(void **state)
{
    (void) state;
    for (int c = 0; balancer_classes[c]; c++) {
        for (const struct sim_load *l = sim_loads; l->name; l++) {
            struct sim_result r = play(balancer_classes[c]->name, l, 1);
            int sum = 0;
            for (int i = 0; i < l->n_pieces; i++)
                assert_int_equal(r.times[i], 1);
            for (int i = 0; i < l->n_targets; i++)
                sum += r.pieces[i];
            assert_int_equal(sum, l->n_pieces);
            assert_true(r.makespan_s > 0.999 * r.bound_s);
            assert_true(r.spread_s >= 0 && r.spread_s <= r.makespan_s);
        }
    }
}

static void adaptive_keeps_its_promise(void **state)
{
    (void) state;
    for (const struct sim_load *l = sim_loads; l->name; l++) {
        for (uint32_t seed = 1; seed <= SEEDS; seed++) {
            double turn = play("round-robin", l, seed).makespan_s;
            struct sim_result r = play("adaptive", l, seed);
            if (r.makespan_s > 1.1 * r.bound_s || r.makespan_s > 1.02 * turn)
                fail_msg("%s, seed %u: %.3f s, the bound is %.3f s, round-robin took %.3f s", l->name, seed, r.makespan_s,
                         r.bound_s, turn);
        }
    }
}

/* Four to one in speed, with much to do: four to one in batches. */
static void engines_share_by_speed(void **state)
{
    (void) state;
    const struct sim_load l = {.n_targets = 2, .speeds = {4, 1}, .depth = 2, .window = 1, .n_pieces = 500};
    struct sim_result r = play("adaptive", &l, 1);
    assert_in_range(r.pieces[0], 396, 404);
}

/* Without it, a single long clip at the end of the queue is all that is left to do. */
static void long_clips_first_is_worth_it(void **state)
{
    (void) state;
    double first = 0, last = 0;
    for (uint32_t seed = 1; seed <= SEEDS_OF_ORDER; seed++) {
        struct sim_load l = sim_loads[1];
        first += play("adaptive", &l, seed).makespan_s;
        l.oldest_first = true;
        last += play("adaptive", &l, seed).makespan_s;
    }
    assert_true(last > 1.05 * first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once_and_no_bound_is_beaten),
        cmocka_unit_test(adaptive_keeps_its_promise),
        cmocka_unit_test(engines_share_by_speed),
        cmocka_unit_test(long_clips_first_is_worth_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
