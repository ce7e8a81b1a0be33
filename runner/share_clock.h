/* Whose a moment is: each is divided equally among those who are there.
 *
 * The clock sums dt / n(t), n being how many are there; who comes notes the sum, and what it has grown by when they go is
 * their share. All shares add up to the time in which anybody was there. Lost moments of several kinds are divided the same
 * way: each kind grows at a rate of 0 to 1, its part of the moment that was lost.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_SHARE_CLOCK_H
#define CLIPQ_RUNNER_SHARE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { SHARE_KINDS = 5 };

struct share {
    double s, lost_s[SHARE_KINDS];
};

/* Zeroed: nobody is there, it has not begun. */
struct share_clock {
    int64_t at_ns;
    int n;
    bool held;                  /* somebody is awaited, though nobody is there */
    double rates[SHARE_KINDS];  /* as they have been since at_ns */
    struct share each;          /* of one who was there from the begin */
    struct share all;           /* of all together */
    double empty_s;             /* held, and nobody there */
};

/* Brings it to `now`; what holds from now on is set by the caller afterwards. */
void share_clock_advance(struct share_clock *c, int64_t now_ns);

/* One of them; zeroed: has never been there. May come and go several times. */
struct share_holder {
    bool there;
    struct share mark, taken;   /* taken: until it last went */
};
void share_come(struct share_clock *c, struct share_holder *h, int64_t now_ns);
void share_go(struct share_clock *c, struct share_holder *h, int64_t now_ns);   /* who is not there has gone */

#endif
