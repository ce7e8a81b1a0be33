/* Convolution and matrix product of small integers, exact in int32: see "Sums of integers" in kernels/op.h. */
#include "kernels/ref/ref.h"

struct sum {
    const struct op_inst *inst;
    const void *const *in;
};

static bool is_byte(enum dtype type)
{
    return type == DT_U8 || type == DT_I8;
}

static bool is_sound(const struct op_inst *inst)
{
    enum dtype y = inst->out[0].type;
    return inst->n_in >= 2 && inst->n_in <= SUM_INPUTS && is_byte(inst->in[SUM_X].type) &&
           is_byte(inst->in[SUM_W].type) && (y == DT_I32 || y == DT_F32 || is_byte(y));
}

static bool present(const struct sum *s, int which)
{
    return which < s->inst->n_in && s->in[which];
}

/* A value of an optional input that has one for all or one for each i. */
static int64_t value_of(const struct sum *s, int which, int64_t i)
{
    if (!present(s, which))
        return 0;
    return ref_load_int(s->in[which], s->inst->in[which].type, tensor_elems(&s->inst->in[which]) == 1 ? 0 : i);
}

static int64_t factor(const struct sum *s, int which, int64_t i)
{
    return ref_load_int(s->in[which], s->inst->in[which].type, i);
}

/* Output element i, of channel or column m; `total` may be wider than int32, where sums wrap. */
static void store(const struct sum *s, void *y, int64_t i, int64_t m, int64_t total)
{
    enum dtype type = s->inst->out[0].type;
    int32_t sum = (int32_t) (uint32_t) (total + value_of(s, SUM_BIAS, m));
    if (type == DT_I32) {
        ref_store_int(y, type, i, sum);
        return;
    }
    const float *scale = present(s, SUM_SCALE) ? s->in[SUM_SCALE] : &(float){1};
    float product = (float) sum * scale[present(s, SUM_SCALE) && tensor_elems(&s->inst->in[SUM_SCALE]) > 1 ? m : 0];
    if (type == DT_F32)
        ref_store(y, type, i, product);
    else
        ref_store_int(y, type, i, ref_saturate(product, value_of(s, SUM_Y_ZERO, 0), type));
}

/* Sum over one channel's window around output position o; x and weight index its first element. */
static int64_t window_sum(const struct sum *s, const struct ref_window *w, const int o[OP_SPATIAL], int64_t x,
                          int64_t weight, int64_t x_zero, int64_t w_zero)
{
    int64_t sum = 0;
    for (int k0 = 0; k0 < w->kernel[0]; k0++)
        for (int k1 = 0; k1 < w->kernel[1]; k1++)
            for (int k2 = 0; k2 < w->kernel[2]; k2++, weight++) {
                int i0 = o[0] * w->stride[0] + k0 * w->dilation[0] - w->pad_begin[0];
                int i1 = o[1] * w->stride[1] + k1 * w->dilation[1] - w->pad_begin[1];
                int i2 = o[2] * w->stride[2] + k2 * w->dilation[2] - w->pad_begin[2];
                if (i0 < 0 || i1 < 0 || i2 < 0 || i0 >= w->in[0] || i1 >= w->in[1] || i2 >= w->in[2])
                    continue;
                int64_t from = x + ((int64_t) i0 * w->in[1] + i1) * w->in[2] + i2;
                sum += (factor(s, SUM_X, from) - x_zero) * (factor(s, SUM_W, weight) - w_zero);
            }
    return sum;
}

enum cq_err ref_conv_int(const struct op_inst *inst, const void *const *in, void *const *out)
{
    struct ref_window w;
    struct sum s = {inst, in};
    const struct tensor_desc *x = &inst->in[SUM_X], *y = &inst->out[0];
    int64_t groups = inst->op->u.conv.group;
    if (!is_sound(inst) || groups < 1 || ref_window_init(&w, &inst->op->u.conv, x, y))
        return CQ_UNSUPPORTED;
    int64_t depth = x->dim[1] / groups, channels = y->dim[1], taps = ref_span(&inst->in[SUM_W], 2, x->rank);
    int64_t in_area = ref_span(x, 2, x->rank), area = ref_span(y, 2, y->rank), n = tensor_elems(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t m = i / area % channels, image = i / area / channels, at = i % area, total = 0;
        int o[OP_SPATIAL] = {(int) (at / w.out[2] / w.out[1]), (int) (at / w.out[2] % w.out[1]),
                             (int) (at % w.out[2])};
        int64_t first = image * x->dim[1] + m / (channels / groups) * depth;
        for (int64_t c = 0; c < depth; c++)
            total += window_sum(&s, &w, o, (first + c) * in_area, (m * depth + c) * taps, value_of(&s, SUM_X_ZERO, 0),
                                value_of(&s, SUM_W_ZERO, m));
        store(&s, out[0], i, m, total);
    }
    return CQ_OK;
}

/* Index of the first element of the matrix that broadcasting uses for the batch of y at `at`. */
static int64_t matrix_at(const struct tensor_desc *d, const struct tensor_desc *y, const int64_t at[TENSOR_MAX_RANK])
{
    struct tensor_desc batch = *d, batches = *y;
    batch.rank -= 2;
    batches.rank -= 2;
    return ref_broadcast(&batch, &batches, at) * ref_span(d, d->rank - 2, d->rank);
}

enum cq_err ref_matmul_int(const struct op_inst *inst, const void *const *in, void *const *out)
{
    struct sum s = {inst, in};
    const struct tensor_desc *a = &inst->in[SUM_X], *b = &inst->in[SUM_W], *y = &inst->out[0];
    if (!is_sound(inst) || a->rank < 2 || b->rank < 2 || y->rank < 2)
        return CQ_UNSUPPORTED;
    int64_t depth = a->dim[a->rank - 1], columns = y->dim[y->rank - 1], n = tensor_elems(y), at[TENSOR_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, ref_advance(y, at)) {
        int64_t row = at[y->rank - 2], column = at[y->rank - 1], total = 0;
        int64_t from_a = matrix_at(a, y, at) + row * depth, from_b = matrix_at(b, y, at) + column;
        int64_t a_zero = value_of(&s, SUM_X_ZERO, row), b_zero = value_of(&s, SUM_W_ZERO, column);
        for (int64_t k = 0; k < depth; k++)
            total += (factor(&s, SUM_X, from_a + k) - a_zero) * (factor(&s, SUM_W, from_b + k * columns) - b_zero);
        store(&s, out[0], i, column, total);
    }
    return CQ_OK;
}
