#include "runner/cache_policy.h"

enum { PROOFS_IN_BASE_TIME = 16, SHARE_OF_MEMORY = 8 };

static double rank_of(const struct cache_life *l, double age)
{
    return age + l->uses * l->cost_ms / (double) l->bytes;
}

struct cache_life cache_life_begin(int64_t now_ms, int64_t ttl_ms, double cost_ms, int64_t bytes, double age)
{
    struct cache_life l = {.counted_ms = now_ms, .expires_ms = now_ms + ttl_ms, .bytes = bytes, .uses = 1, .cost_ms = cost_ms};
    l.rank = rank_of(&l, age);
    return l;
}

bool cache_life_check(struct cache_life *l, int64_t now_ms, int64_t ttl_ms)
{
    int64_t longest = now_ms + (ttl_ms << l->growth);
    if (l->counted_ms > now_ms)
        l->counted_ms = now_ms;
    if (l->expires_ms > longest)
        l->expires_ms = longest;
    return l->expires_ms > now_ms;
}

bool cache_life_use(struct cache_life *l, int64_t now_ms, int64_t ttl_ms, double age)
{
    l->uses += l->uses < INT32_MAX;
    l->rank = rank_of(l, age);
    if (now_ms - l->counted_ms < ttl_ms / PROOFS_IN_BASE_TIME)
        return false;
    l->growth += l->growth < CACHE_GROWTH_MAX;
    l->counted_ms = now_ms;
    l->expires_ms = now_ms + (ttl_ms << l->growth);
    return true;
}

int64_t cache_budget(int64_t most, int64_t taken, int64_t left)
{
    int64_t share = left / SHARE_OF_MEMORY + taken / SHARE_OF_MEMORY;
    return most < share ? most : share;
}
