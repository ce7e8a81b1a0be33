/* Between real numbers and the small integers that stand for them: real = (integer - zero)*scale.
 *
 * Unlike the rest of the reference this computes in float32, operation by operation: at a tie the last bit of the
 * quotient decides which integer comes out, and ONNX Runtime divides floats.
 */
#include <math.h>

#include "kernels/ref/ref.h"

static bool range_of(enum dtype type, int64_t *lo, int64_t *hi)
{
    switch (type) {
    case DT_U8: *lo = 0, *hi = UINT8_MAX; return true;
    case DT_I8: *lo = INT8_MIN, *hi = INT8_MAX; return true;
    case DT_U16: *lo = 0, *hi = UINT16_MAX; return true;
    case DT_I16: *lo = INT16_MIN, *hi = INT16_MAX; return true;
    case DT_I32: *lo = INT32_MIN, *hi = INT32_MAX; return true;
    default: return false;
    }
}

int64_t ref_saturate(double v, int64_t zero, enum dtype type)
{
    int64_t lo = 0, hi = 0;
    range_of(type, &lo, &hi);
    double rounded = nearbyint(v) + (double) zero;
    return rounded >= (double) hi ? hi : rounded > (double) lo ? (int64_t) rounded : lo;
}

/* Which scale belongs to the element at `at`. */
static int64_t scale_at(const struct op_inst *inst, const int64_t at[TENSOR_MAX_RANK])
{
    const struct tensor_desc *scale = &inst->in[1];
    int axis = inst->op->u.quant.axis;
    if (inst->op->u.quant.block) {
        int64_t block_at[TENSOR_MAX_RANK];
        for (int i = 0; i < scale->rank; i++)
            block_at[i] = i == axis ? at[i] / inst->op->u.quant.block : at[i];
        return ref_at(scale, block_at);
    }
    return tensor_elems(scale) == 1 ? 0 : at[axis];
}

static bool is_sound(const struct op_inst *inst, enum dtype real, enum dtype integer)
{
    int64_t lo, hi;
    return inst->n_in >= 2 && inst->in[1].type == DT_F32 && real == DT_F32 && range_of(integer, &lo, &hi);
}

static int64_t zero_at(const struct op_inst *inst, const void *const *in, int64_t i)
{
    return inst->n_in > 2 && in[2] ? ref_load_int(in[2], inst->in[2].type, i) : 0;
}

enum cq_err ref_quantize(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    const float *values = in[0], *scale = in[1];
    int64_t n = tensor_elems(x), at[TENSOR_MAX_RANK] = {0};
    if (!is_sound(inst, x->type, y->type))
        return CQ_UNSUPPORTED;
    for (int64_t i = 0; i < n; i++, ref_advance(x, at)) {
        int64_t s = scale_at(inst, at);
        float quotient = values[i] / scale[s];
        ref_store_int(out[0], y->type, i, ref_saturate(quotient, zero_at(inst, in, s), y->type));
    }
    return CQ_OK;
}

enum cq_err ref_dequantize(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    const float *scale = in[1];
    float *values = out[0];
    int64_t n = tensor_elems(x), at[TENSOR_MAX_RANK] = {0};
    if (!is_sound(inst, y->type, x->type))
        return CQ_UNSUPPORTED;
    for (int64_t i = 0; i < n; i++, ref_advance(x, at)) {
        int64_t s = scale_at(inst, at), above = ref_load_int(in[0], x->type, i) - zero_at(inst, in, s);
        values[i] = (float) (int32_t) (uint32_t) above * scale[s];
    }
    return CQ_OK;
}
