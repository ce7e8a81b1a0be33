/* See share.h. Links are kept short: of[t].root is always a root, so that giving a root to another means to visit all
 * its tensors. */
#include "stages/infer/share.h"

#include "stages/infer/net.h"

size_t share_aligned(size_t bytes)
{
    return (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
}

static const struct tensor_desc *desc_of(const struct net *net, int t)
{
    return &net->tensors[t].desc;
}

static size_t bytes_of(const struct net *net, int t)
{
    return tensor_bytes(desc_of(net, t));
}

static bool stored_alike(const struct tensor_desc *a, const struct tensor_desc *b)
{
    return tensor_same_shape(a, b) && a->layout == b->layout && a->block == b->block &&
           dtype_size(a->type) == dtype_size(b->type);
}

/* ---- parts ---- */

/* Bytes from one element to the next along dimension `axis`, for BLOCKED channels from one block to the next. */
static size_t stride_of(const struct tensor_desc *d, int axis)
{
    bool blocked = d->layout == LAYOUT_BLOCKED;
    size_t stride = dtype_size(d->type) * (size_t) (blocked && axis <= 1 ? d->block : 1);
    for (int i = axis + 1; i < d->rank; i++)
        stride *= (size_t) (blocked && i == 1 ? (d->dim[1] + d->block - 1) / d->block : d->dim[i]);
    return stride;
}

/* The part of `whole` that begins at `start` and has the part's shape: does it lie in consecutive bytes? *offset is that
 * of the first. Its dimensions are 1 up to the one that is cut, and whole behind it. */
static bool part_of(const struct tensor_desc *whole, const struct tensor_desc *part, const int64_t *start, size_t *offset)
{
    bool blocked = whole->layout == LAYOUT_BLOCKED, cut = false;
    if (whole->rank != part->rank || whole->type != part->type || whole->layout != part->layout ||
        whole->block != part->block || tensor_elems(part) == 0)
        return false;
    *offset = 0;
    for (int i = part->rank - 1; i >= 0; i--) {
        if (cut && part->dim[i] != 1)
            return false;
        cut = cut || part->dim[i] != whole->dim[i];
        int64_t unit = blocked && i == 1 ? whole->block : 1;
        if (start[i] % unit || (part->dim[i] % unit && start[i] + part->dim[i] != whole->dim[i]))
            return false;
        *offset += (size_t) (start[i] / unit) * stride_of(whole, i);
    }
    return *offset % PLACE_PART_ALIGN == 0;
}

/* Output `i` of a Split or Slice as a part of the input. */
static bool cut_of(const struct net *net, const struct step *s, int i, size_t *offset)
{
    const struct tensor_desc *x = desc_of(net, s->in[0]), *y = desc_of(net, s->out[i]);
    int64_t start[TENSOR_MAX_RANK] = {0};
    if (s->op.kind == OP_SPLIT)
        for (int k = 0; k < i; k++)
            start[s->op.u.axis.axis] += desc_of(net, s->out[k])->dim[s->op.u.axis.axis];
    for (int d = 0; s->op.kind == OP_SLICE && d < y->rank; d++) {
        start[d] = s->op.u.slice.start[d];
        if (s->op.u.slice.step[d] != 1 && y->dim[d] != 1)
            return false;
    }
    return part_of(x, y, start, offset);
}

/* ---- views ---- */

static bool is_view(const struct net *net, const struct placement *p, const struct step *s)
{
    size_t offset;
    if (place_is_view(s))
        return true;
    if (s->op.kind != OP_SPLIT && s->op.kind != OP_SLICE)
        return false;
    enum place_kind kind = p->of[s->in[0]].kind;
    for (int i = 0; i < s->n_out; i++)
        if (!cut_of(net, s, i, &offset))
            return false;
    return kind == PLACE_ARENA || kind == PLACE_STAGING;
}

static void find_roots(const struct net *net, struct placement *p)
{
    for (int t = 0; t < net->n_tensors; t++)
        p->of[t] = (struct place){.kind = net->tensors[t].data ? PLACE_CONSTANT : PLACE_NOWHERE, .root = t};
    for (int i = 0; i < net->n_inputs; i++)
        p->of[net->inputs[i]].kind = PLACE_STAGING;
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        p->skip[n] = is_view(net, p, s);
        for (int i = 0; i < s->n_out; i++) {
            size_t cut = 0;
            p->of[s->out[i]] = p->skip[n] ? p->of[s->in[0]] : (struct place){PLACE_ARENA, s->out[i], 0};
            if (p->skip[n] && !place_is_view(s) && cut_of(net, s, i, &cut))
                p->of[s->out[i]].offset += cut;
        }
    }
}

static void find_lives(const struct net *net, const struct placement *p, struct life *lives)
{
    for (int t = 0; t < net->n_tensors; t++) {
        size_t bytes = share_aligned(bytes_of(net, t));
        lives[t] = (struct life){.first = -1, .last = -1, .bytes = bytes ? bytes : PLACE_ALIGN};
    }
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        for (int i = 0; i < s->n_out && !p->skip[n]; i++)
            lives[s->out[i]].first = lives[s->out[i]].last = n;
        for (int i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                lives[p->of[s->in[i]].root].last = n;
    }
    for (int i = 0; i < net->n_outputs; i++)
        lives[p->of[net->outputs[i]].root].last = net->n_steps;
}

/* All that is in the memory of root `from` moves to `offset` within root `to`. */
static void move_root(const struct net *net, struct placement *p, struct life *lives, int from, int to, size_t offset)
{
    for (int t = 0; t < net->n_tensors; t++)
        if (p->of[t].root == from) {
            p->of[t].root = to;
            p->of[t].offset += offset;
        }
    if (lives[from].first < lives[to].first)
        lives[to].first = lives[from].first;
    if (lives[from].last > lives[to].last)
        lives[to].last = lives[from].last;
}

/* ---- what is joined ---- */

/* A Concat's inputs as parts of its result. */
struct joint {
    const struct net *net;
    const struct place_wish *wishes;
    const struct placement *p;
    const struct step *step;
    size_t at[OP_MAX_INPUTS];    /* offset of each input in the result */
    int made[OP_MAX_INPUTS];     /* the first step that writes to its memory, the Concat at the latest */
};

/* Inputs without elements are nowhere, and in nobody's way. */
static bool is_empty(const struct joint *j, int i)
{
    return bytes_of(j->net, j->step->in[i]) == 0;
}

/* False when some input would not lie in consecutive bytes of the result. */
static bool find_parts(struct joint *j, const struct life *lives)
{
    const struct step *s = j->step;
    int64_t start[TENSOR_MAX_RANK] = {0};
    for (int i = 0; i < s->n_in; i++) {
        const struct tensor_desc *x = desc_of(j->net, s->in[i]);
        const struct place *place = &j->p->of[s->in[i]];
        j->made[i] = place->kind == PLACE_ARENA ? lives[place->root].first : (int) (s - j->net->steps);
        if (!is_empty(j, i) && !part_of(desc_of(j->net, s->out[0]), x, start, &j->at[i]))
            return false;
        start[s->op.u.axis.axis] += x->dim[s->op.u.axis.axis];
    }
    return true;
}

static bool lies_there(const struct joint *j, int i)
{
    const struct place *x = &j->p->of[j->step->in[i]], *y = &j->p->of[j->step->out[0]];
    return is_empty(j, i) || (x->root == y->root && x->offset == y->offset + j->at[i]);
}

/* Bytes from `begin` to `end` of a root. */
struct range { int root; size_t begin, end; };

static bool is_in(const struct joint *j, int t, const struct range *range)
{
    const struct place *x = t >= 0 ? &j->p->of[t] : NULL;
    return x && x->root == range->root && x->offset < range->end && range->begin < x->offset + bytes_of(j->net, t);
}

/* May step `n` write input `i` of the Concat over what it reads from the range? Every tensor in it must lie exactly there,
 * and the kernel must allow it. */
static bool may_overwrite(const struct joint *j, const struct range *range, int n, int i)
{
    const struct step *s = &j->net->steps[n];
    if (s->n_out != 1 || s->out[0] != j->step->in[i] || j->p->skip[n] ||
        range->end - range->begin != bytes_of(j->net, s->out[0]))
        return false;
    for (int k = 0; k < s->n_in; k++)
        if (is_in(j, s->in[k], range) &&
            (!(j->wishes[n].in_place >> k & 1) || j->p->of[s->in[k]].offset != range->begin ||
             !stored_alike(desc_of(j->net, s->in[k]), desc_of(j->net, s->out[0]))))
            return false;
    return true;
}

/* Is the range of no use any more when input `i` of the Concat is made? */
static bool is_free_for(const struct joint *j, const struct range *range, int i)
{
    for (int n = j->made[i]; n < j->net->n_steps; n++) {
        const struct step *s = &j->net->steps[n];
        bool touched = false;
        for (int k = 0; k < s->n_in; k++)
            touched = touched || is_in(j, s->in[k], range);
        if (touched && (n > j->made[i] || !may_overwrite(j, range, n, i)))
            return false;
        for (int k = 0; k < s->n_out; k++)
            if (is_in(j, s->out[k], range))
                return false;
    }
    for (int k = 0; k < j->net->n_outputs; k++)
        if (is_in(j, j->net->outputs[k], range))
            return false;
    return true;
}

/* Input `i` can lie where it belongs if its whole root can. Where the rest of the root comes to lie are other parts of it
 * that belong there, or inputs that are made when that rest has been read for the last time. */
static bool can_lie_there(const struct joint *j, int i)
{
    const struct step *s = j->step;
    const struct place *x = &j->p->of[s->in[i]];
    if (is_empty(j, i) || x->kind != PLACE_ARENA || x->root == j->p->of[s->out[0]].root || j->at[i] < x->offset)
        return false;
    size_t first = j->at[i] - x->offset, end = first + bytes_of(j->net, x->root);
    if (end > bytes_of(j->net, s->out[0]))
        return false;
    for (int k = 0; k < s->n_in; k++) {
        const struct place *other = &j->p->of[s->in[k]];
        size_t begin = j->at[k] > first ? j->at[k] : first, stop = j->at[k] + bytes_of(j->net, s->in[k]);
        bool same = other->root == x->root && first + other->offset == j->at[k];
        struct range range = {x->root, begin - first, (stop < end ? stop : end) - first};
        if (!is_empty(j, k) && begin < stop && begin < end && !same && !is_free_for(j, &range, k))
            return false;
    }
    return true;
}

/* Puts inputs of Concats into their results. */
static void join(const struct net *net, const struct place_wish *wishes, struct placement *p, struct life *lives)
{
    for (int n = 0; n < net->n_steps; n++) {
        struct joint j = {.net = net, .wishes = wishes, .p = p, .step = &net->steps[n]};
        if (j.step->op.kind != OP_CONCAT || !wishes[n].takes_parts || !find_parts(&j, lives))
            continue;
        int y = j.step->out[0], there = 0;
        for (int i = 0; i < j.step->n_in; i++) {
            if (can_lie_there(&j, i))
                move_root(net, p, lives, p->of[j.step->in[i]].root, p->of[y].root,
                          p->of[y].offset + j.at[i] - p->of[j.step->in[i]].offset);
            there += lies_there(&j, i);
        }
        p->skip[n] = there == j.step->n_in;
    }
}

/* ---- what is written over ---- */

/* The input whose memory step `n` may write its result to, or -1. Another input in the same memory forbids it,
 * unless it is the same tensor and may be overwritten too. */
static int overwritten(const struct net *net, const struct placement *p, const struct life *lives, int n,
                       unsigned allowed)
{
    const struct step *s = &net->steps[n];
    for (int i = 0; i < s->n_in && allowed >> i && s->n_out == 1; i++) {
        if (!(allowed >> i & 1) || s->in[i] < 0 || p->of[s->in[i]].kind != PLACE_ARENA)
            continue;
        int root = p->of[s->in[i]].root;
        bool free = lives[root].last == n && lives[root].bytes == lives[s->out[0]].bytes &&
                    stored_alike(desc_of(net, s->in[i]), desc_of(net, s->out[0]));
        for (int k = 0; k < s->n_in && free; k++)
            if (s->in[k] >= 0 && p->of[s->in[k]].root == root)
                free = s->in[k] == s->in[i] && allowed >> k & 1;
        if (free)
            return s->in[i];
    }
    return -1;
}

/* Results take the place of inputs, step by step, so that a chain of such steps has one place. A result that is part of
 * something, or something made of parts, stays where it is. */
static void overlay(const struct net *net, const struct place_wish *wishes, struct placement *p, struct life *lives)
{
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        if (p->skip[n] || p->of[s->out[0]].root != s->out[0] || lives[s->out[0]].first != n)
            continue;
        int input = overwritten(net, p, lives, n, wishes[n].in_place);
        if (input >= 0)
            move_root(net, p, lives, s->out[0], p->of[input].root, p->of[input].offset);
    }
}

static void stage_inputs(const struct net *net, struct placement *p)
{
    for (int i = 0; i < net->n_inputs; i++) {
        p->of[net->inputs[i]].offset = p->staging_bytes;
        p->staging_bytes += share_aligned(bytes_of(net, net->inputs[i]));
    }
}

void share_find(const struct net *net, const struct place_wish *wishes, struct placement *p, struct life *lives)
{
    find_roots(net, p);
    find_lives(net, p, lives);
    if (wishes) {
        join(net, wishes, p, lives);
        overlay(net, wishes, p, lives);
    }
    stage_inputs(net, p);
}
