/* Reductions over any set of axes, and ArgMax/ArgMin along one. */
#include "kernels/ref/ref.h"

#include <math.h>

/* What one pass over the reduced elements gathers; every reduction is a function of it. */
struct gathered {
    int64_t n;
    double sum, abs_sum, squares, product, max, min;
};

static void gather(struct gathered *g, double v)
{
    g->n++;
    g->sum += v;
    g->abs_sum += fabs(v);
    g->squares += v * v;
    g->product *= v;
    g->max = v > g->max || isnan(v) ? v : g->max;
    g->min = v < g->min || isnan(v) ? v : g->min;
}

/* `exp_sum` is the sum of exp(x - max). */
static double result(enum reduce fn, const struct gathered *g, double exp_sum)
{
    switch (fn) {
    case RED_SUM: return g->sum;
    case RED_MEAN: return g->sum / (double) g->n;
    case RED_MAX: return g->max;
    case RED_MIN: return g->min;
    case RED_PROD: return g->product;
    case RED_L1: return g->abs_sum;
    case RED_L2: return sqrt(g->squares);
    case RED_SUM_SQUARE: return g->squares;
    case RED_LOG_SUM: return log(g->sum);
    case RED_LOG_SUM_EXP: return isinf(g->max) ? g->max : g->max + log(exp_sum);
    }
    return NAN;
}

/* Splits x's shape in two of the same rank: the dimensions that stay and those that go; the rest become 1. */
static void split_dims(const struct op_inst *inst, struct tensor_desc *kept, struct tensor_desc *gone)
{
    *kept = *gone = inst->in[0];
    for (int i = 0; i < kept->rank; i++) {
        bool reduced = inst->op->u.reduce.axes >> i & 1;
        *(reduced ? &kept->dim[i] : &gone->dim[i]) = 1;
    }
}

static int64_t index_of(const struct tensor_desc *x, const int64_t *kept_at, const int64_t *gone_at)
{
    int64_t at[TENSOR_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        at[i] = kept_at[i] + gone_at[i];
    return ref_at(x, at);
}

static double reduce_one(const struct op_inst *inst, const void *x, const struct tensor_desc *gone,
                         const int64_t *kept_at)
{
    const struct tensor_desc *d = &inst->in[0];
    struct gathered g = {.product = 1, .max = -INFINITY, .min = INFINITY};
    int64_t n = tensor_elems(gone), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(gone, at))
        gather(&g, ref_load(x, d->type, index_of(d, kept_at, at)));
    double exp_sum = 0;
    if (inst->op->u.reduce.fn == RED_LOG_SUM_EXP)
        for (int64_t i = 0; i < n; i++, ref_advance(gone, at))
            exp_sum += exp(ref_load(x, d->type, index_of(d, kept_at, at)) - g.max);
    return result(inst->op->u.reduce.fn, &g, exp_sum);
}

/* The numbers that no other of the type is below, or above. */
static int64_t lowest(enum dtype type)
{
    switch (type) {
    case DT_I8: return INT8_MIN;
    case DT_I16: return INT16_MIN;
    case DT_I32: return INT32_MIN;
    case DT_I64: return INT64_MIN;
    default: return 0;
    }
}

static int64_t highest(enum dtype type)
{
    switch (type) {
    case DT_BOOL: return 1;
    case DT_I8: return INT8_MAX;
    case DT_U8: return UINT8_MAX;
    case DT_I16: return INT16_MAX;
    case DT_U16: return UINT16_MAX;
    case DT_I32: return INT32_MAX;
    case DT_U32: return UINT32_MAX;
    default: return INT64_MAX;
    }
}

/* Of integers, exactly: sums and products wrap, the mean truncates. */
static int64_t reduce_one_int(const struct op_inst *inst, const void *x, const struct tensor_desc *gone,
                              const int64_t *kept_at)
{
    const struct tensor_desc *d = &inst->in[0];
    enum reduce fn = inst->op->u.reduce.fn;
    int64_t n = tensor_elems(gone), at[TENSOR_MAX_RANK] = {0}, max = lowest(d->type), min = highest(d->type);
    uint64_t sum = 0, abs_sum = 0, squares = 0, product = 1;
    for (int64_t i = 0; i < n; i++, ref_advance(gone, at)) {
        int64_t v = ref_load_int(x, d->type, index_of(d, kept_at, at));
        sum += (uint64_t) v;
        abs_sum += v < 0 ? -(uint64_t) v : (uint64_t) v;
        squares += (uint64_t) v * (uint64_t) v;
        product *= (uint64_t) v;
        max = v > max ? v : max;
        min = v < min ? v : min;
    }
    switch (fn) {
    case RED_MEAN: return n ? (int64_t) sum / n : 0;
    case RED_MAX: return max;
    case RED_MIN: return min;
    case RED_PROD: return (int64_t) product;
    case RED_L1: return (int64_t) abs_sum;
    case RED_SUM_SQUARE: return (int64_t) squares;
    default: return (int64_t) sum;
    }
}

static bool is_exact_in_int(enum reduce fn)
{
    return fn != RED_L2 && fn != RED_LOG_SUM && fn != RED_LOG_SUM_EXP;
}

enum cq_err ref_reduce(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *y = &inst->out[0];
    struct tensor_desc kept, gone;
    split_dims(inst, &kept, &gone);
    bool ints = !ref_is_float(inst->in[0].type) && is_exact_in_int(inst->op->u.reduce.fn);
    int64_t n = tensor_elems(&kept), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(&kept, at)) {
        if (ints)
            ref_store_int(out[0], y->type, i, reduce_one_int(inst, in[0], &gone, at));
        else
            ref_store(out[0], y->type, i, reduce_one(inst, in[0], &gone, at));
    }
    return CQ_OK;
}

/* Is element i of x ahead of the best so far? Integers are compared as such: a double does not hold all of them. */
static bool is_ahead(const void *x, enum dtype type, int64_t i, int64_t best, bool smallest)
{
    if (!ref_is_float(type)) {
        int64_t v = ref_load_int(x, type, i), w = ref_load_int(x, type, best);
        return smallest ? v < w : v > w;
    }
    double v = ref_load(x, type, i), w = ref_load(x, type, best);
    return smallest ? v < w : v > w;
}

/* The first of equal elements wins. */
enum cq_err ref_arg(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.axis.axis;
    int64_t outer = ref_span(x, 0, axis), n = x->dim[axis], inner = ref_span(x, axis + 1, x->rank);
    if (inst->out[0].type != DT_I64 || n < 1)
        return CQ_UNSUPPORTED;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t first = o * n * inner + i, best = 0;
            for (int64_t k = 1; k < n; k++)
                if (is_ahead(in[0], x->type, first + k * inner, first + best * inner, inst->op->u.axis.flag))
                    best = k;
            ((int64_t *) out[0])[o * inner + i] = best;
        }
    return CQ_OK;
}
