/* Cases for functions of single floats: unary, binary with every kind of broadcast, PRelu, sums of
 * several. */
#include <stdio.h>

#include "tests/check_kernels.h"

static void set_act(struct check_rng *r, struct op *op)
{
    op->act = check_chance(r, 50) ? ACT_NONE : (enum act) check_int(r, ACT_NONE, ACT_TANH);
    op->act_a = op->act == ACT_CLIP ? -0.25f : 0.2f;
    op->act_b = op->act == ACT_HARD_SIGMOID ? 0.5f : 0.75f;
}

static void make_binary(struct check_rng *r, int n, struct check_case *c)
{
    static const char *const names[] = {"add", "sub", "mul", "div", "pow", "min", "max", "mod", "fmod"};
    enum binary fn = (enum binary) (n < 16 ? n / 2 : check_chance(r, 80) ? check_int(r, 0, 3) : check_int(r, 4, 8));
    c->op.kind = OP_BINARY;
    c->op.u.binary = fn;
    check_operands(r, c);
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
    /* Where a float overflows and the reference's double does not, activations that scale show it. */
    enum act act = c->op.act;
    bool finite = act == ACT_SILU || act == ACT_HARD_SWISH || act == ACT_LEAKY || act == ACT_HARD_SIGMOID || fn == BIN_POW || fn >= BIN_MOD;
    c->edges = !finite && check_chance(r, 30) ? 3 : 0;
    snprintf(c->text, sizeof c->text, "%s act=%d", names[fn], (int) c->op.act);
}

/* Only the slope of PRelu is broadcast. */
static void make_prelu(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = check_shape(r, check_int(r, 1, 4));
    c->op.kind = OP_PRELU;
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = c->inst.out[0] = x;
    c->inst.in[1] = x.rank > 2 && check_chance(r, 60) ? check_per_channel(r, &x) : check_broadcast_from(r, &x);
    snprintf(c->text, sizeof c->text, "prelu");
}

static void make_gated_sum(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = check_shape(r, check_chance(r, 70) ? 4 : check_int(r, 2, 5));
    int terms = check_int(r, 1, OP_GATED_SUM_MOST);
    c->op.kind = OP_GATED_SUM;
    set_act(r, &c->op);
    c->inst.n_in = 2 * terms - (check_chance(r, 20) ? 1 : 0);
    c->inst.n_out = 1;
    c->inst.out[0] = x;
    for (int i = 0; i < c->inst.n_in; i++) {
        c->inst.in[i] = x;
        if (i % 2 == 0)
            continue;
        c->inst.in[i].dim[0] = check_chance(r, 50) ? 1 : x.dim[0];
        for (int d = 2; d < x.rank; d++)
            c->inst.in[i].dim[d] = 1;
        if (check_chance(r, 40))
            c->inst.in[i] = (struct tensor_desc){.type = DT_NONE};
        else if (check_chance(r, 30))
            c->constants |= 1u << i;      /* which stays PLAIN */
    }
    snprintf(c->text, sizeof c->text, "sum of %d act=%d", terms, (int) c->op.act);
}

static void make_two(struct check_rng *r, int n, struct check_case *c)
{
    if (n % 8 == 3)
        make_gated_sum(r, c);
    else if (n % 8 == 7)
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
    {"binary_rows", 3e-6f}, {"binary_blocks", 3e-6f}, {"prelu_rows", 1e-7f}, {"prelu_blocks", 1e-7f},
    {"gated_sum", 1e-6f}, {"host", 0}, {NULL},
};

const struct check_family check_binary = {
    .name = "binary", .cases = 160, .make = make_two, .bench = bench_binary, .tolerances = binary_tolerances,
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
    c->inst.in[0] = c->inst.out[0] = check_shape(r, check_int(r, 0, 5));
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
