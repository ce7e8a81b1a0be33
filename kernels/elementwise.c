/* Functions of integers and truth values, comparisons of floats, and casts, for PLAIN tensors of any type that
 * kernels/cl/numbers.cl knows. Constant divisors are checked here; by 0 of another the kernel makes 0, for it cannot
 * report an error.
 */
#include <math.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/numbers.h"
#include "kernels/program.h"
#include "kernels/ref/ref.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "elementwise",
    .source = {cl_common, cl_nest, cl_numbers, cl_elementwise},
};

_Static_assert(UN_SIGN == 2 && UN_RELU == 22 && UN_CLIP == 28 && UN_NOT == 39 && UN_ISINF == 41,
               "codes as in kernels/cl/elementwise.cl");

static enum cq_err run(struct device *dev, const char *kernel, const struct nest *nest, const struct kernel_arg *args,
                       int n_args)
{
    struct launch launch = {.program = &program, .kernel = kernel, .args = args, .n_args = n_args};
    nest_launch(dev, nest, &launch);
    return program_run(dev, &launch);
}

static bool nest_of(const struct device *dev, const struct op_inst *inst, struct nest *nest)
{
    return serves_plain(inst) && serves_int_index(inst) && nest_of_broadcast(dev, inst, nest);
}

/* ---- binary ------------------------------------------------------------------------------------------ */

static bool divides_by_zero(const struct op_inst *inst)
{
    enum binary fn = inst->op->u.binary;
    const void *divisor = inst->constant[1];
    if (!divisor || (fn != BIN_DIV && fn != BIN_MOD && fn != BIN_FMOD))
        return false;
    for (int64_t i = 0; i < tensor_elems(&inst->in[1]); i++)
        if (!ref_load_int(divisor, inst->in[1].type, i))
            return true;
    return false;
}

/* The kernel takes numbers as int64: with the highest bit set, uint64 compares and divides otherwise. */
static bool needs_sign(enum binary fn)
{
    return fn == BIN_DIV || (fn >= BIN_POW && fn <= BIN_FMOD) || (fn >= BIN_LESS && fn <= BIN_GREATER_EQUAL) ||
           fn == BIN_SHIFT_RIGHT;
}

static bool binary_serves(const struct device *dev, const struct op_inst *inst)
{
    enum dtype a = inst->in[0].type, b = inst->in[1].type;
    enum binary fn = inst->op->u.binary;
    struct nest nest;
    if (inst->n_in != 2 || !numbers_is_int(inst->out[0].type) || !nest_of(dev, inst, &nest))
        return false;
    if (numbers_is_int(a) && numbers_is_int(b))
        return fn <= BIN_SHIFT_RIGHT && !divides_by_zero(inst) && !(a == DT_U64 && needs_sign(fn));
    return numbers_is_float(a) && numbers_is_float(b) && fn >= BIN_EQUAL && fn <= BIN_GREATER_EQUAL;
}

static enum cq_err binary_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!nest_of(dev, inst, &nest))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[1]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest), ARG_INT(inst->in[0].type),
        ARG_INT(inst->in[1].type), ARG_INT(inst->out[0].type), ARG_INT(inst->op->u.binary),
    };
    return run(dev, "binary_any", &nest, args, sizeof args / sizeof *args);
}

/* ---- unary ------------------------------------------------------------------------------------------- */

/* As in kernels/cl/elementwise.cl. */
struct clip {
    int64_t low, low_value, high, high_value;
};

/* A bound beyond int64 bounds nothing, when it is on the right side. */
static bool clip_of(const struct op *op, struct clip *c)
{
    float a = op->act_a, b = op->act_b;
    *c = (struct clip){INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX};
    if (op->u.unary != UN_CLIP)
        return true;
    if (isnan(a) || isnan(b) || a >= 0x1p53f || b <= -0x1p53f)
        return false;
    if (a > -0x1p53f) {
        c->low = (int64_t) ceilf(a);
        c->low_value = (int64_t) a;
    }
    if (b < 0x1p53f) {
        c->high = (int64_t) floorf(b);
        c->high_value = (int64_t) b;
    }
    return (a > -0x1p53f || a <= -0x1p63f) && (b < 0x1p53f || b >= 0x1p63f);
}

static bool is_exact_in_int(enum unary fn)
{
    return fn <= UN_SIGN || (fn >= UN_FLOOR && fn <= UN_ROUND) || fn == UN_RELU || fn == UN_CLIP || fn == UN_NOT;
}

static bool unary_serves(const struct device *dev, const struct op_inst *inst)
{
    enum unary fn = inst->op->u.unary;
    struct nest nest;
    struct clip clip;
    bool same = tensor_same_shape(&inst->in[0], &inst->out[0]);
    if (!same || !numbers_is_int(inst->out[0].type) || !nest_of(dev, inst, &nest))
        return false;
    if (numbers_is_float(inst->in[0].type))
        return fn == UN_ISNAN || fn == UN_ISINF;
    return numbers_is_int(inst->in[0].type) && is_exact_in_int(fn) && clip_of(inst->op, &clip);
}

static enum cq_err unary_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct op *op = inst->op;
    struct nest nest;
    struct clip clip;
    if (!nest_of(dev, inst, &nest) || !clip_of(op, &clip))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest), ARG_INT(inst->in[0].type),
        ARG_INT(inst->out[0].type), ARG_INT(op->u.unary), ARG_INT(op->act_a != 0), ARG_INT(op->act_b != 0),
        ARG_STRUCT(clip),
    };
    return run(dev, "unary_any", &nest, args, sizeof args / sizeof *args);
}

/* ---- cast -------------------------------------------------------------------------------------------- */

static bool is_number(enum dtype type)
{
    return numbers_is_int(type) || numbers_is_float(type);
}

static bool cast_serves(const struct device *dev, const struct op_inst *inst)
{
    struct nest nest;
    return tensor_same_shape(&inst->in[0], &inst->out[0]) && is_number(inst->in[0].type) &&
           is_number(inst->out[0].type) && nest_of(dev, inst, &nest);
}

static enum cq_err cast_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct nest nest;
    if (!nest_of(dev, inst, &nest))
        return CQ_INTERNAL;
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(nest), ARG_INT(inst->in[0].type),
        ARG_INT(inst->out[0].type),
    };
    return run(dev, "cast_any", &nest, args, sizeof args / sizeof *args);
}

const struct kernel_class kernel_binary_any = {
    .name = "binary_any", .kind = OP_BINARY, .serves = binary_serves, .in_place = 3, .enqueue = binary_enqueue,
};

const struct kernel_class kernel_unary_any = {
    .name = "unary_any", .kind = OP_UNARY, .serves = unary_serves, .in_place = 1, .enqueue = unary_enqueue,
};

const struct kernel_class kernel_cast_any = {
    .name = "cast", .kind = OP_CAST, .serves = cast_serves, .in_place = 1, .enqueue = cast_enqueue,
};
