/* See place.h. */
#include "stages/infer/place.h"

#include <stdint.h>
#include <stdlib.h>

#include "stages/infer/net.h"

/* A root tensor in the arena. */
struct item {
    int tensor;
    int first, last;         /* steps between which it must keep its contents */
    size_t bytes, offset;
};

bool place_is_view(const struct step *s)
{
    return s->op.kind == OP_COPY;
}

static size_t aligned(size_t bytes)
{
    return (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
}

static void find_roots(const struct net *net, struct placement *p)
{
    for (int t = 0; t < net->n_tensors; t++)
        p->of[t] = (struct place){.kind = net->tensors[t].data ? PLACE_CONSTANT : PLACE_NOWHERE, .root = t};
    for (int i = 0; i < net->n_inputs; i++) {
        p->of[net->inputs[i]].kind = PLACE_STAGING;
        p->of[net->inputs[i]].offset = p->staging_bytes;
        p->staging_bytes += aligned(tensor_bytes(&net->tensors[net->inputs[i]].desc));
    }
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        for (int i = 0; i < s->n_out; i++)
            p->of[s->out[i]] = place_is_view(s) ? p->of[s->in[0]] : (struct place){PLACE_ARENA, s->out[i], 0};
    }
}

static void find_lives(const struct net *net, const struct placement *p, struct item *items)
{
    for (int t = 0; t < net->n_tensors; t++)
        items[t] = (struct item){.tensor = t, .first = -1, .last = -1};
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        for (int i = 0; i < s->n_out && !place_is_view(s); i++)
            items[s->out[i]].first = items[s->out[i]].last = n;
        for (int i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                items[p->of[s->in[i]].root].last = n;
    }
    for (int i = 0; i < net->n_outputs; i++)
        items[p->of[net->outputs[i]].root].last = net->n_steps;
}

static int by_size(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->tensor - y->tensor;
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

static enum cq_err give_offsets(struct item *items, int n, size_t segment, struct placement *p)
{
    struct item **busy = malloc(((size_t) n + 1) * sizeof *busy);
    if (!busy)
        return CQ_NOMEM;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++) {
        int n_busy = 0;
        for (int k = 0; k < i; k++)
            if (items[k].first <= items[i].last && items[i].first <= items[k].last)
                busy[n_busy++] = &items[k];
        if (segment && items[i].bytes > segment)
            err = CQ_OOM;
        items[i].offset = lowest_gap(busy, n_busy, items[i].bytes, segment);
        size_t end = items[i].offset + items[i].bytes;
        p->arena_bytes = end > p->arena_bytes ? end : p->arena_bytes;
        p->of[items[i].tensor].offset = items[i].offset;
    }
    free(busy);
    return err;
}

enum cq_err place_tensors(const struct net *net, size_t segment, struct placement *out)
{
    struct placement p = {.of = calloc((size_t) net->n_tensors + 1, sizeof *p.of)};
    struct item *items = malloc(((size_t) net->n_tensors + 1) * sizeof *items);
    enum cq_err err = p.of && items ? CQ_OK : CQ_NOMEM;
    if (err)
        goto done;
    find_roots(net, &p);
    find_lives(net, &p, items);
    int n = 0;
    for (int t = 0; t < net->n_tensors; t++) {
        size_t bytes = aligned(tensor_bytes(&net->tensors[t].desc));
        if (p.of[t].kind != PLACE_ARENA || p.of[t].root != t)
            continue;
        items[n] = items[t];
        items[n++].bytes = bytes ? bytes : PLACE_ALIGN;
    }
    qsort(items, (size_t) n, sizeof *items, by_size);
    err = give_offsets(items, n, segment / PLACE_ALIGN * PLACE_ALIGN, &p);
    for (int t = 0; t < net->n_tensors && !err; t++)
        p.of[t].offset = p.of[p.of[t].root].offset;
done:
    free(items);
    if (err)
        placement_finish(&p);
    else
        *out = p;
    return err;
}

void placement_finish(struct placement *p)
{
    free(p->of);
    *p = (struct placement){0};
}
