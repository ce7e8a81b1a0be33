/* Shares of time: each moment is somebody's, and nobody's twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runner/share_clock.h"

static const int64_t s = 1000000000;

static void near(double want, double got)
{
    if (fabs(want - got) > 1e-9)
        fail_msg("%.12g, should be %.12g", got, want);
}

static void a_moment_is_divided_equally(void **state)
{
    (void) state;
    struct share_clock c = {0};
    struct share_holder a = {0}, b = {0};
    share_clock_advance(&c, 1 * s);
    share_come(&c, &a, 1 * s);
    share_come(&c, &b, 3 * s);             /* 2 for a */
    c.rates[1] = 0.5;
    share_go(&c, &a, 7 * s);               /* 2 for each */
    share_go(&c, &b, 8 * s);               /* 1 for b */
    share_go(&c, &b, 9 * s);               /* it has gone */
    near(4, a.taken.s);
    near(3, b.taken.s);
    near(7, c.all.s);
    near(1, a.taken.lost_s[1]);
    near(1.5, b.taken.lost_s[1]);
    near(2.5, c.all.lost_s[1]);
    near(0, a.taken.lost_s[0]);
}

static void time_without_anybody_is_empty_where_somebody_is_awaited(void **state)
{
    (void) state;
    struct share_clock c = {0};
    struct share_holder a = {0};
    share_clock_advance(&c, 1 * s);
    share_clock_advance(&c, 2 * s);
    c.held = true;
    share_come(&c, &a, 5 * s);
    share_go(&c, &a, 6 * s);
    c.held = false;
    share_clock_advance(&c, 60 * s);
    near(3, c.empty_s);
    near(1, c.all.s);
}

static void shares_add_up(void **state)
{
    (void) state;
    enum { HOLDERS = 20 };
    struct share_clock c = {0};
    struct share_holder h[HOLDERS] = {0};
    int64_t now = 1;
    double sum = 0, lost = 0, busy = 0;
    srand(11);
    for (int i = 0; i < 5000; i++) {
        int64_t step = rand() % 1000000;
        now += step;
        share_clock_advance(&c, now);
        busy += c.n ? (double) step / 1e9 : 0;
        struct share_holder *one = &h[rand() % HOLDERS];
        if (one->there)
            share_go(&c, one, now);
        else
            share_come(&c, one, now);
        c.rates[2] = (double) rand() / RAND_MAX;
    }
    for (int i = 0; i < HOLDERS; i++) {
        share_go(&c, &h[i], now);
        sum += h[i].taken.s;
        lost += h[i].taken.lost_s[2];
    }
    assert_int_equal(c.n, 0);
    near(c.all.s, sum);
    near(c.all.lost_s[2], lost);
    near(busy, sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_divided_equally),
        cmocka_unit_test(time_without_anybody_is_empty_where_somebody_is_awaited),
        cmocka_unit_test(shares_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
