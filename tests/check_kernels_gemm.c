/* Cases for matrix products: batches, transposed operands, every broadcast of C, constant and computed B. */
#include <stdio.h>

#include "tests/check_kernels.h"

static int any_size(struct check_rng *r)
{
    static const int sizes[] = {1, 2, 5, 6, 7, 8, 12, 15, 16, 17, 33, 40, 70};
    return check_chance(r, 2) ? 0 : check_pick(r, sizes, 13);
}

static void set_act(struct check_rng *r, struct op *op)
{
    op->act = check_chance(r, 60) ? ACT_NONE : (enum act) check_int(r, ACT_RELU, ACT_TANH);
    op->act_a = op->act == ACT_CLIP ? -0.5f : 0.3f;
    op->act_b = 0.6f;
}

static void make_gemm(struct check_rng *r, struct check_case *c)
{
    int m = any_size(r), n = any_size(r), k = any_size(r);
    bool ta = check_chance(r, 40), tb = check_chance(r, 50);
    c->op.kind = OP_GEMM;
    c->inst.half = true;
    c->op.u.gemm.alpha = check_chance(r, 50) ? 1 : 0.5f;
    c->op.u.gemm.beta = check_chance(r, 50) ? 1 : -0.75f;
    c->op.u.gemm.trans_a = ta;
    c->op.u.gemm.trans_b = tb;
    c->inst.n_in = 2;
    c->inst.in[0] = ta ? check_tensor(DT_F32, 2, k, m) : check_tensor(DT_F32, 2, m, k);
    c->inst.in[1] = tb ? check_tensor(DT_F32, 2, n, k) : check_tensor(DT_F32, 2, k, n);
    c->inst.out[0] = check_tensor(DT_F32, 2, m, n);
    struct tensor_desc forms[] = {
        check_tensor(DT_F32, 0), check_tensor(DT_F32, 1, n), check_tensor(DT_F32, 2, 1, n),
        check_tensor(DT_F32, 2, m, 1), check_tensor(DT_F32, 2, m, n),
    };
    if (check_chance(r, 80)) {
        c->inst.n_in = 3;
        c->inst.in[2] = forms[check_int(r, 0, 4)];
    }
    snprintf(c->text, sizeof c->text, "gemm %dx%dx%d%s%s", m, n, k, ta ? " ta" : "", tb ? " tb" : "");
}

static void make_matmul(struct check_rng *r, struct check_case *c)
{
    int m = any_size(r), n = any_size(r), k = any_size(r), b0 = check_int(r, 1, 3), b1 = check_int(r, 1, 4);
    int form = check_int(r, 0, 6);
    struct op_inst *inst = &c->inst;
    c->op.kind = OP_MATMUL;
    c->inst.half = true;
    inst->n_in = 2;
    inst->in[0] = form < 5 ? check_tensor(DT_F32, 4, b0, b1, m, k) : check_tensor(DT_F32, 2, m, k);
    inst->in[1] = form < 2 ? check_tensor(DT_F32, 4, b0, b1, k, n) : check_tensor(DT_F32, 2, k, n);
    inst->out[0] = form < 5 ? check_tensor(DT_F32, 4, b0, b1, m, n) : check_tensor(DT_F32, 2, m, n);
    if (form == 3) {
        inst->in[1] = check_tensor(DT_F32, 3, b1, k, n);
    } else if (form == 4) {
        inst->in[0] = check_tensor(DT_F32, 2, m, k);
        inst->in[1] = check_tensor(DT_F32, 4, b0, b1, k, n);
    } else if (form == 5) {
        inst->in[0] = check_tensor(DT_F32, 1, k);
        inst->out[0] = check_tensor(DT_F32, 1, n);
    } else if (form == 6) {
        inst->in[1] = check_tensor(DT_F32, 1, k);
        inst->out[0] = check_tensor(DT_F32, 1, m);
    }
    snprintf(c->text, sizeof c->text, "matmul form %d, %dx%dx%d, batches %dx%d", form, m, n, k, b0, b1);
}

/* Any broadcast of up to three batch dimensions. */
static void make_batches(struct check_rng *r, struct check_case *c)
{
    int m = any_size(r) % 20, n = any_size(r) % 20, k = any_size(r) % 20, rank = check_int(r, 3, 5);
    struct op_inst *inst = &c->inst;
    c->op.kind = OP_MATMUL;
    c->inst.half = true;
    inst->n_in = 2;
    inst->out[0] = (struct tensor_desc){.type = DT_F32, .rank = rank};
    inst->in[0] = inst->in[1] = inst->out[0];
    for (int i = 0; i < rank - 2; i++) {
        int dim = check_int(r, check_chance(r, 3) ? 0 : 1, 4), form = check_int(r, 0, 2);
        inst->in[0].dim[i] = form == 1 ? 1 : dim;
        inst->in[1].dim[i] = form == 2 ? 1 : dim;
        inst->out[0].dim[i] = dim;
    }
    inst->in[0].dim[rank - 2] = inst->out[0].dim[rank - 2] = m;
    inst->in[0].dim[rank - 1] = inst->in[1].dim[rank - 2] = k;
    inst->in[1].dim[rank - 1] = inst->out[0].dim[rank - 1] = n;
    snprintf(c->text, sizeof c->text, "matmul %dx%dx%d of rank %d, batches broadcast", m, n, k, rank);
}

static void make(struct check_rng *r, int n, struct check_case *c)
{
    c->inst.n_out = 1;
    if (n % 2)
        make_gemm(r, c);
    else if (n % 6 == 4)
        make_batches(r, c);
    else
        make_matmul(r, c);
    c->constants = check_chance(r, 50) ? 2 : 0;
    set_act(r, &c->op);
}

static bool bench(int n, struct check_case *c)
{
    static const struct { int m, n, k; bool constant; } real[] = {
        {1, 1000, 1280, true}, {4, 1000, 1280, true}, {197, 768, 768, true}, {197, 768, 768, false},
    };
    if (n >= (int) (sizeof real / sizeof *real))
        return false;
    c->op.kind = OP_MATMUL;
    c->inst.half = true;
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = check_tensor(DT_F32, 2, real[n].m, real[n].k);
    c->inst.in[1] = check_tensor(DT_F32, 2, real[n].k, real[n].n);
    c->inst.out[0] = check_tensor(DT_F32, 2, real[n].m, real[n].n);
    c->constants = real[n].constant ? 2 : 0;
    snprintf(c->text, sizeof c->text, "matmul %dx%dx%d", real[n].m, real[n].n, real[n].k);
    return true;
}

static const struct check_tolerance tolerances[] = {
    {"gemm_packed", 3e-6f}, {"gemm_tile", 3e-6f}, {"matmul_packed", 3e-6f}, {"matmul_tile", 3e-6f},
    {"matmul_batches", 3e-6f}, {"gemm_simt", 3e-6f}, {"matmul_simt", 3e-6f},
    {"gemm_mma", 3e-3f}, {"matmul_mma", 3e-3f}, {"gemm_half", 3e-3f}, {"matmul_half", 3e-3f}, {NULL},   /* halves: terms may cancel */
};

const struct check_family check_gemm = {
    .name = "gemm", .cases = 180, .make = make, .bench = bench, .tolerances = tolerances,
};
