/* Cases for functions of single elements: unary, binary with every kind of broadcast, where, cast, PRelu. */
#include <stdio.h>

#include "tests/check_kernels.h"

/* A shape that has often odd, small and empty dimensions. */
static struct tensor_desc any_shape(struct check_rng *r, int rank)
{
    static const int dims[] = {1, 1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33, 64};
    struct tensor_desc d = {.type = DT_F32, .rank = rank};
    for (int i = 0; i < rank; i++)
        d.dim[i] = check_pick(r, dims, rank > 4 ? 8 : rank > 2 ? 11 : 13);
    if (rank && check_chance(r, 3))
        d.dim[check_int(r, 0, rank - 1)] = 0;
    return d;
}

/* What broadcasts to `y`: some dimensions become 1, leading ones may go. */
static struct tensor_desc broadcast_from(struct check_rng *r, const struct tensor_desc *y)
{
    struct tensor_desc d = *y;
    int dropped = check_chance(r, 40) ? check_int(r, 0, y->rank) : 0;
    d.rank -= dropped;
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = check_chance(r, 40) ? 1 : y->dim[i + dropped];
    return d;
}

/* [N,C,1,1] and its like, for which BLOCKED has a way of its own. */
static struct tensor_desc per_channel(struct check_rng *r, const struct tensor_desc *y)
{
    struct tensor_desc d = *y;
    int keep = check_int(r, 0, 3);
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = (i == 1 && keep) || (i == 0 && keep == 2) || (i > 1 && keep == 0) ? d.dim[i] : 1;
    if (keep == 3) {
        d.rank--;
        for (int i = 0; i < d.rank; i++)
            d.dim[i] = y->dim[i + 1];
        for (int i = 1; i < d.rank; i++)
            d.dim[i] = 1;
    }
    return d;
}

static void set_act(struct check_rng *r, struct op *op)
{
    op->act = check_chance(r, 50) ? ACT_NONE : (enum act) check_int(r, ACT_NONE, ACT_TANH);
    op->act_a = op->act == ACT_CLIP ? -0.25f : 0.2f;
    op->act_b = op->act == ACT_HARD_SIGMOID ? 0.5f : 0.75f;
}

static void make_operands(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc y = any_shape(r, check_int(r, 0, 5)), a = y, b = y;
    int form = check_int(r, 0, 4);
    if (form == 1)
        b = broadcast_from(r, &y);
    else if (form == 2)
        a = broadcast_from(r, &y);
    else if (form == 3 && y.rank > 2)
        b = per_channel(r, &y);
    else if (form == 4)
        b = check_tensor(DT_F32, 0);
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = a;
    c->inst.in[1] = b;
    c->inst.out[0] = y;
    /* Both operands may have shrunk in the same dimension: then y is smaller, too. */
    for (int i = 0; i < y.rank; i++) {
        int ia = i + a.rank - y.rank, ib = i + b.rank - y.rank;
        if ((ia < 0 || a.dim[ia] == 1) && (ib < 0 || b.dim[ib] == 1))
            c->inst.out[0].dim[i] = 1;
    }
}

static void make_binary(struct check_rng *r, int n, struct check_case *c)
{
    static const char *const names[] = {"add", "sub", "mul", "div", "pow", "min", "max", "mod", "fmod"};
    enum binary fn = (enum binary) (n < 16 ? n / 2 : check_chance(r, 80) ? check_int(r, 0, 3) : check_int(r, 4, 8));
    c->op.kind = OP_BINARY;
    c->op.u.binary = fn;
    make_operands(r, c);
    if (fn == BIN_DIV || fn == BIN_MOD || fn == BIN_FMOD || fn == BIN_POW) {
        c->lo[1] = 0.5f;
        c->hi[1] = 2;
    }
    if (fn == BIN_POW)
        c->hi[0] = 2;
    if (fn == BIN_MOD || fn == BIN_FMOD)
        c->lo[1] = 3;                /* |a| < b: the quotient is far from a whole number */
    c->hi[1] = fn == BIN_MOD || fn == BIN_FMOD ? 4 : c->hi[1];
    if (fn <= BIN_DIV)
        set_act(r, &c->op);
    snprintf(c->text, sizeof c->text, "%s act=%d", names[fn], (int) c->op.act);
}

/* Only the slope of PRelu is broadcast. */
static void make_prelu(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_shape(r, check_int(r, 1, 4));
    c->op.kind = OP_PRELU;
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = c->inst.out[0] = x;
    c->inst.in[1] = x.rank > 2 && check_chance(r, 60) ? per_channel(r, &x) : broadcast_from(r, &x);
    snprintf(c->text, sizeof c->text, "prelu");
}

static void make_two(struct check_rng *r, int n, struct check_case *c)
{
    if (n % 8 == 7)
        make_prelu(r, c);
    else
        make_binary(r, n, c);
}

static bool bench_binary(int n, struct check_case *c)
{
    static const char *const names[] = {"add equal", "mul [N,C,1,1]", "mul scalar", "add last", "short rows"};
    if (n > 4)
        return false;
    c->op.kind = OP_BINARY;
    c->op.u.binary = n == 0 || n > 2 ? BIN_ADD : BIN_MUL;
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 104, 104);
    c->inst.in[1] = n == 0 ? c->inst.in[0] : n == 1 ? check_tensor(DT_F32, 4, 1, 64, 1, 1)
                  : n == 2 ? check_tensor(DT_F32, 0) : check_tensor(DT_F32, 1, 104);
    if (n == 4) {
        c->inst.in[0] = c->inst.out[0] = check_tensor(DT_F32, 4, 1, 208, 208, 16);
        c->inst.in[1] = check_tensor(DT_F32, 1, 16);
    }
    snprintf(c->text, sizeof c->text, "%s, 1x64x104x104", names[n]);
    return true;
}

static const struct check_tolerance binary_tolerances[] = {
    {"binary_rows", 3e-6f}, {"binary_blocks", 3e-6f}, {"prelu_rows", 1e-7f}, {"prelu_blocks", 1e-7f}, {"host", 0},
    {NULL},
};

const struct check_family check_binary = {
    .name = "binary", .cases = 120, .make = make_two, .bench = bench_binary, .tolerances = binary_tolerances,
};

/* ---- unary ------------------------------------------------------------------------------------------ */

static void make_unary(struct check_rng *r, int n, struct check_case *c)
{
    enum unary fn = (enum unary) (n % (UN_SHRINK + 1));
    c->op.kind = OP_UNARY;
    c->op.u.unary = fn;
    c->op.act_a = fn == UN_CLIP ? -0.5f : 0.6f;
    c->op.act_b = fn == UN_SHRINK ? 0.25f : 0.75f;
    c->inst.n_in = c->inst.n_out = 1;
    c->inst.in[0] = c->inst.out[0] = any_shape(r, check_int(r, 0, 5));
    if (fn == UN_NOT)
        c->inst.in[0].type = DT_BOOL;
    if (fn == UN_NOT || fn == UN_ISNAN || fn == UN_ISINF)
        c->inst.out[0].type = DT_BOOL;
    bool positive = fn == UN_LOG || fn == UN_SQRT || fn == UN_RECIPROCAL || fn == UN_ACOSH;
    bool unit = fn == UN_ASIN || fn == UN_ACOS || fn == UN_ATANH;
    c->lo[0] = positive ? 1.25f : unit ? -0.9f : -6;
    c->hi[0] = unit ? 0.9f : 6;
    /* A tensor may lie wholly in the left tail, exp(-x*x/2), where rounding x itself costs x*x times as much. */
    c->tolerance = fn == UN_GELU || fn == UN_GELU_TANH ? 6e-6f : 0;
    snprintf(c->text, sizeof c->text, "unary %d", (int) fn);
}

static bool bench_unary(int n, struct check_case *c)
{
    static const enum unary fns[] = {UN_RELU, UN_SIGMOID, UN_EXP, UN_SQRT, UN_GELU};
    if (n >= (int) (sizeof fns / sizeof *fns))
        return false;
    make_unary(&(struct check_rng){1}, (int) fns[n], c);
    c->inst.in[0] = c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 64, 64);
    return true;
}

static const struct check_tolerance unary_tolerances[] = {{"unary_flat", 2e-6f}, {NULL}};

const struct check_family check_unary = {
    .name = "unary", .cases = 2 * (UN_SHRINK + 1), .make = make_unary, .bench = bench_unary,
    .tolerances = unary_tolerances,
};

/* ---- where and cast --------------------------------------------------------------------------------- */

static void make_where(struct check_rng *r, struct check_case *c)
{
    static const int types[] = {DT_F32, DT_I64, DT_U8, DT_F16};
    struct tensor_desc y = any_shape(r, check_int(r, 0, 5));
    c->op.kind = OP_WHERE;
    c->inst.n_in = 3;
    y.type = (enum dtype) check_pick(r, types, 4);
    c->inst.out[0] = y;
    int whole = check_int(r, 0, 2);
    for (int i = 0; i < 3; i++)
        c->inst.in[i] = i == whole ? y : broadcast_from(r, &y);
    c->inst.in[0].type = DT_BOOL;
    snprintf(c->text, sizeof c->text, "where of %s", dtype_name(y.type));
}

static void make_cast(struct check_rng *r, struct check_case *c)
{
    static const int types[] = {DT_F32, DT_F32, DT_F64, DT_F16, DT_U8, DT_I8, DT_U16, DT_I16, DT_I32, DT_U32, DT_I64,
                                DT_BOOL};
    c->op.kind = OP_CAST;
    c->inst.n_in = 1;
    c->inst.in[0] = c->inst.out[0] = any_shape(r, check_int(r, 0, 3));
    c->inst.in[0].type = (enum dtype) check_pick(r, types, 12);
    c->inst.out[0].type = (enum dtype) check_pick(r, types, 12);
    if (c->inst.in[0].type == DT_F32) {
        c->lo[0] = -300;
        c->hi[0] = 300;
    }
    snprintf(c->text, sizeof c->text, "cast %s to %s", dtype_name(c->inst.in[0].type), dtype_name(c->inst.out[0].type));
}

static void make_convert(struct check_rng *r, int n, struct check_case *c)
{
    c->inst.n_out = 1;
    if (n % 3)
        make_cast(r, c);
    else
        make_where(r, c);
}

static const struct check_tolerance convert_tolerances[] = {{"where", 0}, {"cast", 0}, {NULL}};

const struct check_family check_convert = {
    .name = "convert", .cases = 60, .make = make_convert, .tolerances = convert_tolerances,
};
