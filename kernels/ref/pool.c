/* Pooling: maximum, mean and L2 norm of a window; padding never wins a maximum and adds nothing to a sum. */
#include "kernels/ref/ref.h"

#include <math.h>

struct pool {
    double best, sum, squares;
    int64_t inside;                /* taps that lie in the image */
    int64_t padded;                /* taps that lie in the image or its explicit padding */
};

static bool tap(const struct ref_window *w, int axis, int o, int k, int *at, bool *in_padding)
{
    *at = o * w->stride[axis] - w->pad_begin[axis] + k * w->dilation[axis];
    *in_padding = *in_padding && *at < w->in[axis] + w->pad_end[axis];
    return *at >= 0 && *at < w->in[axis];
}

static struct pool window(const struct op_inst *inst, const void *x, const struct ref_window *w, int64_t first,
                          const int o[OP_SPATIAL])
{
    struct pool p = {.best = -INFINITY};
    for (int k0 = 0; k0 < w->kernel[0]; k0++)
        for (int k1 = 0; k1 < w->kernel[1]; k1++)
            for (int k2 = 0; k2 < w->kernel[2]; k2++) {
                int i0, i1, i2;
                bool in_padding = true;
                bool inside = tap(w, 0, o[0], k0, &i0, &in_padding);
                inside = tap(w, 1, o[1], k1, &i1, &in_padding) && inside;
                inside = tap(w, 2, o[2], k2, &i2, &in_padding) && inside;
                p.padded += in_padding;
                if (!inside)
                    continue;
                double v = ref_load(x, inst->in[0].type, first + ((int64_t) i0 * w->in[1] + i1) * w->in[2] + i2);
                p.inside++;
                p.best = v > p.best || isnan(v) ? v : p.best;
                p.sum += v;
                p.squares += v * v;
            }
    return p;
}

static double result(const struct op *op, const struct pool *p)
{
    if (op->kind == OP_POOL_MAX)
        return p->best;
    if (op->kind == OP_POOL_L2)
        return sqrt(p->squares);
    int64_t count = op->u.conv.count_include_pad ? p->padded : p->inside;
    return count ? p->sum / (double) count : 0;
}

enum cq_err ref_pool(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct ref_window w;
    enum cq_err err = ref_window_init(&w, &inst->op->u.conv, x, y);
    if (err)
        return err;
    int64_t planes = x->dim[0] * x->dim[1], in_area = ref_span(x, 2, x->rank), at = 0;
    for (int64_t plane = 0; plane < planes; plane++)
        for (int o0 = 0; o0 < w.out[0]; o0++)
            for (int o1 = 0; o1 < w.out[1]; o1++)
                for (int o2 = 0; o2 < w.out[2]; o2++, at++) {
                    struct pool p = window(inst, in[0], &w, plane * in_area, (int[]){o0, o1, o2});
                    ref_store(out[0], y->type, at, result(inst->op, &p));
                }
    return CQ_OK;
}
