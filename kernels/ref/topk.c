/* TopK along one axis: the k largest or smallest, in order; of equal elements the first comes first. A NaN is larger
 * than infinity. */
#include <math.h>
#include <stdlib.h>

#include "kernels/ref/ref.h"

/* Sorting is always ascending: numbers are turned about when the largest are wanted. */
struct entry {
    int nan;                       /* 0 or its sign as a number beyond all others */
    double value;                  /* of a float */
    int64_t whole;                 /* of an integer */
    int64_t index;
};

static struct entry entry_of(const void *x, enum dtype type, int64_t at, bool largest, int64_t index)
{
    struct entry e = {.index = index};
    if (!ref_is_float(type)) {
        int64_t v = ref_load_int(x, type, at);
        e.whole = largest ? ~v : v;
        return e;
    }
    double v = ref_load(x, type, at);
    if (isnan(v))
        e.nan = largest ? -1 : 1;
    else
        e.value = largest ? -v : v;
    return e;
}

static int compare(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->nan != b->nan)
        return a->nan < b->nan ? -1 : 1;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    if (a->whole != b->whole)
        return a->whole < b->whole ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

enum cq_err ref_topk(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.topk.axis;
    int64_t k = inst->op->u.topk.k, n = x->dim[axis];
    int64_t outer = ref_span(x, 0, axis), inner = ref_span(x, axis + 1, x->rank);
    if (k < 0 || k > n || inst->n_out != 2)
        return CQ_INVALID;
    struct entry *entries = malloc((size_t) (n + 1) * sizeof *entries);
    if (!entries)
        return CQ_NOMEM;
    for (int64_t lane = 0; lane < outer * inner; lane++) {
        int64_t o = lane / inner, i = lane % inner;
        for (int64_t j = 0; j < n; j++)
            entries[j] = entry_of(in[0], x->type, (o * n + j) * inner + i, inst->op->u.topk.largest, j);
        qsort(entries, (size_t) n, sizeof *entries, compare);
        for (int64_t j = 0; j < k; j++) {
            int64_t to = (o * k + j) * inner + i;
            ref_move(out[0], to, in[0], (o * n + entries[j].index) * inner + i, dtype_size(x->type));
            if (out[1])
                ref_store_int(out[1], inst->out[1].type, to, entries[j].index);
        }
    }
    free(entries);
    return CQ_OK;
}
