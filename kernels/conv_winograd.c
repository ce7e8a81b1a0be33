/* 3x3 convolution with stride 1 by minimal filtering, F(4x4, 3x3): 36 products where the definition takes 144
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; the same matrices).
 *
 * Tiles are taken in chunks, so that what lies between the three kernels (gather and transform, one product of
 * matrices for each of the 36 numbers of a tile, transform back and write) stays in a cache. Rounding grows, for the
 * transform back multiplies by up to 8: errors are some times those of conv_tile, still far below 1e-4 of the output.
 */
#include <string.h>

#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/device.h"

enum { TILE_OUT = 4, PLANES = 36, CHUNK_BYTES = 1 << 20, CHUNK_LEAST = 24 };

/* As in kernels/cl/conv_winograd.cl. */
struct winograd {
    struct conv_geom g;
    int32_t first, count, across, down;
};

static int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit;
}

/* Multiply-adds by the definition against what this way takes, transforms included (their loads and stores weigh
 * about 110 per channel and output pixel, measured). */
static bool winograd_pays(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    conv_geom_of(inst, &g);
    double tiles = (double) (up(g.oh, TILE_OUT) * up(g.ow, TILE_OUT));
    double direct = 9.0 * g.c * g.m * g.oh * g.ow;
    double here = tiles * (PLANES * (double) g.c * g.m + 110.0 * TILE_OUT * TILE_OUT * (g.c + g.m));
    return here < 0.9 * direct;
}

static bool winograd_serves(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    (void) dev;
    return conv_geom_of(inst, &g) && inst->op->u.conv.group == 1 &&
           conv_layouts(inst, LAYOUT_BLOCKED, LAYOUT_BLOCKED) && g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 &&
           g.dh == 1 && g.dw == 1;
}

/* ---- weights ---- */

static int64_t pairs_of(const struct conv_geom *g, int width)
{
    return up(g->m, 2 * width);
}

/* zeros [2V], bias [pairs][2V], then [36][pairs][C][2V] */
static size_t winograd_packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int64_t pair = 2 * conv_width(dev), pairs = pairs_of(&g, conv_width(dev));
    return (size_t) (pair + pairs * pair + PLANES * pairs * g.c * pair) * sizeof(float);
}

/* G w G^T of one 3x3 filter, in double: rounded once. */
static void transform(const float *w, double *out)
{
    static const double G[6][3] = {
        {1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
        {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1},
    };
    double rows[6][3];
    for (int i = 0; i < 6; i++)
        for (int x = 0; x < 3; x++)
            rows[i][x] = G[i][0] * (double) w[x] + G[i][1] * (double) w[3 + x] + G[i][2] * (double) w[6 + x];
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++)
            out[6 * i + k] = rows[i][0] * G[k][0] + rows[i][1] * G[k][1] + rows[i][2] * G[k][2];
}

static enum cq_err winograd_pack(const struct device *dev, const struct op_inst *inst, void *packed)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int64_t pair = 2 * conv_width(dev), pairs = pairs_of(&g, conv_width(dev)), plane = pairs * g.c * pair;
    float *dst = packed;
    memset(dst, 0, winograd_packed_bytes(dev, inst));
    dst += pair;
    if (bias)
        memcpy(dst, bias, (size_t) g.m * sizeof *dst);
    dst += pairs * pair;
    for (int64_t m = 0; m < g.m; m++)
        for (int64_t c = 0; c < g.c; c++) {
            double u[PLANES];
            transform(w + 9 * (m * g.c + c), u);
            for (int p = 0; p < PLANES; p++)
                dst[p * plane + (m / pair * g.c + c) * pair + m % pair] = (float) u[p];
        }
    return CQ_OK;
}

/* ---- running ---- */

/* Bytes between the kernels for one tile: what was gathered, and the products. */
static size_t tile_bytes(const struct conv_geom *g, int width)
{
    return (size_t) (PLANES * (up(g->c, width) + up(g->m, width)) * width) * sizeof(float);
}

static int64_t tiles_of(const struct conv_geom *g)
{
    return up(g->oh, TILE_OUT) * up(g->ow, TILE_OUT) * g->n;
}

static int64_t chunk_of(const struct conv_geom *g, int width)
{
    int64_t fitting = CHUNK_BYTES / (int64_t) tile_bytes(g, width), tiles = tiles_of(g);
    int64_t chunk = fitting < CHUNK_LEAST ? CHUNK_LEAST : fitting;
    return chunk < tiles ? chunk : tiles;
}

static size_t winograd_scratch_bytes(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    return (size_t) chunk_of(&g, conv_width(dev)) * tile_bytes(&g, conv_width(dev));
}

static enum cq_err launch(struct device *dev, const char *kernel, size_t x, size_t y, size_t z,
                          const struct kernel_arg *args, int n_args)
{
    return program_run(dev, &(struct launch) {
        .program = &conv_program, .kernel = kernel, .dims = 3, .global = {x, y, z}, .local = {1, 1, 1}, .args = args,
        .n_args = n_args,
    });
}

/* One plane as a 1x1 convolution of a single row. */
static enum cq_err multiply(struct device *dev, const struct winograd *t, struct mem_ref in, struct mem_ref out,
                            struct mem_ref weights)
{
    int width = conv_width(dev), px = conv_tile_px(width);
    int64_t runs = up(t->count, px), pairs = pairs_of(&t->g, width);
    struct conv_geom g = {
        .n = PLANES, .c = t->g.c, .h = 1, .w = t->count, .m = t->g.m, .oh = 1, .ow = t->count, .kh = 1, .kw = 1,
        .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = ACT_NONE,
        .per_item = conv_per_item(dev, runs, pairs * PLANES, 4.0 * width * px * t->g.c),
    };
    const struct kernel_arg args[] = {ARG_REF(in), ARG_REF(out), ARG_REF(weights), ARG_STRUCT(g)};
    return launch(dev, "winograd_multiply", (size_t) up(runs, g.per_item), (size_t) pairs, PLANES, args, 4);
}

static enum cq_err run_chunk(struct device *dev, struct winograd *t, const struct kernel_bufs *bufs)
{
    int width = conv_width(dev);
    int64_t blocks_in = up(t->g.c, width), blocks_out = up(t->g.m, width);
    struct mem_ref in = bufs->scratch, out = in;
    out.offset += (size_t) (PLANES * blocks_in * width * t->count) * sizeof(float);
    t->g.per_item = conv_per_item(dev, t->count, blocks_in, 400.0 * width);
    const struct kernel_arg gather[] = {ARG_REF(bufs->in[0]), ARG_REF(in), ARG_STRUCT(*t)};
    size_t items = (size_t) up(t->count, t->g.per_item);
    enum cq_err err = launch(dev, "winograd_gather", items, (size_t) blocks_in, 1, gather, 3);
    if (!err)
        err = multiply(dev, t, in, out, bufs->packed);
    t->g.per_item = conv_per_item(dev, t->count, blocks_out, 400.0 * width);
    items = (size_t) up(t->count, t->g.per_item);
    const struct kernel_arg scatter[] = {
        ARG_REF(out), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed), ARG_STRUCT(*t),
    };
    if (!err)
        err = launch(dev, "winograd_scatter", items, (size_t) blocks_out, 1, scatter, 5);
    return err;
}

static enum cq_err winograd_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct winograd t;
    conv_geom_of(inst, &t.g);
    t.across = (int32_t) up(t.g.ow, TILE_OUT);
    t.down = (int32_t) up(t.g.oh, TILE_OUT);
    int64_t tiles = tiles_of(&t.g), chunk = chunk_of(&t.g, conv_width(dev));
    enum cq_err err = CQ_OK;
    for (int64_t first = 0; first < tiles && !err; first += chunk) {
        t.first = (int32_t) first;
        t.count = (int32_t) (tiles - first < chunk ? tiles - first : chunk);
        err = run_chunk(dev, &t, bufs);
    }
    return err;
}

const struct kernel_class kernel_conv_winograd = {
    .name = "conv_winograd",
    .kind = OP_CONV,
    .serves = winograd_serves,
    .pays = winograd_pays,
    .packed_bytes = winograd_packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = winograd_pack,
    .scratch_bytes = winograd_scratch_bytes,
    .enqueue = winograd_enqueue,
};
