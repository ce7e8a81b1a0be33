/* Processor sharing's virtual time, which costs the same for one and for hundreds. */
#include "runner/share_clock.h"

void share_clock_advance(struct share_clock *c, int64_t now_ns)
{
    double dt = c->at_ns ? (double) (now_ns - c->at_ns) / 1e9 : 0;
    c->at_ns = now_ns;
    if (!c->n) {
        c->empty_s += c->held ? dt : 0;
        return;
    }
    c->all.s += dt;
    c->each.s += dt / c->n;
    for (int i = 0; i < SHARE_KINDS; i++) {
        c->all.lost_s[i] += c->rates[i] * dt;
        c->each.lost_s[i] += c->rates[i] * dt / c->n;
    }
}

void share_come(struct share_clock *c, struct share_holder *h, int64_t now_ns)
{
    share_clock_advance(c, now_ns);
    h->there = true;
    h->mark = c->each;
    c->n++;
}

void share_go(struct share_clock *c, struct share_holder *h, int64_t now_ns)
{
    if (!h->there)
        return;
    share_clock_advance(c, now_ns);
    h->there = false;
    h->taken.s += c->each.s - h->mark.s;
    for (int i = 0; i < SHARE_KINDS; i++)
        h->taken.lost_s[i] += c->each.lost_s[i] - h->mark.lost_s[i];
    c->n--;
}
