/* Every balancer picks ready targets only; round-robin is fair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runner/balancer.h"

static void all_pick_only_ready_targets(void **state)
{
    (void) state;
    for (int c = 0; balancer_classes[c]; c++) {
        struct balancer b;
        struct balancer_target t[5] = {{.ready = false}};
        assert_ptr_equal(balancer_find(balancer_classes[c]->name), balancer_classes[c]);
        assert_int_equal(balancer_init(&b, balancer_classes[c]), CQ_OK);
        assert_int_equal(balancer_pick(&b, t, 5, 1), -1);
        for (unsigned mask = 1; mask < 32; mask++) {
            for (int i = 0; i < 5; i++)
                t[i].ready = mask >> i & 1;
            int at = balancer_pick(&b, t, 5, 1);
            assert_in_range(at, 0, 4);
            assert_true(t[at].ready);
        }
        balancer_finish(&b);
    }
    assert_null(balancer_find("no such balancer"));
}

static void round_robin_takes_turns(void **state)
{
    (void) state;
    struct balancer b;
    struct balancer_target t[4] = {{true, 0}, {true, 0}, {false, 0}, {true, 0}};
    int got[4] = {0};
    assert_int_equal(balancer_init(&b, balancer_find("round-robin")), CQ_OK);
    for (int i = 0; i < 300; i++)
        got[balancer_pick(&b, t, 4, 1)]++;
    assert_int_equal(got[0], 100);
    assert_int_equal(got[1], 100);
    assert_int_equal(got[2], 0);
    assert_int_equal(got[3], 100);
    balancer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pick_only_ready_targets),
        cmocka_unit_test(round_robin_takes_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
