/* A convolution of an image that was taken apart into its even and odd rows and columns, one behind the other as
 * channels (YOLOX's "focus", SpaceToDepth), is one of the whole image: the kernel and the stride grow by the factor,
 * and each weight moves to the tap that its channel was taken from.
 */
#include "stages/infer/pass.h"

enum { MOST = 4, MOST_CHANNELS = 1024 };         /* pixels between those taken; channels of the parts together */

/* What a chain of slices takes of its origin: elements start, start + step, ... of every dimension. */
struct cut {
    int origin;
    int64_t start[4], step[4];
};

/* Where a channel of the parts comes from: channel c of the image at rows y, y + step, ..., columns likewise. */
struct tap { int64_t c, y, x; };

struct parts {
    int image, step;
    struct tap tap[MOST_CHANNELS];
    int n;
};

static const struct tensor_desc *desc_of(const struct rewrite *r, int t)
{
    return &r->net->tensors[t].desc;
}

static struct step *maker_of(const struct rewrite *r, int t)
{
    return r->makers[t] >= 0 && !r->net->steps[r->makers[t]].dead ? &r->net->steps[r->makers[t]] : NULL;
}

static struct cut cut_of(const struct rewrite *r, int t)
{
    struct cut c = {t, {0}, {1, 1, 1, 1}};
    for (const struct step *s = maker_of(r, t); s && s->op.kind == OP_SLICE; s = maker_of(r, c.origin)) {
        for (int i = 0; i < 4; i++)
            if (c.step[i] < 1 || c.step[i] > MOST || s->op.u.slice.step[i] < 1 || s->op.u.slice.step[i] > MOST)
                return c;
        for (int i = 0; i < 4; i++) {
            c.start[i] = s->op.u.slice.start[i] + s->op.u.slice.step[i] * c.start[i];
            c.step[i] *= s->op.u.slice.step[i];
        }
        c.origin = s->in[0];
    }
    return c;
}

/* Every step-th row and column of all pictures, from one of the first `step` on, for a whole image. */
static bool is_part(const struct rewrite *r, const struct cut *c, int t)
{
    const struct tensor_desc *x = desc_of(r, c->origin), *y = desc_of(r, t);
    if (c->start[0] != 0 || c->step[0] != 1 || x->dim[0] != y->dim[0] || c->step[1] != 1 || c->step[2] != c->step[3] ||
        c->step[2] < 2 || c->step[2] > MOST)
        return false;
    for (int i = 2; i < 4; i++)
        if (c->start[i] < 0 || c->start[i] >= c->step[i] || x->dim[i] != c->step[i] * y->dim[i])
            return false;
    return true;
}

static bool parts_of_concat(const struct rewrite *r, const struct step *s, struct parts *p)
{
    if (s->op.u.axis.axis != 1)
        return false;
    for (int i = 0; i < s->n_in; i++) {
        if (desc_of(r, s->in[i])->rank != 4)
            return false;
        struct cut c = cut_of(r, s->in[i]);
        int64_t n = desc_of(r, s->in[i])->dim[1];
        bool alike = !i || (c.origin == p->image && c.step[2] == p->step);
        if (!alike || !is_part(r, &c, s->in[i]) || n > MOST_CHANNELS - p->n)
            return false;
        p->image = c.origin;
        p->step = (int) c.step[2];
        for (int64_t k = 0; k < n; k++)
            p->tap[p->n++] = (struct tap){c.start[1] + k, c.start[2], c.start[3]};
    }
    return true;
}

static bool parts_of_space_to_depth(const struct rewrite *r, const struct step *s, struct parts *p)
{
    int64_t channels = desc_of(r, s->in[0])->dim[1], n = desc_of(r, s->out[0])->dim[1];
    p->image = s->in[0];
    p->step = s->op.u.axis.axis;
    if (p->step > MOST || p->step < 2 || n > MOST_CHANNELS || desc_of(r, s->in[0])->rank != 4)
        return false;
    for (; p->n < n; p->n++)
        p->tap[p->n] = (struct tap){p->n % channels, p->n / channels / p->step, p->n / channels % p->step};
    return true;
}

/* Is every pixel of the image in exactly one part? Others would be multiplied by zero, or twice. */
static bool covers(const struct rewrite *r, const struct parts *p)
{
    bool seen[MOST_CHANNELS] = {false};
    int64_t area = p->step * p->step;
    if (p->n != desc_of(r, p->image)->dim[1] * area)
        return false;
    for (int i = 0; i < p->n; i++) {
        bool *s = &seen[p->tap[i].c * area + p->tap[i].y * p->step + p->tap[i].x];
        if (*s)
            return false;
        *s = true;
    }
    return true;
}

static bool find_parts(const struct rewrite *r, int t, struct parts *p)
{
    const struct step *s = maker_of(r, t);
    p->n = 0;
    if (!s || r->uses[t] != 1)
        return false;
    return (s->op.kind == OP_CONCAT && parts_of_concat(r, s, p) && covers(r, p)) ||
           (s->op.kind == OP_SPACE_TO_DEPTH && parts_of_space_to_depth(r, s, p));
}

static int spread_weights(struct rewrite *r, int w, const struct parts *p)
{
    struct tensor_desc d = *desc_of(r, w), y = d;
    const float *from = rewrite_floats(r, w);
    float *to;
    y.dim[1] = d.dim[1] / (p->step * p->step);
    y.dim[2] *= p->step;
    y.dim[3] *= p->step;
    int spread = rewrite_constant(r, &y, &to);
    for (int64_t i = 0; spread >= 0 && i < tensor_elems(&d); i++) {
        int64_t x = i % d.dim[3], row = i / d.dim[3] % d.dim[2], m = i / d.dim[3] / d.dim[2] / d.dim[1];
        const struct tap *t = &p->tap[i / d.dim[3] / d.dim[2] % d.dim[1]];
        int64_t at = ((m * y.dim[1] + t->c) * y.dim[2] + row * p->step + t->y) * y.dim[3] + x * p->step + t->x;
        to[at] = from[i];
    }
    return spread;
}

static enum cq_err fuse(struct rewrite *r, struct step *conv, const struct parts *p)
{
    int *in = pool_alloc(&r->net->pool, (size_t) conv->n_in, sizeof *in), w = spread_weights(r, conv->in[1], p);
    if (!in || w < 0)
        return CQ_NOMEM;
    for (int i = 0; i < conv->n_in; i++)
        in[i] = conv->in[i];
    in[0] = p->image;
    in[1] = w;
    conv->in = in;
    for (int i = 0; i < 2; i++) {
        conv->op.u.conv.kernel[i] *= p->step;
        conv->op.u.conv.stride[i] *= p->step;
        conv->op.u.conv.pad_begin[i] *= p->step;
        conv->op.u.conv.pad_end[i] *= p->step;
    }
    return CQ_OK;
}

static bool may_grow(const struct rewrite *r, const struct step *s)
{
    const struct conv_attrs *a = &s->op.u.conv;
    if (s->dead || s->op.kind != OP_CONV || a->spatial != 2 || a->group != 1 || !rewrite_floats(r, s->in[1]))
        return false;
    for (int i = 0; i < 2; i++)
        if (a->dilation[i] != 1 || a->kernel[i] > 8 || a->stride[i] > 8 || a->pad_begin[i] > 64 || a->pad_end[i] > 64)
            return false;
    return true;
}

static enum cq_err run(struct rewrite *r)
{
    enum cq_err err = CQ_OK;
    struct parts *p = pool_alloc(&r->net->pool, 1, sizeof *p);
    if (!p)
        return CQ_NOMEM;
    for (int n = 0; n < r->net->n_steps && !err; n++)
        if (may_grow(r, &r->net->steps[n]) && find_parts(r, r->net->steps[n].in[0], p))
            err = fuse(r, &r->net->steps[n], p);
    return err;
}

const struct pass pass_focus = {.name = "focus", .run = run};
