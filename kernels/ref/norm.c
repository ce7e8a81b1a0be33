/* Normalisations: batch, instance, layer and local response. Variances are of the whole population. */
#include "kernels/ref/ref.h"

#include <math.h>

static double at(const struct op_inst *inst, const void *const *in, int which, int64_t i)
{
    return ref_load(in[which], inst->in[which].type, i);
}

enum cq_err ref_batch_norm(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    if (!ref_is_float(x->type) || x->rank < 2 || inst->n_in < 5)
        return CQ_UNSUPPORTED;
    int64_t n = tensor_elems(x), area = ref_span(x, 2, x->rank);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i / area % x->dim[1];
        double unit = (at(inst, in, 0, i) - at(inst, in, 3, c)) / sqrt(at(inst, in, 4, c) + inst->op->u.norm.epsilon);
        ref_store(out[0], inst->out[0].type, i, ref_act(inst->op, unit * at(inst, in, 1, c) + at(inst, in, 2, c)));
    }
    return CQ_OK;
}

/* Mean and 1/deviation of n elements from `first` on. */
static void moments(const struct op_inst *inst, const void *const *in, int64_t first, int64_t n, double *mean,
                    double *scale)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += at(inst, in, 0, first + i);
    *mean = sum / (double) n;
    for (int64_t i = 0; i < n; i++) {
        double d = at(inst, in, 0, first + i) - *mean;
        squares += d * d;
    }
    *scale = 1 / sqrt(squares / (double) n + inst->op->u.norm.epsilon);
}

enum cq_err ref_instance_norm(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    if (!ref_is_float(x->type) || x->rank < 2)
        return CQ_UNSUPPORTED;
    int64_t planes = x->dim[0] * x->dim[1], area = ref_span(x, 2, x->rank);
    for (int64_t p = 0; p < planes; p++) {
        double mean, scale;
        moments(inst, in, p * area, area, &mean, &scale);
        int64_t c = p % x->dim[1];
        for (int64_t i = p * area; i < (p + 1) * area; i++) {
            double unit = (at(inst, in, 0, i) - mean) * scale;
            ref_store(out[0], inst->out[0].type, i, unit * at(inst, in, 1, c) + at(inst, in, 2, c));
        }
    }
    return CQ_OK;
}

enum cq_err ref_layer_norm(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    bool has_bias = inst->n_in > 2 && in[2];
    int axis = inst->op->u.norm.axis;
    if (!ref_is_float(x->type) || axis < 0 || axis >= x->rank)
        return CQ_UNSUPPORTED;
    int64_t outer = ref_span(x, 0, axis), inner = ref_span(x, axis, x->rank), where[TENSOR_MAX_RANK] = {0};
    for (int64_t o = 0; o < outer; o++) {
        double mean, scale;
        moments(inst, in, o * inner, inner, &mean, &scale);
        for (int64_t i = o * inner; i < (o + 1) * inner; i++, ref_advance(x, where)) {
            double y = (at(inst, in, 0, i) - mean) * scale * at(inst, in, 1, ref_broadcast(&inst->in[1], x, where));
            if (has_bias)
                y += at(inst, in, 2, ref_broadcast(&inst->in[2], x, where));
            ref_store(out[0], inst->out[0].type, i, y);
        }
    }
    return CQ_OK;
}

/* y = x / (bias + alpha/size * sum of squares over `size` neighbouring channels)^beta; an even size reaches one
 * channel further up than down. */
enum cq_err ref_lrn(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    const struct op *op = inst->op;
    int size = op->u.norm.size;
    if (!ref_is_float(x->type) || x->rank < 2 || size < 1)
        return CQ_UNSUPPORTED;
    int64_t n = tensor_elems(x), area = ref_span(x, 2, x->rank), channels = x->dim[1];
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i / area % channels;
        double squares = 0;
        for (int64_t d = -((size - 1) / 2); d <= size / 2; d++)
            if (c + d >= 0 && c + d < channels) {
                double v = at(inst, in, 0, i + d * area);
                squares += v * v;
            }
        double norm = pow(op->u.norm.bias + (double) op->u.norm.alpha / size * squares, op->u.norm.beta);
        ref_store(out[0], inst->out[0].type, i, at(inst, in, 0, i) / norm);
    }
    return CQ_OK;
}
