/* How long an answer in the cache lives, and which one goes first: the arithmetic of every tier.
 *
 * Time to live: a base time, which doubles each time that the answer proves to be of use again, CACHE_GROWTH_MAX times
 * at most. Reuses that follow one another closely are one proof: a still scene uses one answer a thousand times within
 * a minute, and says nothing about next month.
 *
 * Eviction keeps what saves most milliseconds per byte. An answer's rank is
 *
 *     age + uses * milliseconds that computing it took / bytes
 *
 * the lowest goes first, and `age` is the rank of the newest that went: who was of use long ago is overtaken by and by.
 * That is GreedyDual-Size (P. Cao, S. Irani: Cost-Aware WWW Proxy Caching Algorithms, USENIX Symposium on Internet
 * Technologies and Systems, 1997) with the number of uses as a factor (L. Cherkasova: Improving WWW Proxies Performance
 * with Greedy-Dual-Size-Frequency Caching Policy, HP Laboratories HPL-98-69R1, 1998).
 *
 * Times are UTC milliseconds, for an entry may outlive a boot. A clock that was set back makes nothing live longer than
 * from now on.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_CACHE_POLICY_H
#define CLIPQ_RUNNER_CACHE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum { CACHE_GROWTH_MAX = 3 };  /* doublings: eight times the base time */

struct cache_life {
    int64_t counted_ms;         /* when it was made, or last proved to be of use */
    int64_t expires_ms;
    int64_t bytes;              /* that it takes, > 0 */
    int uses;                   /* 1: when it was made */
    int growth;                 /* doublings so far */
    double cost_ms;             /* that a use saves */
    double rank;
};

struct cache_life cache_life_begin(int64_t now_ms, int64_t ttl_ms, double cost_ms, int64_t bytes, double age);
/* False: its time is over. */
bool cache_life_check(struct cache_life *l, int64_t now_ms, int64_t ttl_ms);
/* It was used; true: that proved it to be of use again, and it lives longer. */
bool cache_life_use(struct cache_life *l, int64_t now_ms, int64_t ttl_ms, double age);

/* Bytes that a tier in memory may take: `most`, but no more than an eighth of what can be had (`left` beside what it
 * takes already). */
int64_t cache_budget(int64_t most, int64_t taken, int64_t left);

#endif
