/* See place.h. Largest first leaves gaps on some nets. Where it does, what stuck out is placed earlier in the next try,
 * and the best try is kept ("squeaky wheel" optimization, Joslin and Clements, 1999). */
#include "stages/infer/place.h"

#include <stdint.h>
#include <stdlib.h>

#include "stages/infer/net.h"
#include "stages/infer/share.h"

/* Something in the arena: a tensor, or a step's scratch. */
struct item {
    int tensor;              /* -1: scratch of step `first` */
    int first, last;         /* steps between which it must keep its contents */
    size_t bytes, offset;
    double weight;           /* the heavier is placed first; grows with each try in which it sticks out */
};

enum { TRIES = 16, HEAVIER = 2 };   /* tries from each of two orders */

/* An attempt at all offsets. */
struct layout_try {
    struct item *items;      /* in the order in which they are placed */
    struct item **busy;      /* room for all, for lowest_gap() */
    int n;
    size_t bytes;
};

bool place_is_view(const struct step *s)
{
    return s->op.kind == OP_COPY;
}

static bool together(const struct item *a, const struct item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int by_order(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->first != y->first ? x->first - y->first : x->tensor - y->tensor;
}

static int by_offset(const void *a, const void *b)
{
    const struct item *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

/* The next address from `at` on where `bytes` stay within one segment. */
static size_t within_segment(size_t at, size_t bytes, size_t segment)
{
    return segment && at / segment != (at + bytes - 1) / segment ? (at / segment + 1) * segment : at;
}

static size_t lowest_gap(struct item **busy, int n_busy, size_t bytes, size_t segment)
{
    size_t at = 0;
    qsort(busy, (size_t) n_busy, sizeof *busy, by_offset);
    for (int i = 0; i < n_busy; i++) {
        at = within_segment(at, bytes, segment);
        if (at + bytes <= busy[i]->offset)
            break;
        size_t end = busy[i]->offset + busy[i]->bytes;
        at = end > at ? end : at;
    }
    return within_segment(at, bytes, segment);
}

static void give_offsets(struct layout_try *t, size_t segment)
{
    qsort(t->items, (size_t) t->n, sizeof *t->items, by_order);
    t->bytes = 0;
    for (int i = 0; i < t->n; i++) {
        int n_busy = 0;
        for (int k = 0; k < i; k++)
            if (together(&t->items[k], &t->items[i]))
                t->busy[n_busy++] = &t->items[k];
        t->items[i].offset = lowest_gap(t->busy, n_busy, t->items[i].bytes, segment);
        size_t end = t->items[i].offset + t->items[i].bytes;
        t->bytes = end > t->bytes ? end : t->bytes;
    }
}

static void keep(const struct layout_try *t, struct placement *p)
{
    p->arena_bytes = t->bytes;
    for (int i = 0; i < t->n; i++) {
        const struct item *it = &t->items[i];
        if (it->tensor >= 0)
            p->of[it->tensor].offset = it->offset;
        else
            p->scratch[it->first] = it->offset;
    }
}

/* Sum of what is alive at each step, as differences between neighbours. */
static enum cq_err find_bound(const struct item *items, int n, int n_steps, size_t *bound)
{
    size_t *change = calloc((size_t) n_steps + 2, sizeof *change), sum = 0;
    if (!change)
        return CQ_NOMEM;
    for (int i = 0; i < n; i++) {
        change[items[i].first] += items[i].bytes;
        change[items[i].last + 1] -= items[i].bytes;
    }
    for (int s = 0; s < n_steps; s++) {
        sum += change[s];           /* wraps on the way down, as unsigned numbers may */
        *bound = sum > *bound ? sum : *bound;
    }
    free(change);
    return CQ_OK;
}

/* Tensors that own memory, then scratch. */
static int list_items(const struct net *net, const struct place_wish *wishes, const struct placement *p,
                      const struct life *lives, struct item *items)
{
    int n = 0;
    for (int t = 0; t < net->n_tensors; t++)
        if (p->of[t].kind == PLACE_ARENA && p->of[t].root == t)
            items[n++] = (struct item){
                .tensor = t, .first = lives[t].first, .last = lives[t].last, .bytes = lives[t].bytes,
            };
    for (int s = 0; wishes && s < net->n_steps; s++)
        if (wishes[s].scratch)
            items[n++] = (struct item){.tensor = -1, .first = s, .last = s, .bytes = share_aligned(wishes[s].scratch)};
    return n;
}

/* Largest first, or what takes the most bytes for the longest. */
static void weigh(struct layout_try *t, bool by_life)
{
    for (int i = 0; i < t->n; i++) {
        struct item *it = &t->items[i];
        it->weight = (double) it->bytes * (by_life ? it->last - it->first + 1 : 1);
    }
}

static enum cq_err place_items(const struct net *net, struct layout_try *t, size_t segment, struct placement *p)
{
    for (int i = 0; i < t->n; i++)
        if (segment && t->items[i].bytes > segment)
            return CQ_OOM;
    enum cq_err err = find_bound(t->items, t->n, net->n_steps, &p->bound_bytes);
    for (int i = 0; i < 2 * TRIES && !err && (!i || p->arena_bytes > p->bound_bytes); i++) {
        if (i % TRIES == 0)
            weigh(t, i > 0);
        give_offsets(t, segment);
        if (!i || t->bytes < p->arena_bytes)
            keep(t, p);
        for (int k = 0; k < t->n; k++)
            if (t->items[k].offset + t->items[k].bytes > p->bound_bytes)
                t->items[k].weight *= HEAVIER;
    }
    return err;
}

enum cq_err place_tensors(const struct net *net, const struct place_wish *wishes, size_t segment,
                          struct placement *out)
{
    size_t most = (size_t) net->n_tensors + (size_t) net->n_steps + 1;
    struct placement p = {
        .of = calloc((size_t) net->n_tensors + 1, sizeof *p.of),
        .scratch = calloc((size_t) net->n_steps + 1, sizeof *p.scratch),
        .skip = calloc((size_t) net->n_steps + 1, sizeof *p.skip),
    };
    struct life *lives = malloc(((size_t) net->n_tensors + 1) * sizeof *lives);
    struct layout_try t = {.items = malloc(most * sizeof *t.items), .busy = malloc(most * sizeof *t.busy)};
    enum cq_err err = p.of && p.scratch && p.skip && lives && t.items && t.busy ? CQ_OK : CQ_NOMEM;
    if (err)
        goto done;
    share_find(net, wishes, &p, lives);
    t.n = list_items(net, wishes, &p, lives, t.items);
    err = place_items(net, &t, segment / PLACE_ALIGN * PLACE_ALIGN, &p);
    for (int i = 0; i < net->n_tensors && !err; i++)
        if (p.of[i].root != i)
            p.of[i].offset += p.of[p.of[i].root].offset;
done:
    free(lives);
    free(t.items);
    free(t.busy);
    if (err)
        placement_finish(&p);
    else
        *out = p;
    return err;
}

void placement_finish(struct placement *p)
{
    free(p->of);
    free(p->scratch);
    free(p->skip);
    *p = (struct placement){0};
}
