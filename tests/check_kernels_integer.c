/* Cases for what works on small integers: to and from floats, convolutions and products with sums in int32. All
 * must agree with the reference to the last bit. */
#include <stdio.h>

#include "tests/check_kernels.h"

static enum dtype byte_type(struct check_rng *r)
{
    return check_chance(r, 50) ? DT_U8 : DT_I8;
}

/* ---- to and from integers ---- */

static void make_quant(struct check_rng *r, struct check_case *c)
{
    static const int types[] = {DT_U8, DT_I8, DT_U16, DT_I16, DT_I32};
    bool quantize = check_chance(r, 50), one = check_chance(r, 40);
    enum dtype integer = (enum dtype) check_pick(r, types, quantize ? 4 : 5);
    struct tensor_desc x = {.type = quantize ? DT_F32 : integer, .rank = check_int(r, 1, 4)};
    for (int i = 0; i < x.rank; i++)
        x.dim[i] = check_chance(r, 2) ? 0 : check_int(r, 1, 17);
    int axis = check_int(r, 0, x.rank - 1);
    c->op.kind = quantize ? OP_QUANTIZE : OP_DEQUANTIZE;
    c->op.u.quant.axis = one ? 0 : axis;
    c->inst.n_in = check_chance(r, 70) ? 3 : 2;
    c->inst.in[0] = x;
    c->inst.in[1] = one ? check_tensor(DT_F32, 0) : check_tensor(DT_F32, 1, (int) x.dim[axis]);
    c->inst.in[2] = c->inst.in[1];
    c->inst.in[2].type = integer;
    c->inst.out[0] = x;
    c->inst.out[0].type = quantize ? integer : DT_F32;
    c->lo[0] = -200, c->hi[0] = 200;
    if (!quantize && (integer == DT_U8 || integer == DT_U16))
        c->lo[0] = 0, c->hi[0] = 255;
    if (integer == DT_I8)
        c->lo[0] = quantize ? -200 : -128, c->hi[0] = quantize ? 200 : 127;
    c->lo[1] = 0.01f, c->hi[1] = check_chance(r, 50) ? 1 : 300;
    snprintf(c->text, sizeof c->text, "%s %s rank %d axis %d%s", quantize ? "quantize" : "dequantize",
             dtype_name(integer), x.rank, axis, one ? " one scale" : "");
}

/* ---- sums ---- */

/* Zero points, bias, multiplier: each there or not, for all or for each of `columns`. */
static void add_sum_inputs(struct check_rng *r, struct check_case *c, int rows, int columns)
{
    static const int results[] = {DT_I32, DT_F32, DT_U8, DT_I8};
    struct tensor_desc *in = c->inst.in;
    enum dtype y = (enum dtype) check_pick(r, results, 4);
    c->inst.n_in = SUM_INPUTS;
    if (check_chance(r, 80))
        in[SUM_X_ZERO] = check_chance(r, 70) ? check_tensor(in[SUM_X].type, 0) : check_tensor(in[SUM_X].type, 1, rows);
    if (check_chance(r, 80))
        in[SUM_W_ZERO] = check_chance(r, 50) ? check_tensor(in[SUM_W].type, 0)
                                             : check_tensor(in[SUM_W].type, 1, columns);
    if (check_chance(r, 60))
        in[SUM_BIAS] = check_tensor(DT_I32, 1, columns);
    c->lo[SUM_BIAS] = -5000, c->hi[SUM_BIAS] = 5000;
    if (y != DT_I32)
        in[SUM_SCALE] = check_chance(r, 50) ? check_tensor(DT_F32, 1, 1) : check_tensor(DT_F32, 1, columns);
    c->lo[SUM_SCALE] = 0.0001f, c->hi[SUM_SCALE] = 0.01f;
    if ((y == DT_U8 || y == DT_I8) && check_chance(r, 80))
        in[SUM_Y_ZERO] = check_tensor(y, 0);
    c->inst.out[0].type = y;
    c->constants = check_chance(r, 70) ? ~(uint64_t) 1 : 0;
}

static void make_conv(struct check_rng *r, struct check_case *c)
{
    struct conv_attrs *a = &c->op.u.conv;
    int group = check_chance(r, 60) ? 1 : check_int(r, 2, 4);
    *a = (struct conv_attrs){.spatial = check_chance(r, 80) ? 2 : check_chance(r, 50) ? 1 : 3, .group = group};
    int depth = check_int(r, 1, 9), channels = group * check_int(r, 1, 5);
    struct tensor_desc *x = &c->inst.in[SUM_X], *w = &c->inst.in[SUM_W], *y = &c->inst.out[0];
    *x = (struct tensor_desc){byte_type(r), .rank = a->spatial + 2, .dim = {check_int(r, 1, 3), group * depth}};
    *w = (struct tensor_desc){byte_type(r), .rank = a->spatial + 2, .dim = {channels, depth}};
    *y = (struct tensor_desc){DT_I32, .rank = a->spatial + 2, .dim = {x->dim[0], channels}};
    for (int i = 0; i < a->spatial; i++) {
        a->kernel[i] = check_int(r, 1, 4);
        a->stride[i] = check_int(r, 1, 3);
        a->dilation[i] = check_int(r, 1, 2);
        a->pad_begin[i] = check_int(r, 0, 3);
        a->pad_end[i] = check_int(r, 0, 3);
        int extent = (a->kernel[i] - 1) * a->dilation[i] + 1, pads = a->pad_begin[i] + a->pad_end[i];
        x->dim[2 + i] = check_int(r, extent > pads ? extent - pads : 1, i == a->spatial - 1 ? 40 : 12);
        w->dim[2 + i] = a->kernel[i];
        y->dim[2 + i] = (x->dim[2 + i] + pads - extent) / a->stride[i] + 1;
    }
    c->op.kind = OP_CONV_INT;
    add_sum_inputs(r, c, 1, channels);
    char tx[TENSOR_TEXT_SIZE], tw[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "conv_int %.90s * %.90s, %d groups", tensor_text(x, tx), tensor_text(w, tw),
             group);
}

static void make_matmul(struct check_rng *r, struct check_case *c)
{
    int m = check_int(r, 1, 20), n = check_int(r, 1, 50), k = check_chance(r, 3) ? 0 : check_int(r, 1, 40);
    int b0 = check_int(r, 1, 3), b1 = check_int(r, 1, 3), form = check_int(r, 0, 3);
    enum dtype ta = byte_type(r), tb = byte_type(r);
    c->op.kind = OP_MATMUL_INT;
    c->inst.in[SUM_X] = form == 1 ? check_tensor(ta, 2, m, k) : check_tensor(ta, 4, b0, b1, m, k);
    c->inst.in[SUM_W] = form == 2 ? check_tensor(tb, 2, k, n) : check_tensor(tb, 4, b0, b1, k, n);
    if (form == 3)
        c->inst.in[SUM_W] = check_tensor(tb, 3, b1, k, n);       /* mixed batches: the host's */
    c->inst.out[0] = check_tensor(DT_I32, 4, b0, b1, m, n);
    add_sum_inputs(r, c, m, n);
    snprintf(c->text, sizeof c->text, "matmul_int form %d, %dx%dx%d, batches %dx%d", form, m, n, k, b0, b1);
}

static void make(struct check_rng *r, int n, struct check_case *c)
{
    static void (*const makers[])(struct check_rng *, struct check_case *) = {make_quant, make_conv, make_matmul};
    c->inst.n_out = 1;
    makers[n % 3](r, c);
}

/* ---- times ---- */

static bool bench(int n, struct check_case *c)
{
    static const struct { int c, m, size, kernel, group; } real[] = {
        {3, 32, 224, 3, 1}, {64, 64, 56, 3, 1}, {256, 256, 14, 1, 1}, {96, 96, 112, 3, 96},
    };
    if (n >= (int) (sizeof real / sizeof *real))
        return false;
    int k = real[n].kernel, s = real[n].size;
    c->op.kind = OP_CONV_INT;
    c->op.u.conv = (struct conv_attrs){.spatial = 2, .group = real[n].group, .kernel = {k, k}, .stride = {1, 1},
                                       .dilation = {1, 1}, .pad_begin = {k / 2, k / 2}, .pad_end = {k / 2, k / 2}};
    c->inst.n_in = SUM_INPUTS;
    c->inst.n_out = 1;
    c->inst.in[SUM_X] = check_tensor(DT_U8, 4, 1, real[n].c, s, s);
    c->inst.in[SUM_W] = check_tensor(DT_I8, 4, real[n].m, real[n].c / real[n].group, k, k);
    c->inst.in[SUM_SCALE] = check_tensor(DT_F32, 1, real[n].m);
    c->inst.out[0] = check_tensor(DT_U8, 4, 1, real[n].m, s, s);
    c->constants = ~(uint64_t) 1;
    snprintf(c->text, sizeof c->text, "conv_int %d -> %d channels of %dx%d, %dx%d, %d groups", real[n].c, real[n].m,
             s, s, k, k, real[n].group);
    return true;
}

/* A product of a float is rounded once, and the device may not fuse what stands alone. */
static const struct check_tolerance tolerances[] = {
    {"quantize", 0}, {"dequantize", 0}, {"conv_int", 0}, {"matmul_int", 0}, {NULL},
};

const struct check_family check_integer = {
    .name = "integer", .cases = 240, .make = make, .bench = bench, .tolerances = tolerances,
};
