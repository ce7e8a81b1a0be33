/* See batch.h. */
#include "stages/infer/batch.h"

#include <string.h>

bool batch_rewrites(const struct lower *c)
{
    return c->base && !c->base->as_written;
}

static const struct constant *base_of(const struct lower *c, int value)
{
    const struct constant *base = batch_rewrites(c) && value >= 0 ? &c->base->value[value] : NULL;
    return base && base->desc.type != DT_NONE ? base : NULL;
}

static const struct constant *base_in(const struct lower *c, int i)
{
    return i < c->node->n_in ? base_of(c, c->node->in[i]) : NULL;
}

/* The dimension that differs, which must be the only one. */
static bool find_grown(const struct tensor_desc *base, const struct tensor_desc *now, struct batch_place *out)
{
    int64_t before = 1;
    bool found = false;
    if (base->rank != now->rank)
        return false;
    for (int d = 0; d < now->rank; d++) {
        if (now->dim[d] != base->dim[d]) {
            if (found || base->dim[d] <= 0 || now->dim[d] % base->dim[d])
                return false;
            *out = (struct batch_place){d, now->dim[d] / base->dim[d], base->dim[d], before};
            found = true;
        }
        before *= base->dim[d];
    }
    return found;
}

bool batch_find(const struct lower *c, int i, struct batch_place *out)
{
    const struct constant *base = base_in(c, i);
    struct tensor_desc now = lower_desc(c, i);
    int t = lower_in(c, i);
    if (!base || t < 0 || !find_grown(&base->desc, &now, out))
        return false;
    int64_t inner = c->net->tensors[t].batch_inner;
    if (inner > 0 && out->inner % inner == 0) {
        out->before *= out->inner / inner;
        out->inner = inner;
    }
    return true;
}

struct tensor_desc batch_base(const struct lower *c, int i)
{
    const struct constant *base = base_in(c, i);
    return base ? base->desc : (struct tensor_desc){0};
}

bool batch_baked(const struct lower *c, int i)
{
    const struct constant *base = base_in(c, i);
    struct tensor_desc now = lower_desc(c, i);
    const void *data = lower_data(c, i);
    if (lower_in(c, i) < 0)
        return true;
    return data && base && base->data && base->desc.type == now.type && tensor_same_shape(&base->desc, &now) &&
           !memcmp(base->data, data, tensor_bytes(&now));
}

/* A way to grow: all of dimension `dim` behind the batch, or `inner` elements of it. */
struct growth {
    int dim;
    int64_t inner;
};

static bool grows_to(const struct tensor_desc *base, int dim, int64_t factor, const struct tensor_desc *as)
{
    for (int d = 0; d < base->rank; d++)
        if (as->dim[d] != base->dim[d] * (d == dim ? factor : 1))
            return false;
    return as->rank == base->rank;
}

/* The batch falls between dimensions d-1 and d, either of which may take it (d may be the rank). A dimension of 1 is
 * where it was; the last one holds features and is left alone. */
static struct growth choose(const struct tensor_desc *base, int d, int64_t factor, const struct tensor_desc *as)
{
    struct growth first = {d, d < base->rank ? base->dim[d] : 0}, last = {d - 1, 1};
    if (d == 0 || d == base->rank)
        return d == 0 ? first : last;
    if (base->dim[d] == 1)
        return first;
    if (as && grows_to(base, d, factor, as))
        return first;
    if (as && grows_to(base, d - 1, factor, as))
        return last;
    return d == base->rank - 1 ? last : first;
}

bool batch_reshape(const struct lower *c, const struct tensor_desc *as_written, struct tensor_desc *out,
                   int64_t *inner)
{
    struct batch_place place;
    const struct constant *base = c->node->n_out > 0 ? base_of(c, c->node->out[0]) : NULL;
    if (!base || base->desc.rank < 1 || tensor_elems(&base->desc) < 1 || !batch_find(c, 0, &place))
        return false;
    struct growth g = {-1, 0};
    int64_t at = 1;
    int d = 0;
    while (d < base->desc.rank && at * base->desc.dim[d] <= place.before && at != place.before)
        at *= base->desc.dim[d++];
    if (at == place.before)
        g = choose(&base->desc, d, place.factor, as_written);
    else if (d < base->desc.rank && place.before % at == 0 && base->desc.dim[d] % (place.before / at) == 0)
        g = (struct growth){d, base->desc.dim[d] / (place.before / at)};
    if (g.dim < 0)
        return false;
    *out = base->desc;
    out->dim[g.dim] *= place.factor;
    *inner = g.inner;
    return true;
}

/* The first input that has the batch in a dimension of the same size says how. */
static int64_t inherited(const struct lower *c, int64_t size)
{
    struct batch_place place;
    for (int i = 0; i < c->node->n_in; i++)
        if (batch_find(c, i, &place) && batch_base(c, i).dim[place.dim] == size)
            return place.inner;
    return 0;
}

void batch_inherit(const struct lower *c)
{
    for (int i = 0; batch_rewrites(c) && i < c->node->n_out; i++) {
        struct batch_place place;
        const struct constant *base = base_of(c, c->node->out[i]);
        struct tensor *y = base && c->tensor_of[c->node->out[i]] >= 0
                               ? &c->net->tensors[c->tensor_of[c->node->out[i]]] : NULL;
        if (y && !y->batch_inner && find_grown(&base->desc, &y->desc, &place))
            y->batch_inner = inherited(c, place.inner);
    }
}
