/* Softmax and log-softmax along one axis, shifted by the maximum so that nothing overflows. */
#include "kernels/ref/ref.h"

#include <math.h>

enum cq_err ref_softmax(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    enum dtype to = inst->out[0].type;
    int axis = inst->op->u.axis.axis;
    if (!ref_is_float(x->type) || axis < 0 || axis >= x->rank)
        return CQ_UNSUPPORTED;
    int64_t outer = ref_span(x, 0, axis), n = x->dim[axis], inner = ref_span(x, axis + 1, x->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t first = o * n * inner + i;
            double max = -INFINITY, sum = 0;
            for (int64_t k = 0; k < n; k++)
                max = fmax(max, ref_load(in[0], x->type, first + k * inner));
            for (int64_t k = 0; k < n; k++)
                sum += exp(ref_load(in[0], x->type, first + k * inner) - max);
            for (int64_t k = 0; k < n; k++) {
                double shifted = ref_load(in[0], x->type, first + k * inner) - max;
                ref_store(out[0], to, first + k * inner,
                          inst->op->u.axis.flag ? shifted - log(sum) : exp(shifted) / sum);
            }
        }
    return CQ_OK;
}
