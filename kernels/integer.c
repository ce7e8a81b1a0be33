/* CONV_INT and MATMUL_INT: bytes multiplied and added in int, one plain kernel each. Nothing is packed. */
#include <limits.h>
#include <stdio.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/quant.h"
#include "kernels/serves.h"

enum { TILE = 4, OPTIONS_SIZE = 96 };   /* TILE as in the .cl */

static const struct program_class integer_program = {
    .name = "integer",
    .source = {cl_common, cl_integer},
};

static bool is_byte(enum dtype type)
{
    return type == DT_U8 || type == DT_I8;
}

static int64_t count(const struct op_inst *inst, int which)
{
    return which < inst->n_in && inst->in[which].type != DT_NONE ? tensor_elems(&inst->in[which]) : 0;
}

/* Absent, or of that type with n values or, where `one` allows, a single one. */
static bool fits(const struct op_inst *inst, int which, enum dtype type, int64_t n, bool one)
{
    if (which >= inst->n_in || inst->in[which].type == DT_NONE)
        return true;
    int64_t has = count(inst, which);
    return inst->in[which].type == type && (has == n || (one && has == 1));
}

static bool types_agree(const struct op_inst *inst, int64_t rows, int64_t columns)
{
    enum dtype x = inst->in[SUM_X].type, w = inst->in[SUM_W].type, y = inst->out[0].type;
    return is_byte(x) && is_byte(w) && (is_byte(y) || y == DT_I32 || y == DT_F32) &&
           fits(inst, SUM_X_ZERO, x, rows, true) && fits(inst, SUM_W_ZERO, w, columns, true) &&
           fits(inst, SUM_BIAS, DT_I32, columns, false) && fits(inst, SUM_SCALE, DT_F32, columns, true) &&
           fits(inst, SUM_Y_ZERO, y, 1, true) && serves_plain(inst) && serves_int_index(inst);
}

static void set_options(const struct op_inst *inst, char options[OPTIONS_SIZE])
{
    enum dtype x = inst->in[SUM_X].type, w = inst->in[SUM_W].type, y = inst->out[0].type;
    int lo, hi;
    int at = snprintf(options, OPTIONS_SIZE, "-DTX=%s -DTW=%s -DTY=%s", program_type(x), program_type(w),
                      program_type(y));
    if (quant_range(y, &lo, &hi))
        snprintf(options + at, (size_t) (OPTIONS_SIZE - at), " -DLO=%d -DHI=%d", lo, hi);
    else if (y == DT_F32)
        snprintf(options + at, (size_t) (OPTIONS_SIZE - at), " -DREAL");
}

static enum cq_err run(struct device *dev, const struct op_inst *inst, struct launch *launch)
{
    char options[OPTIONS_SIZE];
    set_options(inst, options);
    launch->program = &integer_program;
    launch->options = options;
    launch->dims = 3;
    launch->local[0] = launch->local[1] = launch->local[2] = 1;
    return program_run(dev, launch);
}

static size_t tiles_of(int64_t n)
{
    return ((size_t) n + TILE - 1) / TILE;
}

#define SUM_REFS(bufs) \
    ARG_REF(bufs->in[SUM_X]), ARG_REF(bufs->in[SUM_W]), ARG_REF(bufs->in[SUM_X_ZERO]), ARG_REF(bufs->in[SUM_W_ZERO]), \
    ARG_REF(bufs->in[SUM_BIAS]), ARG_REF(bufs->in[SUM_SCALE]), ARG_REF(bufs->in[SUM_Y_ZERO]), ARG_REF(bufs->out[0])

/* ---- convolution ---- */

static bool conv_serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return conv_window_agrees(inst) && types_agree(inst, 1, inst->out[0].dim[1]);
}

static enum cq_err conv_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct conv3_geom g = conv3_geom_of(inst);
    size_t tiles = tiles_of(g.m / g.group) * (size_t) g.group;
    const struct kernel_arg args[] = {
        SUM_REFS(bufs), ARG_STRUCT(g), ARG_INT(count(inst, SUM_W_ZERO)), ARG_INT(count(inst, SUM_SCALE)),
    };
    return run(dev, inst, &(struct launch) {
        .kernel = "conv_int",
        .global = {(size_t) g.out[0] * (size_t) g.out[1], tiles, (size_t) g.n},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_int = {
    .name = "conv_int", .kind = OP_CONV_INT, .serves = conv_serves, .enqueue = conv_enqueue,
};

/* ---- matrix product ---- */

struct product {
    int64_t rows, columns, depth, batches;
    int64_t a_step, b_step;      /* elements from one batch to the next; 0: the same matrix for all */
};

/* Each factor has one matrix for all batches, or one for each; mixed forms are left to the host. */
static bool product_of(const struct op_inst *inst, struct product *p)
{
    const struct tensor_desc *a = &inst->in[SUM_X], *b = &inst->in[SUM_W], *y = &inst->out[0];
    if (a->rank < 2 || b->rank < 2 || y->rank < 2)
        return false;
    *p = (struct product) {
        .rows = y->dim[y->rank - 2], .columns = y->dim[y->rank - 1], .depth = a->dim[a->rank - 1], .batches = 1,
    };
    for (int i = 0; i < y->rank - 2; i++)
        p->batches *= y->dim[i];
    int64_t a_size = p->rows * p->depth, b_size = p->depth * p->columns;
    p->a_step = tensor_elems(a) == a_size ? 0 : a_size;
    p->b_step = tensor_elems(b) == b_size ? 0 : b_size;
    return a->dim[a->rank - 2] == p->rows && b->dim[b->rank - 2] == p->depth && b->dim[b->rank - 1] == p->columns &&
           (!p->a_step || tensor_elems(a) == a_size * p->batches) &&
           (!p->b_step || tensor_elems(b) == b_size * p->batches);
}

static bool matmul_serves(const struct device *dev, const struct op_inst *inst)
{
    struct product p;
    (void) dev;
    return product_of(inst, &p) && types_agree(inst, p.rows, p.columns);
}

static enum cq_err matmul_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct product p;
    size_t width = (size_t) conv_width(dev);
    if (!product_of(inst, &p))
        return CQ_INTERNAL;
    const struct kernel_arg args[] = {
        SUM_REFS(bufs), ARG_INT(p.rows), ARG_INT(p.columns), ARG_INT(p.depth), ARG_INT(p.a_step), ARG_INT(p.b_step),
        ARG_INT(count(inst, SUM_X_ZERO)), ARG_INT(count(inst, SUM_W_ZERO)), ARG_INT(count(inst, SUM_SCALE)),
    };
    return run(dev, inst, &(struct launch) {
        .kernel = "matmul_int",
        .global = {((size_t) p.columns + width - 1) / width, tiles_of(p.rows), (size_t) p.batches},
        .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_matmul_int = {
    .name = "matmul_int", .kind = OP_MATMUL_INT, .serves = matmul_serves, .enqueue = matmul_enqueue,
};
