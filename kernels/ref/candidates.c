/* Cells of a detector that may be boxes, and their values. The product and the comparison are those of float32, which
 * is what decoders compute with. */
#include <string.h>

#include "kernels/ref/ref.h"

/* Value `i` of a cell. */
static float value_of(const struct op_inst *inst, const float *x, int64_t image, int64_t cell, int64_t i)
{
    const struct tensor_desc *d = &inst->in[0];
    bool planes = inst->op->u.candidates.planes;
    return x[ref_at(d, (int64_t[TENSOR_MAX_RANK]) {image, planes ? i : cell, planes ? cell : i})];
}

static bool may_be_box(const struct op_inst *inst, const float *x, int64_t image, int64_t cell)
{
    const struct candidate_attrs *a = &inst->op->u.candidates;
    float gate = a->gate >= 0 ? value_of(inst, x, image, cell, a->gate) : 1;
    for (int i = 0; i < a->scores; i++)
        if (!(gate * value_of(inst, x, image, cell, a->first + i) < a->threshold))
            return true;
    return false;
}

enum cq_err ref_candidates(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct candidate_attrs *a = &inst->op->u.candidates;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int64_t cells = x->dim[a->planes ? 2 : 1], values = y->dim[2], most = y->dim[1];
    if (x->type != DT_F32 || inst->n_out != 2 || inst->out[1].type != DT_I32)
        return CQ_UNSUPPORTED;
    memset(out[0], 0, tensor_bytes(y));
    memset(out[1], 0, tensor_bytes(&inst->out[1]));
    for (int64_t n = 0; n < y->dim[0]; n++) {
        float *rows = (float *) out[0] + n * most * values;
        int32_t *list = (int32_t *) out[1] + n * (1 + most);
        for (int64_t c = 0; c < cells; c++) {
            if (!may_be_box(inst, in[0], n, c))
                continue;
            int64_t k = list[0]++;
            if (k >= most)
                continue;
            list[1 + k] = (int32_t) c;
            for (int64_t i = 0; i < values; i++)
                rows[k * values + i] = value_of(inst, in[0], n, c, i);
        }
    }
    return CQ_OK;
}
