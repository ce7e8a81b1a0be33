/* See batch.h. */
#include "stages/infer/batch.h"

static bool base_of(const struct lower *c, int value, struct tensor_desc *out)
{
    if (!c->base || value < 0 || c->base->value[value].desc.type == DT_NONE)
        return false;
    *out = c->base->value[value].desc;
    return true;
}

bool batch_find(const struct lower *c, int i, struct batch_place *out)
{
    struct tensor_desc base, now = lower_desc(c, i);
    if (i >= c->node->n_in || !base_of(c, c->node->in[i], &base) || base.rank != now.rank)
        return false;
    int64_t before = 1;
    bool found = false;
    for (int d = 0; d < now.rank; d++) {
        if (now.dim[d] != base.dim[d]) {
            if (found || base.dim[d] <= 0 || now.dim[d] % base.dim[d])
                return false;
            *out = (struct batch_place){d, now.dim[d] / base.dim[d], before};
            found = true;
        }
        before *= base.dim[d];
    }
    return found;
}

bool batch_reshape(const struct lower *c, struct tensor_desc *out)
{
    struct batch_place place;
    if (c->node->n_out < 1 || !batch_find(c, 0, &place) || !base_of(c, c->node->out[0], out))
        return false;
    int64_t before = 1;
    for (int d = 0; d < out->rank; d++) {
        if (before == place.before || before * out->dim[d] > place.before) {
            out->dim[d] *= place.factor;
            return true;
        }
        before *= out->dim[d];
    }
    return false;
}
