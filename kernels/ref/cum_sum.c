/* Running sums along one axis. `exclusive` leaves an element out of its own sum, `reverse` begins at the end. */
#include "kernels/ref/ref.h"

/* Element k of the lane that starts at `first`, `inner` elements apart. */
static void sum_lane(const struct op_inst *inst, const void *x, void *y, int64_t first, int64_t n, int64_t inner)
{
    enum dtype type = inst->in[0].type;
    bool floats = ref_is_float(type), exclusive = inst->op->u.scan.exclusive;
    double sum = 0;
    uint64_t int_sum = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t i = first + (inst->op->u.scan.reverse ? n - 1 - k : k) * inner;
        double before = sum;
        uint64_t int_before = int_sum;
        sum += floats ? ref_load(x, type, i) : 0;
        int_sum += floats ? 0 : (uint64_t) ref_load_int(x, type, i);
        if (floats)
            ref_store(y, type, i, exclusive ? before : sum);
        else
            ref_store_int(y, type, i, (int64_t) (exclusive ? int_before : int_sum));
    }
}

enum cq_err ref_cum_sum(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    int axis = inst->op->u.scan.axis;
    int64_t outer = ref_span(x, 0, axis), n = x->dim[axis], inner = ref_span(x, axis + 1, x->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            sum_lane(inst, in[0], out[0], o * n * inner + i, n, inner);
    return CQ_OK;
}
