/* MatMul and Gemm by register tiles over a packed B: a constant B is packed at load, another into scratch memory
 * before each product. One launch takes batches of matrices where both sides have the same ones, or one side has a
 * single matrix; other broadcasts are several launches.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/half.h"
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "gemm",
    .source = {cl_common, cl_act, cl_nest, cl_gemm},
};

/* As in kernels/cl/gemm.cl. */
struct gemm {
    int32_t m, n, k, batches;
    int32_t a_row, a_column, a_batch;
    int32_t b_batch;
    int32_t c_row, c_column;
    float alpha, beta;
    int32_t act;
    float act_a, act_b;
};

/* As in kernels/cl/gemm.cl. */
struct pack {
    int32_t n, k, batches, row, column, batch;
};

struct product {
    struct gemm gemm;
    struct pack pack;
    size_t packed_bytes;
    bool has_c;
};

static int panel_of(const struct device *dev)
{
    return 2 * device_get_info(dev)->float_width;
}

static int tile_rows(const struct device *dev)
{
    int width = device_get_info(dev)->float_width;
    return width == 16 ? 12 : width == 8 ? 6 : 4;
}

/* [..., rows, columns] in the place of a possibly shorter shape. */
static void matrix_dims(const struct tensor_desc *d, bool is_b, int64_t *rows, int64_t *columns, int64_t *batches)
{
    *batches = 1;
    for (int i = 0; i < d->rank - 2; i++)
        *batches *= d->dim[i];
    if (d->rank >= 2) {
        *rows = d->dim[d->rank - 2];
        *columns = d->dim[d->rank - 1];
    } else {
        *rows = is_b ? d->dim[0] : 1;
        *columns = is_b ? 1 : d->dim[0];
    }
}

/* Same batch dimensions, leading ones aside. */
static bool same_batches(const struct tensor_desc *a, const struct tensor_desc *b)
{
    const struct tensor_desc *longer = a->rank >= b->rank ? a : b, *shorter = longer == a ? b : a;
    int extra = longer->rank - shorter->rank;
    for (int i = 0; i < longer->rank - 2; i++)
        if (longer->dim[i] != (i < extra ? 1 : shorter->dim[i - extra]))
            return false;
    return true;
}

static bool matmul_product(const struct op_inst *inst, struct product *p)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1];
    int64_t m, n, k, rows_b, batches_a, batches_b;
    if (a->rank < 1 || b->rank < 1)
        return false;
    matrix_dims(a, false, &m, &k, &batches_a);
    matrix_dims(b, true, &rows_b, &n, &batches_b);
    if (batches_a != 1 && batches_b != 1 && !same_batches(a, b))
        return false;
    /* One B for all: the batches of A are more rows. */
    bool stacked = batches_b == 1;
    int64_t batches = stacked ? 1 : batches_b;
    p->gemm = (struct gemm){
        .m = (int32_t) (stacked ? m * batches_a : m), .n = (int32_t) n, .k = (int32_t) k, .batches = (int32_t) batches,
        .a_row = (int32_t) k, .a_column = 1, .a_batch = batches_a == 1 ? 0 : (int32_t) (m * k), .alpha = 1,
    };
    p->pack = (struct pack){
        .n = (int32_t) n, .k = (int32_t) k, .batches = (int32_t) batches, .row = (int32_t) n, .column = 1,
        .batch = (int32_t) (n * k),
    };
    return true;
}

static bool gemm_product(const struct op_inst *inst, struct product *p)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *c = &inst->in[2], *y = &inst->out[0];
    bool ta = inst->op->u.gemm.trans_a, tb = inst->op->u.gemm.trans_b;
    if (a->rank != 2 || b->rank != 2)
        return false;
    p->gemm = (struct gemm){
        .m = (int32_t) y->dim[0], .n = (int32_t) y->dim[1], .k = (int32_t) a->dim[ta ? 0 : 1], .batches = 1,
        .a_row = ta ? 1 : (int32_t) a->dim[1], .a_column = ta ? (int32_t) a->dim[1] : 1,
        .alpha = inst->op->u.gemm.alpha, .beta = inst->op->u.gemm.beta,
    };
    p->pack = (struct pack){
        .n = p->gemm.n, .k = p->gemm.k, .batches = 1, .row = tb ? 1 : (int32_t) b->dim[1],
        .column = tb ? (int32_t) b->dim[1] : 1,
    };
    p->has_c = inst->n_in > 2 && c->type != DT_NONE;
    if (p->has_c) {
        int64_t strides[TENSOR_MAX_RANK];
        nest_broadcast_strides(c, y, strides);
        p->gemm.c_row = (int32_t) strides[0];
        p->gemm.c_column = (int32_t) strides[1];
    }
    return true;
}

static bool product_of(const struct device *dev, const struct op_inst *inst, struct product *p)
{
    memset(p, 0, sizeof *p);
    if (!(inst->op->kind == OP_GEMM ? gemm_product(inst, p) : matmul_product(inst, p)))
        return false;
    int64_t panel = panel_of(dev), panels = (p->gemm.n + panel - 1) / panel;
    int64_t matrix = panels * panel * p->gemm.k;
    if (matrix * p->gemm.batches >= INT32_MAX)
        return false;
    p->gemm.b_batch = (int32_t) matrix;
    p->gemm.act = (int32_t) inst->op->act;
    p->gemm.act_a = inst->op->act_a;
    p->gemm.act_b = inst->op->act_b;
    p->packed_bytes = (size_t) (matrix * p->gemm.batches) * sizeof(float);
    return true;
}

static bool tile_serves(const struct device *dev, const struct op_inst *inst)
{
    struct product p;
    return serves_type(inst, DT_F32) && serves_plain(inst) && serves_int_index(inst) && product_of(dev, inst, &p);
}

static bool constant_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->constant[1] && tile_serves(dev, inst);
}

static size_t packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct product p;
    return product_of(dev, inst, &p) ? p.packed_bytes : 0;
}

/* What gemm_pack does, on the host. */
static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *dst)
{
    struct product p;
    if (!product_of(dev, inst, &p))
        return CQ_INTERNAL;
    const struct pack *s = &p.pack;
    int panel = panel_of(dev), panels = (s->n + panel - 1) / panel;
    float *to = dst;
    for (int batch = 0; batch < s->batches; batch++) {
        const float *from = (const float *) inst->constant[1] + (int64_t) batch * s->batch;
        for (int first = 0; first < panels * panel; first += panel)
            for (int k = 0; k < s->k; k++)
                for (int column = first; column < first + panel; column++)
                    *to++ = column < s->n ? from[(int64_t) k * s->row + (int64_t) column * s->column] : 0;
    }
    return CQ_OK;
}

static enum cq_err multiply(struct device *dev, const struct kernel_bufs *bufs, const struct product *p,
                            struct mem_ref packed, bool half)
{
    int rows = p->gemm.m == 1 ? 1 : tile_rows(dev), panel = panel_of(dev);
    struct mem_ref c = p->has_c ? bufs->in[2] : (struct mem_ref){0};
    struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(packed), ARG_REF(c), ARG_REF(bufs->out[0]), ARG_STRUCT(p->gemm),
    };
    struct launch launch = {
        .program = &program, .kernel = rows == 1 ? "gemm_row" : "gemm_tile", .dims = 3,
        .options = half ? "-DHALF_WEIGHTS" : NULL,
        .global = {(size_t) ((p->gemm.m + rows - 1) / rows), (size_t) ((p->gemm.n + panel - 1) / panel),
                   (size_t) p->gemm.batches},
        .local = {1, (size_t) nest_local_size(dev), 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

static enum cq_err constant_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct product p;
    return product_of(dev, inst, &p) ? multiply(dev, bufs, &p, bufs->packed, false) : CQ_INTERNAL;
}

/* ---- the same with a constant B kept as float16 ---- */

static bool half_serves(const struct device *dev, const struct op_inst *inst)
{
    return inst->half && constant_serves(dev, inst);
}

static size_t half_bytes(const struct device *dev, const struct op_inst *inst)
{
    return packed_bytes(dev, inst) / sizeof(float) * sizeof(uint16_t);
}

static enum cq_err pack_half(const struct device *dev, const struct op_inst *inst, void *dst)
{
    size_t bytes = packed_bytes(dev, inst);
    float *wide = malloc(bytes);
    if (!wide)
        return CQ_NOMEM;
    enum cq_err err = pack(dev, inst, wide);
    cq_halves_from_floats(wide, err ? 0 : bytes / sizeof *wide, dst);
    free(wide);
    return err;
}

static enum cq_err half_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct product p;
    return product_of(dev, inst, &p) ? multiply(dev, bufs, &p, bufs->packed, true) : CQ_INTERNAL;
}

/* ---- a B that is computed ---- */

static enum cq_err run_pack(struct device *dev, const struct kernel_bufs *bufs, const struct product *p)
{
    int panel = panel_of(dev);
    struct kernel_arg args[] = {ARG_REF(bufs->in[1]), ARG_REF(bufs->scratch), ARG_STRUCT(p->pack)};
    struct launch launch = {
        .program = &program, .kernel = "gemm_pack", .dims = 2,
        .global = {(size_t) ((p->pack.n + panel - 1) / panel), (size_t) p->pack.batches},
        .local = {(size_t) nest_local_size(dev), 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    return p->packed_bytes ? program_run(dev, &launch) : CQ_OK;
}

static enum cq_err scratch_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct product p;
    if (!product_of(dev, inst, &p))
        return CQ_INTERNAL;
    enum cq_err err = run_pack(dev, bufs, &p);
    return err ? err : multiply(dev, bufs, &p, bufs->scratch, false);
}

/* ---- batches that broadcast on both sides ------------------------------------------------------------- */

enum { MAX_LAUNCHES = 4096 };

/* The batch dimensions of y; how far a step in each goes in a and in b, in matrices. The last one is a launch. */
struct mixed {
    struct product product;
    struct tensor_desc batch;
    int64_t a[TENSOR_MAX_RANK], b[TENSOR_MAX_RANK];
    int64_t launches;
};

static struct tensor_desc without_matrix(const struct tensor_desc *d)
{
    struct tensor_desc batch = *d;
    batch.rank = d->rank - 2;
    return batch;
}

static bool mixed_of(const struct device *dev, const struct op_inst *inst, struct mixed *x)
{
    const struct tensor_desc *a = &inst->in[0], *b = &inst->in[1], *y = &inst->out[0];
    int64_t m, n, k, rows_b, batches_a, batches_b, panel = panel_of(dev);
    memset(x, 0, sizeof *x);
    if (a->rank < 3 || b->rank < 3 || y->rank < 3)
        return false;
    matrix_dims(a, false, &m, &k, &batches_a);
    matrix_dims(b, true, &rows_b, &n, &batches_b);
    int64_t matrix = (n + panel - 1) / panel * panel * k;
    if (matrix && batches_b >= INT32_MAX / matrix)
        return false;
    struct tensor_desc of_a = without_matrix(a), of_b = without_matrix(b);
    x->batch = without_matrix(y);
    nest_broadcast_strides(&of_a, &x->batch, x->a);
    nest_broadcast_strides(&of_b, &x->batch, x->b);
    int last = x->batch.rank - 1;
    x->launches = 1;
    for (int i = 0; i < last; i++)
        x->launches *= x->batch.dim[i];
    x->product.gemm = (struct gemm){
        .m = (int32_t) m, .n = (int32_t) n, .k = (int32_t) k, .batches = (int32_t) x->batch.dim[last],
        .a_row = (int32_t) k, .a_column = 1, .a_batch = (int32_t) (x->a[last] * m * k),
        .b_batch = (int32_t) (x->b[last] * matrix), .alpha = 1, .act = (int32_t) inst->op->act,
        .act_a = inst->op->act_a, .act_b = inst->op->act_b,
    };
    x->product.pack = (struct pack){
        .n = (int32_t) n, .k = (int32_t) k, .batches = (int32_t) batches_b, .row = (int32_t) n, .column = 1,
        .batch = (int32_t) (n * k),
    };
    x->product.packed_bytes = (size_t) (matrix * batches_b) * sizeof(float);
    return x->launches <= MAX_LAUNCHES;
}

static bool mixed_serves(const struct device *dev, const struct op_inst *inst)
{
    struct mixed x;
    return serves_type(inst, DT_F32) && serves_plain(inst) && serves_int_index(inst) && mixed_of(dev, inst, &x);
}

static size_t mixed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct mixed x;
    return mixed_of(dev, inst, &x) ? x.product.packed_bytes : 0;
}

/* Where the matrices of launch `n` start, in matrices. */
static int64_t start_of(const struct tensor_desc *batch, const int64_t *strides, int64_t n)
{
    int64_t at = 0;
    for (int i = batch->rank - 2; i >= 0; i--) {
        at += n % batch->dim[i] * strides[i];
        n /= batch->dim[i];
    }
    return at;
}

static struct mem_ref advanced(struct mem_ref ref, int64_t floats)
{
    ref.offset += (size_t) floats * sizeof(float);
    return ref;
}

static enum cq_err mixed_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct mixed x;
    if (!mixed_of(dev, inst, &x))
        return CQ_INTERNAL;
    const struct gemm *g = &x.product.gemm;
    int64_t panel = panel_of(dev), matrix = (g->n + panel - 1) / panel * panel * g->k;
    enum cq_err err = run_pack(dev, bufs, &x.product);
    for (int64_t i = 0; i < x.launches && !err; i++) {
        struct kernel_bufs part = {0};
        part.in[0] = advanced(bufs->in[0], start_of(&x.batch, x.a, i) * g->m * g->k);
        part.out[0] = advanced(bufs->out[0], i * g->batches * g->m * g->n);
        err = multiply(dev, &part, &x.product, advanced(bufs->scratch, start_of(&x.batch, x.b, i) * matrix), false);
    }
    return err;
}

const struct kernel_class kernel_matmul_batches = {
    .name = "matmul_batches", .kind = OP_MATMUL, .serves = mixed_serves, .scratch_bytes = mixed_bytes,
    .enqueue = mixed_enqueue,
};

#define CONSTANT_CLASS(suffix, kind_)                                                                   \
    const struct kernel_class kernel_##suffix##_packed = {                                              \
        .name = #suffix "_packed", .kind = kind_, .serves = constant_serves, .packed_bytes = packed_bytes, \
        .packs = 1u << 1, .pack = pack, .enqueue = constant_enqueue,                                    \
    }

#define HALF_CLASS(suffix, kind_)                                                                       \
    const struct kernel_class kernel_##suffix##_half = {                                                \
        .name = #suffix "_half", .kind = kind_, .serves = half_serves, .packed_bytes = half_bytes,      \
        .packs = 1u << 1, .pack = pack_half, .enqueue = half_enqueue,                                   \
    }

#define SCRATCH_CLASS(suffix, kind_)                                                                    \
    const struct kernel_class kernel_##suffix##_tile = {                                                \
        .name = #suffix "_tile", .kind = kind_, .serves = tile_serves, .scratch_bytes = packed_bytes,   \
        .enqueue = scratch_enqueue,                                                                     \
    }

HALF_CLASS(gemm, OP_GEMM);
HALF_CLASS(matmul, OP_MATMUL);
CONSTANT_CLASS(gemm, OP_GEMM);
CONSTANT_CLASS(matmul, OP_MATMUL);
SCRATCH_CLASS(gemm, OP_GEMM);
SCRATCH_CLASS(matmul, OP_MATMUL);
