/* Channels that are only moved: chains of Reshape, Transpose, Concat, Split, Slice and Gather whose net effect is to
 * choose whole channels of some images, as channel shuffles do, become one Select of the tensors at the chain's start.
 *
 * Every tensor that such steps make is followed as a list of rows: the channel planes of images that other steps make,
 * in some order. A step that keeps planes whole turns lists into lists. What a step of another kind reads, and is an
 * image of such planes with the same choice of channels for each picture of the batch, is then made from the planes'
 * owners: by Select, by Concat where it holds them whole, or not at all where it is one of them.
 */
#include <stdlib.h>
#include <string.h>

#include "stages/infer/pass.h"

enum { MAX_SOURCES = 16, MAX_ROWS = 1 << 22 };   /* of one Select; in all lists together */

struct row { int tensor, plane; };               /* plane: of all of the tensor's N*C */

struct rows {
    struct row *row;                             /* NULL: not followed */
    int64_t n, area;                             /* elements of a row */
    bool moved;                                  /* made by moving, not an owner of planes */
    bool mixed;                                  /* moving changed their order */
};

struct follow {
    struct rewrite *r;
    struct rows *of;                             /* per tensor, with room for two new ones each */
    int n_tensors;
    int64_t left;                                /* rows that lists may still take */
};

static struct tensor_desc *desc_of(const struct follow *f, int t)
{
    return &f->r->net->tensors[t].desc;
}

static enum cq_err make_list(struct follow *f, int t, int64_t n, int64_t area)
{
    struct rows *l = &f->of[t];
    if (n > f->left)
        return CQ_OK;
    l->row = malloc((size_t) (n + 1) * sizeof *l->row);
    if (!l->row)
        return CQ_NOMEM;
    f->left -= n;
    l->n = n;
    l->area = area;
    return CQ_OK;
}

/* A tensor that nobody has followed yet owns its planes, if it is an image. */
static enum cq_err begin(struct follow *f, int t)
{
    const struct tensor_desc *d = desc_of(f, t);
    int64_t n = tensor_elems(d);
    if (f->of[t].row || f->r->net->tensors[t].data || d->type != DT_F32 || d->rank != 4 || n < 1 ||
        d->dim[2] * d->dim[3] < 2)
        return CQ_OK;
    enum cq_err err = make_list(f, t, d->dim[0] * d->dim[1], d->dim[2] * d->dim[3]);
    for (int64_t i = 0; f->of[t].row && i < f->of[t].n; i++)
        f->of[t].row[i] = (struct row){t, (int) i};
    return err;
}

/* How many dimensions of t count rows, the others making up a row; -1 where rows end within a dimension. */
static int outer_rank(const struct follow *f, int t, int64_t area)
{
    const struct tensor_desc *d = desc_of(f, t);
    int64_t inner = 1;
    int rank = d->rank;
    while (rank > 0 && inner < area)
        inner *= d->dim[--rank];
    return inner == area ? rank : -1;
}

static int64_t span(const struct tensor_desc *d, int first, int last)
{
    int64_t n = 1;
    for (int i = first; i < last; i++)
        n *= d->dim[i];
    return n;
}

/* y takes the positions first, first + step, ... of x along an axis; or those in `index`. */
struct take { int axis; int64_t first, step, count; const int64_t *index; };

static enum cq_err take_rows(struct follow *f, int x, int y, const struct take *t)
{
    const struct rows *from = &f->of[x];
    const struct tensor_desc *d = desc_of(f, x);
    int rank = outer_rank(f, x, from->area);
    if (t->axis >= rank)
        return CQ_OK;
    int64_t outer = span(d, 0, t->axis), n = d->dim[t->axis], inner = span(d, t->axis + 1, rank), at = 0;
    enum cq_err err = make_list(f, y, outer * t->count * inner, from->area);
    if (err || !f->of[y].row)
        return err;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < t->count; k++, at += inner) {
            int64_t place = t->index ? t->index[k] : t->first + k * t->step;
            memcpy(&f->of[y].row[at], &from->row[(o * n + place) * inner], (size_t) inner * sizeof *from->row);
        }
    f->of[y].moved = true;
    f->of[y].mixed = from->mixed || t->index || t->step != 1;
    return CQ_OK;
}

/* ---- one function per kind of step; a list is made for the outputs, or not ---- */

static enum cq_err follow_copy(struct follow *f, const struct step *s)
{
    const struct rows *x = &f->of[s->in[0]];
    enum cq_err err = make_list(f, s->out[0], x->n, x->area);
    struct rows *y = &f->of[s->out[0]];
    if (!y->row)
        return err;
    memcpy(y->row, x->row, (size_t) x->n * sizeof *x->row);
    y->moved = true;
    y->mixed = x->mixed;
    return CQ_OK;
}

static enum cq_err follow_transpose(struct follow *f, const struct step *s)
{
    const struct rows *x = &f->of[s->in[0]];
    const struct tensor_desc *d = desc_of(f, s->in[0]), *yd = desc_of(f, s->out[0]);
    int rank = outer_rank(f, s->in[0], x->area);
    int64_t stride[TENSOR_MAX_RANK];
    for (int i = 0; i < yd->rank; i++) {
        if (rank < 0 || (i >= rank && s->op.u.perm[i] != i))
            return CQ_OK;
        stride[i] = span(d, s->op.u.perm[i] + 1, rank);
    }
    enum cq_err err = make_list(f, s->out[0], x->n, x->area);
    struct rows *y = &f->of[s->out[0]];
    for (int64_t n = 0; y->row && n < x->n; n++) {
        int64_t rest = n, from = 0;
        for (int i = rank - 1; i >= 0; i--) {
            from += rest % yd->dim[i] * stride[i];
            rest /= yd->dim[i];
        }
        y->row[n] = x->row[from];
    }
    y->moved = y->mixed = y->row;
    return err;
}

static enum cq_err follow_split(struct follow *f, const struct step *s)
{
    struct take t = {.axis = s->op.u.axis.axis, .step = 1};
    enum cq_err err = CQ_OK;
    for (int i = 0; i < s->n_out && !err; i++, t.first += t.count) {
        t.count = desc_of(f, s->out[i])->dim[t.axis];
        err = take_rows(f, s->in[0], s->out[i], &t);
    }
    return err;
}

static enum cq_err follow_slice(struct follow *f, const struct step *s)
{
    const struct tensor_desc *x = desc_of(f, s->in[0]), *y = desc_of(f, s->out[0]);
    struct take t = {.axis = -1};
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] == y->dim[i] && s->op.u.slice.step[i] > 0)
            continue;
        if (t.axis >= 0)
            return CQ_OK;
        t = (struct take){i, s->op.u.slice.start[i], s->op.u.slice.step[i], y->dim[i], NULL};
    }
    return t.axis < 0 ? follow_copy(f, s) : take_rows(f, s->in[0], s->out[0], &t);
}

static enum cq_err follow_gather(struct follow *f, const struct step *s)
{
    const struct tensor *indices = &f->r->net->tensors[s->in[1]];
    int axis = s->op.u.axis.axis;
    int64_t n = tensor_elems(&indices->desc), size = desc_of(f, s->in[0])->dim[axis];
    if (!indices->data || n < 1 || n > MAX_ROWS || (indices->desc.type != DT_I64 && indices->desc.type != DT_I32))
        return CQ_OK;
    int64_t *index = malloc((size_t) n * sizeof *index);
    if (!index)
        return CQ_NOMEM;
    bool inside = true;
    for (int64_t i = 0; i < n; i++) {
        index[i] = indices->desc.type == DT_I64 ? ((const int64_t *) indices->data)[i]
                                                : ((const int32_t *) indices->data)[i];
        index[i] += index[i] < 0 ? size : 0;
        inside = inside && index[i] >= 0 && index[i] < size;
    }
    struct take t = {.axis = axis, .count = n, .index = index};
    enum cq_err err = inside ? take_rows(f, s->in[0], s->out[0], &t) : CQ_OK;
    free(index);
    return err;
}

static enum cq_err follow_concat(struct follow *f, const struct step *s)
{
    const struct rows *first = &f->of[s->in[0]];
    int axis = s->op.u.axis.axis, rank = outer_rank(f, s->in[0], first->area);
    bool mixed = false;
    for (int i = 0; i < s->n_in; i++) {
        const struct rows *x = &f->of[s->in[i]];
        mixed = mixed || x->mixed;
        if (x->area != first->area || axis >= rank || outer_rank(f, s->in[i], x->area) != rank)
            return CQ_OK;
    }
    const struct tensor_desc *yd = desc_of(f, s->out[0]);
    int64_t outer = span(yd, 0, axis), at = 0;
    enum cq_err err = make_list(f, s->out[0], span(yd, 0, rank), first->area);
    struct rows *y = &f->of[s->out[0]];
    for (int64_t o = 0; y->row && o < outer; o++)
        for (int i = 0; i < s->n_in; i++) {
            int64_t n = f->of[s->in[i]].n / outer;
            memcpy(&y->row[at], &f->of[s->in[i]].row[o * n], (size_t) n * sizeof *y->row);
            at += n;
        }
    y->moved = y->row;
    y->mixed = mixed;
    return err;
}

static enum cq_err follow_step(struct follow *f, const struct step *s)
{
    static enum cq_err (*const by_kind[OP_KIND_COUNT])(struct follow *, const struct step *) = {
        [OP_COPY] = follow_copy,   [OP_TRANSPOSE] = follow_transpose, [OP_SPLIT] = follow_split,
        [OP_SLICE] = follow_slice, [OP_GATHER] = follow_gather,       [OP_CONCAT] = follow_concat,
    };
    if (!by_kind[s->op.kind])
        return CQ_OK;
    for (int i = 0; i < (s->op.kind == OP_CONCAT ? s->n_in : 1); i++) {
        enum cq_err err = begin(f, s->in[i]);
        if (err || !f->of[s->in[i]].row)
            return err;
    }
    for (int i = 0; i < s->n_out; i++)
        if (tensor_elems(desc_of(f, s->out[i])) < 1)
            return CQ_OK;
    return by_kind[s->op.kind](f, s);
}

/* ---- from lists to steps ---- */

/* An image as channels of other images. */
struct choice {
    int source[MAX_SOURCES], n_sources;
    int32_t *channel;            /* of y: its place in all sources joined; in the net's pool */
};

static int source_index(struct choice *c, int tensor)
{
    for (int i = 0; i < c->n_sources; i++)
        if (c->source[i] == tensor)
            return i;
    if (c->n_sources == MAX_SOURCES)
        return -1;
    c->source[c->n_sources] = tensor;
    return c->n_sources++;
}

static bool same_picture(const struct tensor_desc *x, const struct tensor_desc *y)
{
    return x->dim[0] == y->dim[0] && x->dim[2] == y->dim[2] && x->dim[3] == y->dim[3];
}

/* The owners of t's planes, each with a choice of channels that is the same for every picture. */
static bool find_sources(const struct follow *f, int t, struct choice *c)
{
    const struct rows *l = &f->of[t];
    const struct tensor_desc *y = desc_of(f, t);
    if (y->rank != 4 || y->dim[2] * y->dim[3] != l->area)
        return false;
    for (int64_t i = 0; i < l->n; i++) {
        struct row row = l->row[i], first = l->row[i % y->dim[1]];
        const struct tensor_desc *x = desc_of(f, row.tensor);
        if (!same_picture(x, y) || row.tensor != first.tensor || row.plane != first.plane + i / y->dim[1] * x->dim[1] ||
            row.plane / x->dim[1] != i / y->dim[1] || source_index(c, row.tensor) < 0)
            return false;
    }
    return true;
}

static enum cq_err find_choice(const struct follow *f, int t, struct choice *c, bool *found)
{
    int64_t n = desc_of(f, t)->rank == 4 ? desc_of(f, t)->dim[1] : 0, before[MAX_SOURCES], sum = 0;
    *c = (struct choice){.n_sources = 0};
    *found = find_sources(f, t, c);
    if (!*found)
        return CQ_OK;
    c->channel = pool_alloc(&f->r->net->pool, (size_t) n, sizeof *c->channel);
    if (!c->channel)
        return CQ_NOMEM;
    for (int i = 0; i < c->n_sources; i++) {
        before[i] = sum;
        sum += desc_of(f, c->source[i])->dim[1];
    }
    *found = sum < INT32_MAX;
    for (int64_t i = 0; i < n; i++)
        c->channel[i] = (int32_t) (before[source_index(c, f->of[t].row[i].tensor)] + f->of[t].row[i].plane);
    return CQ_OK;
}

/* All sources whole, one behind the other. */
static bool is_join(const struct follow *f, const struct choice *c, int64_t n)
{
    int64_t sum = 0;
    for (int i = 0; i < c->n_sources; i++)
        sum += desc_of(f, c->source[i])->dim[1];
    for (int64_t i = 0; i < n; i++)
        if (c->channel[i] != i)
            return false;
    return sum == n;
}

/* The step that makes the choice; its output is to be filled in. */
static enum cq_err make_step(struct follow *f, const struct step *old, const struct choice *c, int64_t n, bool join,
                             struct step *out)
{
    struct net *net = f->r->net;
    int *in = pool_alloc(&net->pool, (size_t) c->n_sources + 1, sizeof *in);
    if (!in)
        return CQ_NOMEM;
    memcpy(in + 1, c->source, (size_t) c->n_sources * sizeof *in);
    *out = (struct step){.op.kind = OP_CONCAT, .op.u.axis.axis = 1, .n_in = c->n_sources, .n_out = 1, .in = in + 1,
                         .name = old->name, .type = old->type};
    if (join)
        return CQ_OK;
    in[0] = net_tensor(net, NULL, &(struct tensor_desc){.type = DT_I32, .rank = 1, .dim = {n}});
    if (in[0] < 0)
        return CQ_NOMEM;
    net->tensors[in[0]].data = c->channel;
    out->op = (struct op){.kind = OP_SELECT};
    out->in = in;
    out->n_in++;
    return CQ_OK;
}

/* Makes t from its choice in a new step before the one at *at, which is then one place further on. */
static enum cq_err insert(struct follow *f, int *at, int t, const struct choice *c, bool join)
{
    struct net *net = f->r->net;
    struct step s;
    struct tensor_desc d = *desc_of(f, t);
    enum cq_err err = make_step(f, &net->steps[*at], c, d.dim[1], join, &s);
    int y = err ? -1 : net_tensor(net, net->tensors[t].name, &d);
    s.out = &y;
    if (!err)
        err = y < 0 ? CQ_NOMEM : net_insert(net, *at, &s);
    if (!err) {
        net_replace(net, t, y);
        ++*at;
    }
    return err;
}

static enum cq_err replace(struct follow *f, int *at, int t)
{
    struct net *net = f->r->net;
    struct choice c;
    bool found;
    enum cq_err err = find_choice(f, t, &c, &found);
    if (err || !found)
        return err;
    bool join = is_join(f, &c, desc_of(f, t)->dim[1]);
    const struct step *old = &net->steps[*at];
    if (join && c.n_sources == 1)
        net_replace(net, t, c.source[0]);
    else if (old->op.kind == OP_CONCAT ? old->n_in != c.n_sources || f->of[t].mixed : join || f->of[t].mixed)
        err = insert(f, at, t, &c, join);
    return err;
}

/* What is read by steps that do not move planes. */
static void find_wanted(const struct follow *f, bool *wanted)
{
    const struct net *net = f->r->net;
    for (int n = 0; n < net->n_steps; n++)
        for (int i = 0; i < net->steps[n].n_in && !f->of[net->steps[n].out[0]].moved; i++)
            if (net->steps[n].in[i] >= 0)
                wanted[net->steps[n].in[i]] = true;
    for (int i = 0; i < net->n_outputs; i++)
        wanted[net->outputs[i]] = true;
}

static void forget(struct follow *f)
{
    for (int t = 0; f->of && t < f->n_tensors; t++) {
        free(f->of[t].row);
        f->of[t] = (struct rows){0};
    }
    f->left = MAX_ROWS;
}

/* What is made anew owns its planes from then on: later steps read it, not its sources again. */
static enum cq_err replace_all(struct follow *f, const bool *wanted, int n_wanted)
{
    struct net *net = f->r->net;
    enum cq_err err = CQ_OK;
    for (int n = 0; n < net->n_steps && !err; n++) {
        err = follow_step(f, &net->steps[n]);
        for (int i = 0; i < net->steps[n].n_out && !err; i++) {
            int t = net->steps[n].out[i];
            if (t < n_wanted && wanted[t] && f->of[t].moved)
                err = replace(f, &n, t);
        }
    }
    return err;
}

/* Twice: who is read by whom is known only when all have been followed. */
static enum cq_err run(struct rewrite *r)
{
    int n = r->net->n_tensors;
    struct follow f = {.r = r, .n_tensors = 3 * n, .left = MAX_ROWS};
    bool *wanted = calloc((size_t) n + 1, sizeof *wanted);
    f.of = calloc((size_t) f.n_tensors + 1, sizeof *f.of);
    enum cq_err err = wanted && f.of ? CQ_OK : CQ_NOMEM;
    for (int i = 0; i < r->net->n_steps && !err; i++)
        err = follow_step(&f, &r->net->steps[i]);
    if (!err) {
        find_wanted(&f, wanted);
        forget(&f);
        err = replace_all(&f, wanted, n);
    }
    forget(&f);
    free(f.of);
    free(wanted);
    return err;
}

const struct pass pass_select = {.name = "select", .run = run};
