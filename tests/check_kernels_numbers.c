/* Cases for numbers of any type: integer arithmetic, comparisons, truth values, casts, where. */
#include <math.h>
#include <stdio.h>

#include "tests/check_kernels.h"

static const int ints[] = {DT_I64, DT_I64, DT_I32, DT_U8, DT_I8, DT_U16, DT_I16, DT_U32};
static const int all[] = {DT_F32, DT_F32, DT_F64, DT_F16, DT_U8, DT_I8, DT_U16, DT_I16, DT_I32, DT_U32, DT_I64, DT_U64,
                          DT_BOOL};

enum { N_INTS = sizeof ints / sizeof *ints, N_ALL = sizeof all / sizeof *all };

static bool compares(enum binary fn)
{
    return fn >= BIN_EQUAL && fn <= BIN_GREATER_EQUAL;
}

/* Exponents stay small, for the reference and the kernel take as long as they are. */
static void make_binary(struct check_rng *r, struct check_case *c)
{
    enum binary fn = (enum binary) check_int(r, BIN_ADD, BIN_SHIFT_RIGHT);
    bool truth = fn == BIN_EQUAL || (fn >= BIN_AND && fn <= BIN_XOR);
    enum dtype type = truth && check_chance(r, 40) ? DT_BOOL : (enum dtype) check_pick(r, ints, N_INTS);
    check_operands(r, c);
    c->op.kind = OP_BINARY;
    c->op.u.binary = fn;
    c->inst.in[0].type = c->inst.in[1].type = type;
    c->inst.out[0].type = compares(fn) ? DT_BOOL : type;
    c->lo[0] = c->lo[1] = fn == BIN_SHIFT_LEFT || fn == BIN_SHIFT_RIGHT ? 0 : -9;
    c->hi[0] = c->hi[1] = 9;
    c->edges = check_chance(r, 70) ? fn == BIN_POW ? 1 : 3 : 0;
    c->nonzero = fn == BIN_DIV || fn == BIN_MOD || fn == BIN_FMOD ? 2 : 0;
    c->constants = check_chance(r, 30) ? 2 : 0;
    snprintf(c->text, sizeof c->text, "binary %d of %s", (int) fn, dtype_name(type));
}

static void make_compare(struct check_rng *r, struct check_case *c)
{
    enum binary fn = (enum binary) check_int(r, BIN_EQUAL, BIN_GREATER_EQUAL);
    enum dtype type = check_chance(r, 70) ? DT_F32 : DT_F16;
    check_operands(r, c);
    c->op.kind = OP_BINARY;
    c->op.u.binary = fn;
    c->inst.in[0].type = c->inst.in[1].type = type;
    c->inst.out[0].type = DT_BOOL;
    c->edges = check_chance(r, 70) ? 3 : 0;
    snprintf(c->text, sizeof c->text, "binary %d of %s", (int) fn, dtype_name(type));
}

static void make_unary(struct check_rng *r, struct check_case *c)
{
    static const int fns[] = {UN_ABS, UN_NEG, UN_SIGN, UN_RELU, UN_CLIP, UN_CLIP, UN_NOT, UN_FLOOR, UN_CEIL, UN_ROUND,
                              UN_ISNAN, UN_ISNAN, UN_ISINF, UN_ISINF};
    static const float bounds[][2] = {{-2.5f, 3.5f}, {-INFINITY, 4}, {0, 0x1p63f}, {-7, INFINITY}, {5, 2}};
    enum unary fn = (enum unary) check_pick(r, fns, sizeof fns / sizeof *fns);
    bool asks = fn == UN_ISNAN || fn == UN_ISINF;
    struct tensor_desc x = check_shape(r, check_int(r, 0, 6));
    x.type = asks ? check_chance(r, 70) ? DT_F32 : DT_F16 : (enum dtype) check_pick(r, ints, N_INTS);
    if (fn == UN_NOT)
        x.type = DT_BOOL;
    c->op.kind = OP_UNARY;
    c->op.u.unary = fn;
    const float *clip = bounds[check_int(r, 0, 4)];
    c->op.act_a = fn == UN_CLIP ? clip[0] : (float) check_int(r, 0, 1);
    c->op.act_b = fn == UN_CLIP ? clip[1] : (float) check_int(r, 0, 1);
    c->inst.n_in = 1;
    c->inst.in[0] = c->inst.out[0] = x;
    c->inst.out[0].type = asks ? DT_BOOL : x.type;
    c->lo[0] = -9;
    c->hi[0] = 9;
    c->edges = 1;
    snprintf(c->text, sizeof c->text, "unary %d of %s", (int) fn, dtype_name(x.type));
}

static void make_where(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc y = check_shape(r, check_int(r, 0, 6));
    c->op.kind = OP_WHERE;
    c->inst.n_in = 3;
    y.type = (enum dtype) check_pick(r, all, N_ALL);
    c->inst.out[0] = y;
    int whole = check_int(r, 0, 2);
    for (int i = 0; i < 3; i++)
        c->inst.in[i] = i == whole ? y : check_broadcast_from(r, &y);
    c->inst.in[0].type = DT_BOOL;
    snprintf(c->text, sizeof c->text, "where of %s", dtype_name(y.type));
}

static void make_cast(struct check_rng *r, struct check_case *c)
{
    c->op.kind = OP_CAST;
    c->inst.n_in = 1;
    c->inst.in[0] = c->inst.out[0] = check_shape(r, check_int(r, 0, 3));
    c->inst.in[0].type = (enum dtype) check_pick(r, all, N_ALL);
    c->inst.out[0].type = (enum dtype) check_pick(r, all, N_ALL);
    c->lo[0] = -300;
    c->hi[0] = 300;
    c->edges = 1;
    snprintf(c->text, sizeof c->text, "cast %s to %s", dtype_name(c->inst.in[0].type), dtype_name(c->inst.out[0].type));
}

static void make(struct check_rng *r, int n, struct check_case *c)
{
    static void (*const makers[])(struct check_rng *, struct check_case *) = {
        make_binary, make_cast, make_unary, make_binary, make_compare, make_cast, make_where,
    };
    c->inst.n_out = 1;
    makers[n % (int) (sizeof makers / sizeof *makers)](r, c);
}

static bool bench(int n, struct check_case *c)
{
    static const struct { enum op_kind kind; enum dtype from, to; const char *what; } real[] = {
        {OP_CAST, DT_U8, DT_F32, "cast uint8 to float32, 640x640x3"},
        {OP_CAST, DT_F32, DT_I64, "cast float32 to int64, 640x640x3"},
        {OP_BINARY, DT_I64, DT_I64, "int64 modulus, 640x640x3"},
        {OP_BINARY, DT_F32, DT_BOOL, "float32 compared, 640x640x3"},
    };
    if (n >= (int) (sizeof real / sizeof *real))
        return false;
    c->op.kind = real[n].kind;
    c->op.u.binary = real[n].from == DT_F32 ? BIN_GREATER : BIN_MOD;
    c->nonzero = 2;
    c->inst.n_in = c->op.kind == OP_BINARY ? 2 : 1;
    c->inst.n_out = 1;
    c->inst.in[0] = c->inst.in[1] = c->inst.out[0] = check_tensor(real[n].from, 4, 1, 3, 640, 640);
    c->inst.out[0].type = real[n].to;
    snprintf(c->text, sizeof c->text, "%s", real[n].what);
    return true;
}

static const struct check_tolerance tolerances[] = {
    {"binary_any", 0}, {"unary_any", 0}, {"where", 0}, {"cast", 0}, {NULL},
};

const struct check_family check_numbers = {
    .name = "numbers", .cases = 420, .make = make, .bench = bench, .tolerances = tolerances,
};
