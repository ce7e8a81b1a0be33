/* Convolutions side by side: several that read the same tensor with the same geometry, as the heads of detectors and
 * the two ways of a cross-stage block do, become one with all their output channels and a Split behind it. The input is
 * read once, and channels that would each fill a part of a vector fill it together. Depthwise convolutions behind such
 * a Split become one in front of it, and so does a function of one variable that stands behind all of them.
 *
 * It pays where fewer channels are computed in vain, or where the Split is only a view (share.h): for one picture, with
 * parts that fill vectors of any device and are not to be joined with others, for which they would have to be copied.
 */
#include <string.h>

#include "stages/infer/pass.h"

enum { MOST = OP_MAX_OUTPUTS, TILE = 16 };       /* convolutions in one; output channels that are computed together */

struct siblings {
    struct step *conv[MOST];
    struct step *unary[MOST];                    /* behind each; all NULL, or all the same function */
    int n;
};

static bool same_window(const struct conv_attrs *a, const struct conv_attrs *b)
{
    for (int i = 0; i < a->spatial; i++)
        if (a->kernel[i] != b->kernel[i] || a->stride[i] != b->stride[i] || a->dilation[i] != b->dilation[i] ||
            a->pad_begin[i] != b->pad_begin[i] || a->pad_end[i] != b->pad_end[i])
            return false;
    return a->spatial == b->spatial;
}

static bool has_constant_weights(const struct rewrite *r, const struct step *s)
{
    return s->op.kind == OP_CONV && !s->dead && s->n_in <= 3 && rewrite_floats(r, s->in[1]) &&
           (s->n_in < 3 || s->in[2] < 0 || rewrite_floats(r, s->in[2]));
}

/* The only reader of tensor t. */
static struct step *reader_of(const struct rewrite *r, int t)
{
    struct net *net = r->net;
    for (int n = 0; n < net->n_steps && r->uses[t] == 1; n++)
        for (int i = 0; i < net->steps[n].n_in && !net->steps[n].dead; i++)
            if (net->steps[n].in[i] == t)
                return &net->steps[n];
    return NULL;
}

static bool same_unary(const struct step *a, const struct step *b)
{
    return !a || !b ? a == b
                    : a->op.u.unary == b->op.u.unary && a->op.act_a == b->op.act_a && a->op.act_b == b->op.act_b;
}

/* Takes the convolution in when it is like those before it. */
static bool add(const struct rewrite *r, struct siblings *g, struct step *s)
{
    const struct step *first = g->n ? g->conv[0] : s;
    struct step *unary = reader_of(r, s->out[0]);
    unary = unary && unary->op.kind == OP_UNARY ? unary : NULL;
    if (!same_window(&first->op.u.conv, &s->op.u.conv) || first->op.act != s->op.act ||
        first->op.act_a != s->op.act_a || first->op.act_b != s->op.act_b || (g->n && !same_unary(g->unary[0], unary)))
        return false;
    g->unary[g->n] = unary;
    g->conv[g->n++] = s;
    return true;
}

static int64_t channels_of(const struct rewrite *r, const struct step *conv)
{
    return r->net->tensors[conv->out[0]].desc.dim[1];
}

/* ---- one convolution for all ---- */

static int join_weights(struct rewrite *r, const struct siblings *g, int64_t channels)
{
    struct tensor_desc d = r->net->tensors[g->conv[0]->in[1]].desc;
    float *to;
    d.dim[0] = channels;
    int joined = rewrite_constant(r, &d, &to);
    for (int i = 0; i < g->n && joined >= 0; i++) {
        int w = g->conv[i]->in[1];
        int64_t n = tensor_elems(&r->net->tensors[w].desc);
        memcpy(to, rewrite_floats(r, w), (size_t) n * sizeof *to);
        to += n;
    }
    return joined;
}

static int join_biases(struct rewrite *r, const struct siblings *g, int64_t channels)
{
    float *to;
    int joined = rewrite_constant(r, &(struct tensor_desc){.type = DT_F32, .rank = 1, .dim = {channels}}, &to);
    for (int i = 0; i < g->n && joined >= 0; i++) {
        int64_t n = channels_of(r, g->conv[i]);
        const float *b = g->conv[i]->n_in > 2 ? rewrite_floats(r, g->conv[i]->in[2]) : NULL;
        if (b)
            memcpy(to, b, (size_t) n * sizeof *to);
        to += n;
    }
    return joined;
}

/* Puts the function that all had behind them, if any, and a Split behind the convolution at `at`, which makes y. */
static enum cq_err put_behind(struct net *net, int at, int y, const struct step *unary, const int *out, int n)
{
    struct tensor_desc d = net->tensors[y].desc;
    struct step split = {.op.kind = OP_SPLIT, .op.u.axis.axis = 1, .n_in = 1, .n_out = n, .in = &y,
                         .out = (int *) out, .name = net->steps[at].name, .type = "Split"};
    if (unary) {
        struct step whole = *unary;
        int z = net_tensor(net, NULL, &d);
        whole.in = &y;
        whole.out = &z;
        enum cq_err err = z < 0 ? CQ_NOMEM : net_insert(net, ++at, &whole);
        if (err)
            return err;
        y = z;
    }
    return net_insert(net, at + 1, &split);
}

/* The step at `at` becomes the convolution of x for all. */
static enum cq_err join(struct rewrite *r, const struct siblings *g, int at, int x, bool depthwise)
{
    struct net *net = r->net;
    struct step joined = *g->conv[0], unary = g->unary[0] ? *g->unary[0] : joined;
    struct tensor_desc d = net->tensors[joined.out[0]].desc;
    bool has_unary = g->unary[0];
    int out[MOST], *in = pool_alloc(&net->pool, 3, sizeof *in), *y = pool_alloc(&net->pool, 1, sizeof *y);
    d.dim[1] = 0;
    for (int i = 0; i < g->n; i++) {
        out[i] = g->unary[i] ? g->unary[i]->out[0] : g->conv[i]->out[0];
        d.dim[1] += channels_of(r, g->conv[i]);
    }
    if (!in || !y || (in[1] = join_weights(r, g, d.dim[1])) < 0 || (in[2] = join_biases(r, g, d.dim[1])) < 0 ||
        (*y = net_tensor(net, net->tensors[joined.out[0]].name, &d)) < 0)
        return CQ_NOMEM;
    in[0] = x;
    joined.in = in;
    joined.n_in = 3;
    joined.out = y;
    joined.op.u.conv.group = depthwise ? (int) d.dim[1] : 1;
    for (int i = 0; i < g->n; i++) {
        g->conv[i]->dead = true;
        if (g->unary[i])
            g->unary[i]->dead = true;
    }
    net->steps[at] = joined;                     /* steps move from here on */
    return put_behind(net, at, *y, has_unary ? &unary : NULL, out, g->n);
}

/* ---- which ---- */

static int64_t rounded(int64_t channels)
{
    return (channels + TILE - 1) / TILE * TILE;
}

/* Then it can be made where it belongs (share.h), but not as a part of something else. */
static bool is_joined_later(const struct rewrite *r, const struct siblings *g, int i)
{
    const struct step *reader = reader_of(r, g->unary[i] ? g->unary[i]->out[0] : g->conv[i]->out[0]);
    return reader && reader->op.kind == OP_CONCAT;
}

static bool pays(const struct rewrite *r, const struct siblings *g)
{
    int64_t sum = 0, single = 0;
    bool view = r->net->tensors[g->conv[0]->out[0]].desc.dim[0] == 1;
    for (int i = 0; i < g->n; i++) {
        int64_t n = channels_of(r, g->conv[i]);
        view = view && n % TILE == 0 && !is_joined_later(r, g, i);
        sum += n;
        single += rounded(n);
    }
    return g->n > 1 && (view || rounded(sum) < single);
}

static enum cq_err join_readers(struct rewrite *r, int at)
{
    struct net *net = r->net;
    struct step *first = &net->steps[at];
    struct siblings g = {.n = 0};
    if (!has_constant_weights(r, first) || first->op.u.conv.group != 1 || r->uses[first->in[0]] < 2)
        return CQ_OK;
    for (int n = at; n < net->n_steps && g.n < MOST; n++) {
        struct step *s = &net->steps[n];
        if (has_constant_weights(r, s) && s->in[0] == first->in[0] && s->op.u.conv.group == 1)
            add(r, &g, s);
    }
    return pays(r, &g) ? join(r, &g, at, first->in[0], false) : CQ_OK;
}

static bool is_depthwise(const struct rewrite *r, const struct step *s)
{
    int64_t group = s->op.u.conv.group;
    return group > 0 && r->net->tensors[s->in[0]].desc.dim[1] == group && channels_of(r, s) == group;
}

static enum cq_err join_behind(struct rewrite *r, int at)
{
    const struct step *split = &r->net->steps[at];
    struct siblings g = {.n = 0};
    if (split->dead || split->op.kind != OP_SPLIT || split->op.u.axis.axis != 1)
        return CQ_OK;
    for (int i = 0; i < split->n_out; i++) {
        struct step *s = reader_of(r, split->out[i]);
        if (!s || !has_constant_weights(r, s) || s->in[0] != split->out[i] || !is_depthwise(r, s) || !add(r, &g, s))
            return CQ_OK;
    }
    return pays(r, &g) ? join(r, &g, at, split->in[0], true) : CQ_OK;
}

static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    for (int n = 0; n < r->net->n_steps && !err; n++)
        err = join_readers(r, n);
    net_count_uses(r->net, r->uses);
    for (int n = 0; n < r->net->n_steps && !err; n++)
        err = join_behind(r, n);
    return err;
}

const struct pass pass_sibling = {.name = "sibling", .run = run};
