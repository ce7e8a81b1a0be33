/* Lanes are singly linked queues; items are the caller's. */
#include "runner/batcher.h"

#include <stddef.h>

void batcher_lane_add(struct batcher_lane *l, struct batch_item *item)
{
    item->next = NULL;
    if (l->last)
        l->last->next = item;
    else
        l->first = item;
    l->last = item;
    l->count++;
}

void batcher_add(struct batcher *b, int lane, struct batch_item *item, int64_t now_ns)
{
    item->since_ns = now_ns;
    batcher_lane_add(&b->lanes[lane], item);
}

void batcher_put_back(struct batcher *b, int lane, struct batch_item *const *items, int n)
{
    struct batcher_lane *l = &b->lanes[lane];
    for (int i = n - 1; i >= 0; i--) {
        items[i]->next = l->first;
        l->first = items[i];
        if (!l->last)
            l->last = items[i];
        l->count++;
    }
}

void batcher_lane_remove(struct batcher_lane *l, bool (*drop)(void *ctx, struct batch_item *item), void *ctx)
{
    struct batcher_lane old = *l;
    *l = (struct batcher_lane) {0};
    for (struct batch_item *item = old.first, *next; item; item = next) {
        next = item->next;
        if (!drop(ctx, item))
            batcher_lane_add(l, item);
    }
}

void batcher_remove(struct batcher *b, int lane, bool (*drop)(void *ctx, struct batch_item *item), void *ctx)
{
    batcher_lane_remove(&b->lanes[lane], drop, ctx);
}

static bool is_due(const struct batcher *b, const struct batcher_lane *l, int limit, const struct batcher_ask *ask)
{
    return l->count >= limit || ask->flush || ask->now_ns - l->first->since_ns >= b->max_wait_ns;
}

static int find_due(const struct batcher *b, const struct batcher_ask *ask)
{
    int best = -1;
    for (int i = 0; i < BATCHER_LANES; i++) {
        const struct batcher_lane *l = &b->lanes[i];
        if (!l->count || ask->limit[i] <= 0 || !is_due(b, l, ask->limit[i], ask))
            continue;
        if (best < 0 || l->first->since_ns < b->lanes[best].first->since_ns)
            best = i;
    }
    return best;
}

int batcher_look(const struct batcher *b, const struct batcher_ask *ask, int *lane)
{
    int at = find_due(b, ask);
    if (at < 0)
        return 0;
    int most = ask->limit[at] < BATCHER_MAX ? ask->limit[at] : BATCHER_MAX;
    *lane = at;
    return b->lanes[at].count < most ? b->lanes[at].count : most;
}

int batcher_take(struct batcher *b, const struct batcher_ask *ask, struct batch_item **items, int *lane)
{
    int n = batcher_look(b, ask, lane);
    if (!n)
        return 0;
    struct batcher_lane *l = &b->lanes[*lane];
    for (int i = 0; i < n; i++) {
        items[i] = l->first;
        l->first = l->first->next;
    }
    if (!l->first)
        l->last = NULL;
    l->count -= n;
    return n;
}

int64_t batcher_due_in(const struct batcher *b, int64_t now_ns)
{
    int64_t least = -1;
    for (int i = 0; i < BATCHER_LANES; i++) {
        if (!b->lanes[i].count)
            continue;
        int64_t left = b->lanes[i].first->since_ns + b->max_wait_ns - now_ns;
        left = left > 0 ? left : 0;
        if (least < 0 || left < least)
            least = left;
    }
    return least;
}

int batcher_count(const struct batcher *b)
{
    int n = 0;
    for (int i = 0; i < BATCHER_LANES; i++)
        n += b->lanes[i].count;
    return n;
}
