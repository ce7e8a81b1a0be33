/* A hash table with chains to find answers, and a binary heap by rank to find the one that goes first. */
#include "runner/cache_memory.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 1024 };

struct entry {
    struct entry *next;         /* in its bucket */
    struct cache_key key;
    struct cache_life life;
    int at;                     /* in the heap */
    size_t size;
    uint8_t blob[];
};

struct cache_memory {
    int64_t budget, ttl_ms, bytes, evictions;
    double age;
    struct entry **buckets;     /* owned; a power of two of them */
    size_t n_buckets;
    struct entry **heap;        /* owned; the lowest rank first; as long as the table */
    int n;
};

/* ---- the heap ---- */

static void place(struct cache_memory *m, int at, struct entry *e)
{
    m->heap[at] = e;
    e->at = at;
}

static void rise(struct cache_memory *m, struct entry *e)
{
    int at = e->at;
    for (int above; at && m->heap[above = (at - 1) / 2]->life.rank > e->life.rank; at = above)
        place(m, at, m->heap[above]);
    place(m, at, e);
}

static void sink(struct cache_memory *m, struct entry *e)
{
    int at = e->at;
    for (int below; (below = 2 * at + 1) < m->n; at = below) {
        below += below + 1 < m->n && m->heap[below + 1]->life.rank < m->heap[below]->life.rank;
        if (m->heap[below]->life.rank >= e->life.rank)
            break;
        place(m, at, m->heap[below]);
    }
    place(m, at, e);
}

/* ---- the table ---- */

static struct entry **find(const struct cache_memory *m, const struct cache_key *key)
{
    struct entry **at = &m->buckets[key->low & (m->n_buckets - 1)];
    while (*at && ((*at)->key.low != key->low || (*at)->key.high != key->high))
        at = &(*at)->next;
    return at;
}

static void drop(struct cache_memory *m, struct entry *e)
{
    *find(m, &e->key) = e->next;
    struct entry *last = m->heap[--m->n];
    if (last != e) {
        place(m, e->at, last);
        sink(m, last);
        rise(m, last);
    }
    m->bytes -= e->life.bytes;
    free(e);
}

/* At most one entry a bucket on the average; the heap has as many places. */
static bool grow(struct cache_memory *m)
{
    size_t n = 2 * m->n_buckets;
    struct entry **heap = realloc(m->heap, n * sizeof *heap);
    if (!heap)
        return false;
    m->heap = heap;
    struct entry **buckets = calloc(n, sizeof *buckets);
    if (!buckets)
        return false;
    free(m->buckets);
    m->buckets = buckets;
    m->n_buckets = n;
    for (int i = 0; i < m->n; i++) {
        struct entry **at = &buckets[heap[i]->key.low & (n - 1)];
        heap[i]->next = *at;
        *at = heap[i];
    }
    return true;
}

static void make_room(struct cache_memory *m, int64_t bytes)
{
    while (m->n && m->bytes + bytes > m->budget) {
        m->age = m->heap[0]->life.rank;
        m->evictions++;
        drop(m, m->heap[0]);
    }
}

enum cq_err cache_memory_create(int64_t budget, int64_t ttl_ms, struct cache_memory **out)
{
    struct cache_memory *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return CQ_NOMEM;
    *m = (struct cache_memory) {.budget = budget, .ttl_ms = ttl_ms, .n_buckets = BUCKETS_MIN};
    m->buckets = calloc(m->n_buckets, sizeof *m->buckets);
    m->heap = calloc(m->n_buckets, sizeof *m->heap);
    if (!m->buckets || !m->heap) {
        cache_memory_destroy(&m);
        return CQ_NOMEM;
    }
    *out = m;
    return CQ_OK;
}

void cache_memory_destroy(struct cache_memory **pm)
{
    struct cache_memory *m = *pm;
    if (!m)
        return;
    for (int i = 0; i < m->n; i++)
        free(m->heap[i]);
    free(m->heap);
    free(m->buckets);
    free(m);
    *pm = NULL;
}

int64_t cache_memory_bytes(const struct cache_memory *m) { return m->bytes; }
int cache_memory_entries(const struct cache_memory *m) { return m->n; }
int64_t cache_memory_evictions(const struct cache_memory *m) { return m->evictions; }

bool cache_memory_use(struct cache_memory *m, const struct cache_key *key, int64_t now_ms, struct cache_found *out)
{
    struct entry *e = *find(m, key);
    if (e && !cache_life_check(&e->life, now_ms, m->ttl_ms)) {
        drop(m, e);
        e = NULL;
    }
    if (!e)
        return false;
    bool proved = cache_life_use(&e->life, now_ms, m->ttl_ms, m->age);
    sink(m, e);
    *out = (struct cache_found) {e->blob, e->size, e->life.cost_ms, proved};
    return true;
}

void cache_memory_put(struct cache_memory *m, const struct cache_key *key, const void *blob, size_t size, double cost_ms,
                      int64_t now_ms)
{
    struct entry *e = *find(m, key);
    int64_t bytes = (int64_t) (sizeof *e + size + 2 * sizeof e);
    if (e)
        drop(m, e);
    if (bytes > m->budget || ((size_t) m->n == m->n_buckets && !grow(m)) || !(e = malloc(sizeof *e + size)))
        return;
    make_room(m, bytes);
    *e = (struct entry) {.key = *key, .size = size, .life = cache_life_begin(now_ms, m->ttl_ms, cost_ms, bytes, m->age)};
    memcpy(e->blob, blob, size);
    struct entry **at = &m->buckets[key->low & (m->n_buckets - 1)];
    e->next = *at;
    *at = e;
    m->bytes += bytes;
    place(m, m->n++, e);
    rise(m, e);
}

void cache_memory_limit(struct cache_memory *m, int64_t budget)
{
    m->budget = budget;
    make_room(m, 0);
}
