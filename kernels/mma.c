/* See mma.h. */
#include "kernels/mma.h"

#include <stdlib.h>
#include <string.h>

#include <CL/cl_ext.h>

#include "kernels/base/log.h"
#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device_cl.h"
#include "kernels/simt.h"

enum { COMPUTE_CAPABILITY = 8 };       /* from which PTX has mma.m16n8k16 of halves */

const struct program_class mma_program = {
    .name = "mma",
    .source = {cl_common, cl_act, cl_conv, cl_mma, cl_tiles, cl_conv_taps, cl_conv_mma, cl_product, cl_gemm_mma},
};

const char *mma_options(const struct device *dev, bool low)
{
    static const char *const options[2][2] = {
        {"-DHALF_WEIGHTS", "-DHALF_WEIGHTS " SIMT_LOW},
        {"-DHALF_WEIGHTS -DMMA_PTX", "-DHALF_WEIGHTS -DMMA_PTX " SIMT_LOW},
    };
    return options[dev->info.mma == MMA_PTX][low];
}

/* ---- the trial ---- */

enum { TRIAL_COLUMNS = 70, TRIAL_K = 75, TRIAL_MAX_ROWS = 80, LOW_TRIAL_ROWS = 20 };

/* Eighths: halves hold them, and floats their products and sums, exactly. */
static void fill(float *to, int n, unsigned seed)
{
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = (float) ((int) (seed >> 28) - 8) / 8;
    }
}

struct trial {
    struct op op;
    struct op_inst inst;
    float a[TRIAL_MAX_ROWS * TRIAL_K], b[TRIAL_K * TRIAL_COLUMNS];
    float want[TRIAL_MAX_ROWS * TRIAL_COLUMNS], got[TRIAL_MAX_ROWS * TRIAL_COLUMNS];
};

static void set_up(struct trial *t, int rows)
{
    *t = (struct trial) {
        .op = {.kind = OP_MATMUL},
        .inst = {
            .n_in = 2, .n_out = 1, .half = true,
            .in = {{.type = DT_F32, .rank = 2, .dim = {rows, TRIAL_K}},
                   {.type = DT_F32, .rank = 2, .dim = {TRIAL_K, TRIAL_COLUMNS}}},
            .out = {{.type = DT_F32, .rank = 2, .dim = {rows, TRIAL_COLUMNS}}},
        },
    };
    t->inst.op = &t->op;
    t->inst.constant[1] = t->b;
    fill(t->a, TRIAL_MAX_ROWS * TRIAL_K, 1);
    fill(t->b, TRIAL_K * TRIAL_COLUMNS, 2);
}

static enum cq_err run_on_device(struct device *dev, struct trial *t)
{
    size_t bytes[3] = {tensor_bytes(&t->inst.in[0]), tensor_bytes(&t->inst.in[1]), tensor_bytes(&t->inst.out[0])};
    struct device_mem *mem[3] = {NULL};
    enum cq_err err = CQ_OK;
    for (int i = 0; i < 3 && !err; i++)
        err = device_alloc(dev, bytes[i], &mem[i]);
    if (!err)
        err = device_write(dev, mem[0], 0, t->a, bytes[0]);
    if (!err)
        err = device_write(dev, mem[1], 0, t->b, bytes[1]);
    const struct kernel_bufs bufs = {.in = {{mem[0], 0}, {mem[1], 0}}, .out = {{mem[2], 0}}};
    if (!err)
        err = kernel_matmul_mma.enqueue(dev, &t->inst, &bufs);
    if (!err)
        err = device_read(dev, mem[2], 0, t->got, bytes[2]);
    for (int i = 0; i < 3; i++)
        device_free(&mem[i]);
    return err;
}

/* Does a product of so many rows come out as the reference has it, to the bit? */
static bool right(struct device *dev, int rows)
{
    struct trial *t = malloc(sizeof *t);
    if (!t)
        return false;
    set_up(t, rows);
    const void *in[OP_MAX_INPUTS] = {t->a, t->b};
    void *out[OP_MAX_OUTPUTS] = {t->want};
    bool same = !op_reference(&t->inst, in, out) && !run_on_device(dev, t) &&
                !memcmp(t->got, t->want, tensor_bytes(&t->inst.out[0]));
    free(t);
    return same;
}

/* In a context of its own, whose errors are nobody's. */
static bool works(const struct device *dev, enum mma kind)
{
    struct device_info info = dev->info;
    struct device *other;
    if (device_open(NULL, &info, &other))
        return false;
    other->info.mma = kind;
    bool both = right(other, TRIAL_MAX_ROWS) && right(other, LOW_TRIAL_ROWS);
    device_close(&other);
    return both;
}

static bool may_have_ptx(const struct device *dev)
{
    cl_uint major = 0;
    return clGetDeviceInfo(dev->id, CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV, sizeof major, &major, NULL) == CL_SUCCESS &&
           major >= COMPUTE_CAPABILITY;
}

static enum mma wanted(const struct device *dev)
{
    const char *name = getenv("CLIPQ_MMA");
    if (!dev->info.simt)
        return MMA_NONE;
    if (!name || !*name)
        return may_have_ptx(dev) ? MMA_PTX : MMA_NONE;
    return !strcmp(name, "ptx") ? MMA_PTX : !strcmp(name, "emulate") ? MMA_EMULATED : MMA_NONE;
}

void mma_find(struct device *dev)
{
    if (dev->info.mma != MMA_UNKNOWN)
        return;
    dev->info.mma = wanted(dev);
    if (dev->info.mma == MMA_NONE || works(dev, dev->info.mma))
        return;
    cq_log_debug(dev->log, "device %s: matrix instructions do not compile or give wrong answers: not used", dev->info.spec);
    dev->info.mma = MMA_NONE;
}
