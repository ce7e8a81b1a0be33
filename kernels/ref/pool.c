/* Pooling: maximum, mean and Lp norm of a window; padding never wins a maximum and adds nothing to a sum. And the way
 * back from a maximum to where it was. */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

struct pool {
    double best, sum, powers;
    int at[OP_SPATIAL];            /* of the first best, -1 when nothing lies in the image */
    int64_t inside;                /* taps that lie in the image */
    int64_t padded;                /* taps that lie in the image or its explicit padding */
};

static bool tap(const struct ref_window *w, int axis, int o, int k, int *at, bool *in_padding)
{
    *at = o * w->stride[axis] - w->pad_begin[axis] + k * w->dilation[axis];
    *in_padding = *in_padding && *at < w->in[axis] + w->pad_end[axis];
    return *at >= 0 && *at < w->in[axis];
}

static void add_tap(struct pool *p, double v, const int at[OP_SPATIAL], int power)
{
    if (!p->inside || v > p->best || (isnan(v) && !isnan(p->best))) {
        p->best = v;
        memcpy(p->at, at, sizeof p->at);
    }
    p->inside++;
    p->sum += v;
    p->powers += pow(fabs(v), power);
}

static struct pool window(const struct op_inst *inst, const void *x, const struct ref_window *w, int64_t first,
                          const int o[OP_SPATIAL])
{
    struct pool p = {.best = -INFINITY, .at = {-1, -1, -1}};
    for (int k0 = 0; k0 < w->kernel[0]; k0++)
        for (int k1 = 0; k1 < w->kernel[1]; k1++)
            for (int k2 = 0; k2 < w->kernel[2]; k2++) {
                int i[OP_SPATIAL];
                bool in_padding = true;
                bool inside = tap(w, 0, o[0], k0, &i[0], &in_padding);
                inside = tap(w, 1, o[1], k1, &i[1], &in_padding) && inside;
                inside = tap(w, 2, o[2], k2, &i[2], &in_padding) && inside;
                p.padded += in_padding;
                int64_t at = first + ((int64_t) i[0] * w->in[1] + i[1]) * w->in[2] + i[2];
                if (inside)
                    add_tap(&p, ref_load(x, inst->in[0].type, at), i, inst->op->u.conv.p);
            }
    return p;
}

static double result(const struct op *op, const struct pool *p)
{
    if (op->kind == OP_POOL_MAX)
        return p->best;
    if (op->kind == OP_POOL_LP)
        return pow(p->powers, 1.0 / op->u.conv.p);
    int64_t count = op->u.conv.count_include_pad ? p->padded : p->inside;
    return count ? p->sum / (double) count : 0;
}

/* Where the maximum is in all of x, or in x with the order of the spatial dimensions turned round. */
static int64_t index_of(const struct op *op, const struct ref_window *w, const struct pool *p, int64_t first)
{
    if (!p->inside)
        return -1;
    if (op->u.conv.column_major)
        return first + ((int64_t) p->at[2] * w->in[1] + p->at[1]) * w->in[0] + p->at[0];
    return first + ((int64_t) p->at[0] * w->in[1] + p->at[1]) * w->in[2] + p->at[2];
}

enum cq_err ref_pool(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct ref_window w;
    enum cq_err err = ref_window_init(&w, &inst->op->u.conv, x, y);
    if (err)
        return err;
    if (inst->op->kind == OP_POOL_LP && inst->op->u.conv.p < 1)
        return CQ_UNSUPPORTED;
    int64_t planes = x->dim[0] * x->dim[1], in_area = ref_span(x, 2, x->rank), at = 0;
    for (int64_t plane = 0; plane < planes; plane++)
        for (int o0 = 0; o0 < w.out[0]; o0++)
            for (int o1 = 0; o1 < w.out[1]; o1++)
                for (int o2 = 0; o2 < w.out[2]; o2++, at++) {
                    struct pool p = window(inst, in[0], &w, plane * in_area, (int[]){o0, o1, o2});
                    ref_store(out[0], y->type, at, result(inst->op, &p));
                    if (inst->n_out > 1)
                        ref_store_int(out[1], inst->out[1].type, at, index_of(inst->op, &w, &p, plane * in_area));
                }
    return CQ_OK;
}

enum cq_err ref_max_unpool(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int64_t n = tensor_elems(x), places = tensor_elems(y);
    memset(out[0], 0, tensor_bytes(y));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = ref_load_int(in[1], inst->in[1].type, i);
        if (at < 0 || at >= places)
            return CQ_INVALID;
        ref_move(out[0], at, in[0], i, dtype_size(x->type));
    }
    return CQ_OK;
}
