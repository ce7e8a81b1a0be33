/* TopK along one axis: the k largest or smallest, in order; of equal elements the first comes first. */
#include <stdlib.h>

#include "kernels/ref/ref.h"

struct entry {
    double value;                  /* negated when the largest are wanted: sorting is always ascending */
    int64_t index;
};

static int compare(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
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
    double sign = inst->op->u.topk.largest ? -1 : 1;
    for (int64_t lane = 0; lane < outer * inner; lane++) {
        int64_t o = lane / inner, i = lane % inner;
        for (int64_t j = 0; j < n; j++)
            entries[j] = (struct entry){sign * ref_load(in[0], x->type, (o * n + j) * inner + i), j};
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
