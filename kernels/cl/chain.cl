/* Steps of a chain (kernels/chain.h): what a thread knows of them, and how threads share the work-items of one.
 *
 * A step's items are cut into pieces, and each thread has a share of neighbouring pieces, so that what it wrote in one
 * step it mostly reads in the next. A thread takes the pieces of its share, then those that others have left, and
 * waits until all are done. It waits only for pieces that a running thread has taken: it does not matter when the
 * others come, or whether they come at all.
 *
 * Counters only grow: turn t of a step with n pieces in a share takes it from t*n to (t+1)*n, so nobody needs to clear
 * them, and a thread that comes too late finds everything done.
 */
#define CHAIN_INLINE static inline __attribute__((always_inline))

enum { CHAIN_MEMORIES = 8, CHAIN_LINE = 16 };   /* of a cache line, uints */

struct ChainStep {
    int unit, body;            /* which kernel */
    int args;                  /* where its arguments are in the table, bytes */
    int size[3];               /* work-items */
    int items, piece, pieces;  /* in all, in a piece, and how many pieces that is */
};

struct Chain {
    global const char *table;
    volatile global uint *counters;    /* of the step at hand: one for each share and one of pieces done, a line each */
    uint turn;
    int threads, me;
    local char *room;
    global char *memory[CHAIN_MEMORIES];
};

/* A thread in a step. */
struct ChainWalk {
    ulong at[3], size[3];
    int item, end, share;      /* share: how many were found empty */
};

CHAIN_INLINE int chain_share_start(const struct Chain *c, const struct ChainStep *s, int thread)
{
    return (int) ((long) s->pieces * thread / c->threads);
}

CHAIN_INLINE int chain_take_piece(struct ChainWalk *w, const struct Chain *c, const struct ChainStep *s)
{
    for (; w->share < c->threads; w->share++) {
        int owner = (c->me + w->share) % c->threads, start = chain_share_start(c, s, owner);
        uint n = chain_share_start(c, s, owner + 1) - start;
        volatile global uint *taken = c->counters + owner * CHAIN_LINE;
        for (uint seen = *taken; seen - c->turn * n < n; seen = *taken)
            if (atomic_cmpxchg(taken, seen, seen + 1) == seen)
                return start + (int) (seen - c->turn * n);
    }
    return -1;
}

/* The next piece, or false. */
CHAIN_INLINE bool chain_more(struct ChainWalk *w, const struct Chain *c, const struct ChainStep *s)
{
    if (c->threads == 1) {
        w->item = 0;
        w->end = w->share++ ? 0 : s->items;
    } else {
        int piece = chain_take_piece(w, c, s);
        w->item = max(piece, 0) * s->piece;
        w->end = piece < 0 ? 0 : min(w->item + s->piece, s->items);
    }
    w->at[0] = w->item % s->size[0];
    w->at[1] = w->item / s->size[0] % s->size[1];
    w->at[2] = w->item / s->size[0] / s->size[1];
    return w->item < w->end;
}

CHAIN_INLINE void chain_next(struct ChainWalk *w)
{
    w->item++;
    bool row = ++w->at[0] == w->size[0];
    w->at[0] = row ? 0 : w->at[0];
    w->at[1] += row;
    bool plane = w->at[1] == w->size[1];
    w->at[1] = plane ? 0 : w->at[1];
    w->at[2] += plane;
}

CHAIN_INLINE void chain_done(const struct Chain *c)
{
    if (c->threads > 1)
        atomic_inc(c->counters + c->threads * CHAIN_LINE);
}

CHAIN_INLINE void chain_rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

CHAIN_INLINE void chain_meet(const struct Chain *c, const struct ChainStep *s)
{
    volatile global uint *done = c->counters + c->threads * CHAIN_LINE;
    uint all = (c->turn + 1) * s->pieces;
    if (c->threads == 1)
        return;
    while ((int) (*done - all) < 0)
        chain_rest();
    atomic_add(done, 0);       /* nothing that is read later may be read before */
}

CHAIN_INLINE global void *chain_memory(const struct Chain *c, global const char *arg)
{
    int i = *(global const int *) arg;
    return i < 0 ? (global void *) 0 : (global void *) c->memory[i];
}

/* Runs `call`, which knows its work-item as w.at in w.size, for all items that fall to this thread. */
#define CHAIN_EACH(call)                                                                        \
    {                                                                                           \
        struct ChainWalk w = {.size = {s->size[0], s->size[1], s->size[2]}, .share = 0};        \
        for (; chain_more(&w, c, s); chain_done(c))                                             \
            for (; w.item < w.end; chain_next(&w))                                              \
                call;                                                                           \
    }
