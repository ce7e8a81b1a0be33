/* 3x3 convolution with stride 1 by minimal filtering (Winograd; Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2016; the same matrices): F(4x4, 3x3) does with 36 products what takes 144 by the definition,
 * F(2x2, 3x3) with 16 what takes 36, which wastes less at the edges of small images.
 *
 * One launch: each work-item takes a strip of tiles through both transforms and the products between, so that what lies
 * between never leaves its cache. Strips are as long as local memory holds, for each reads all weights once. Rounding
 * grows, as the transform back of F(4x4) multiplies by up to 8: errors are some times those of conv_tile, still far
 * below 1e-4 of the output.
 */
#include <math.h>
#include <string.h>

#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/device.h"

enum { SIZE_MOST = 6, STRIP_LEAST = 12, STRIP_MOST = 24, FLOATS_LINE = 16 };
enum { ITEMS_PER_UNIT = 4 };      /* work-items, below which the units would not finish together */

/* Multiply-adds that take as long as other things, fitted to the times of 180 shapes: transforming one number of a tile
 * for one channel; bringing in one weight, and one of more than stay in the last cache; a multiply-add of conv_tile. */
static const double in_cost = 14, out_cost = 11, weight_cost = 0.5, far_cost = 8, direct_unit = 1.08;
enum { FAR_WEIGHTS = 4 << 20 };

/* As in kernels/cl/conv_winograd.cl. */
struct winograd {
    struct conv_geom g;
    int32_t across, down, strip, pairs, u_step, p_step;
};

static int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit;
}

/* ---- the shape of the work ---- */

static int64_t tiles_of(const struct winograd *t)
{
    return (int64_t) t->across * t->down * t->g.n;
}

/* `floats`, or a little more: an odd number of cache lines, so that planes do not all fall into a few sets. */
static int32_t spread(int64_t floats)
{
    return (int32_t) ((up(floats, FLOATS_LINE) | 1) * FLOATS_LINE);
}

static void steps_of(struct winograd *t, int width)
{
    int64_t px = conv_tile_px(width), tiles = up(t->strip, px) * px;
    t->u_step = spread(tiles * up(t->g.c, width) * width);
    t->p_step = spread(tiles * 2 * width);
}

static size_t local_bytes(const struct winograd *t, int size)
{
    return (size_t) (size * size) * (size_t) (t->u_step + t->p_step) * sizeof(float);
}

/* Strips that fit into `most` bytes, as even as can be; 0 where not even a short one fits. */
static int64_t strips_of(struct winograd *t, int size, int width, size_t most, int units)
{
    int64_t px = conv_tile_px(width), tiles = tiles_of(t), share = tiles / (ITEMS_PER_UNIT * units);
    int64_t strip = up(share < STRIP_LEAST ? STRIP_LEAST : share > STRIP_MOST ? STRIP_MOST : share, px) * px;
    t->strip = (int32_t) strip;
    for (steps_of(t, width); local_bytes(t, size) > most; steps_of(t, width))
        if ((t->strip -= (int32_t) px) <= 0)
            return 0;
    int64_t strips = up(tiles, t->strip);
    t->strip = (int32_t) up(tiles, strips ? strips : 1);
    steps_of(t, width);
    return strips;
}

/* False for what is no such convolution, or does not fit. */
static bool shape_of(const struct device *dev, const struct op_inst *inst, int size, struct winograd *t)
{
    const struct device_info *info = device_get_info(dev);
    const struct conv_geom *g = &t->g;
    int width = conv_width(dev), units = info->compute_units;
    if (info->simt || !conv_geom_of(inst, &t->g) || inst->op->u.conv.group != 1 || g->n == 0 ||
        g->kh != 3 || g->kw != 3 || g->sh != 1 || g->sw != 1 || g->dh != 1 || g->dw != 1)
        return false;
    t->across = (int32_t) up(g->ow, size - 2);
    t->down = (int32_t) up(g->oh, size - 2);
    if (tiles_of(t) > INT32_MAX)
        return false;
    /* A quarter of the cache is for what streams by, if that can be. */
    int64_t strips = strips_of(t, size, width, info->local_bytes / 4 * 3, units), pairs = up(g->m, 2 * width);
    if (!strips)
        strips = strips_of(t, size, width, info->local_bytes, units);
    if (!strips)
        return false;
    /* Few strips: cut the channels, too, though each cut transforms the input again. */
    int64_t cuts = units > 1 ? up(ITEMS_PER_UNIT * units, strips) : 1;
    t->pairs = (int32_t) up(pairs, cuts < pairs ? cuts : pairs);
    return true;
}

static bool serves(const struct device *dev, const struct op_inst *inst, int size)
{
    struct winograd t;
    return conv_layouts(inst, LAYOUT_BLOCKED, LAYOUT_BLOCKED) && shape_of(dev, inst, size, &t);
}

static bool serves_4x4(const struct device *dev, const struct op_inst *inst)
{
    return serves(dev, inst, 6);
}

static bool serves_2x2(const struct device *dev, const struct op_inst *inst)
{
    return serves(dev, inst, 4);
}

/* ---- what it costs: multiply-adds that take as long ---- */

/* Tiles that the products of a strip compute; as winograd_plane in the .cl. */
static int64_t computed(int64_t strip, int64_t px)
{
    int64_t left = strip % px;
    return strip - left + (left == 0 ? 0 : left <= px * 2 / 3 ? px * 2 / 3 : px);
}

static double cost_of(const struct device *dev, const struct op_inst *inst, int size)
{
    struct winograd t;
    int width = conv_width(dev);
    if (!shape_of(dev, inst, size, &t))
        return INFINITY;
    double c = t.g.c, m = (double) (up(t.g.m, width) * width), tiles = (double) tiles_of(&t);
    double planes = size * size, strips = (double) up(tiles_of(&t), t.strip);
    double cuts = (double) up(up(t.g.m, 2 * width), t.pairs);
    double weight = weight_cost + (planes * c * m > FAR_WEIGHTS ? far_cost : 0);
    return planes * (c * m * strips * ((double) computed(t.strip, conv_tile_px(width)) + weight) +
                     tiles * (in_cost * c * cuts + out_cost * m));
}

static double direct_cost(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    int64_t width = conv_width(dev), px = conv_tile_px((int) width);
    conv_geom_of(inst, &g);
    double pixels = (double) (g.n * up((int64_t) g.oh * g.ow, px) * px);
    return 9.0 * g.c * (double) (up(g.m, width) * width) * (direct_unit * pixels + weight_cost * g.n);
}

static bool pays_4x4(const struct device *dev, const struct op_inst *inst)
{
    double here = cost_of(dev, inst, 6);
    return here < direct_cost(dev, inst) && here <= cost_of(dev, inst, 4);
}

/* Beside a 4x4 that serves but does not pay. */
static bool pays_2x2(const struct device *dev, const struct op_inst *inst)
{
    return cost_of(dev, inst, 4) < direct_cost(dev, inst);
}

/* ---- weights ---- */

/* bias [pairs][2V], then [pairs][planes][C][2V] */
static size_t packed_bytes(const struct device *dev, const struct op_inst *inst, int size)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    int64_t pair = 2 * conv_width(dev);
    return (size_t) (up(g.m, pair) * pair * (1 + (int64_t) size * size * g.c)) * sizeof(float);
}

static size_t packed_bytes_4x4(const struct device *dev, const struct op_inst *inst)
{
    return packed_bytes(dev, inst, 6);
}

static size_t packed_bytes_2x2(const struct device *dev, const struct op_inst *inst)
{
    return packed_bytes(dev, inst, 4);
}

static const double G_4X4[][3] = {
    {1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1},
};
static const double G_2X2[][3] = {{1, 0, 0}, {1.0 / 2, 1.0 / 2, 1.0 / 2}, {1.0 / 2, -1.0 / 2, 1.0 / 2}, {0, 0, 1}};

/* G w G^T of one 3x3 filter, in double: rounded once. */
static void transform(const double G[][3], int size, const float *w, double *out)
{
    double rows[SIZE_MOST][3];
    for (int i = 0; i < size; i++)
        for (int x = 0; x < 3; x++)
            rows[i][x] = G[i][0] * (double) w[x] + G[i][1] * (double) w[3 + x] + G[i][2] * (double) w[6 + x];
    for (int i = 0; i < size; i++)
        for (int k = 0; k < size; k++)
            out[size * i + k] = rows[i][0] * G[k][0] + rows[i][1] * G[k][1] + rows[i][2] * G[k][2];
}

static enum cq_err pack(const struct device *dev, const struct op_inst *inst, const double G[][3], int size, float *dst)
{
    struct conv_geom g;
    conv_geom_of(inst, &g);
    const float *w = inst->constant[1], *bias = inst->n_in > 2 ? inst->constant[2] : NULL;
    int64_t pair = 2 * conv_width(dev), plane = g.c * pair, planes = (int64_t) size * size;
    memset(dst, 0, packed_bytes(dev, inst, size));
    if (bias)
        memcpy(dst, bias, (size_t) g.m * sizeof *dst);
    dst += up(g.m, pair) * pair;
    for (int64_t m = 0; m < g.m; m++)
        for (int64_t c = 0; c < g.c; c++) {
            double u[SIZE_MOST * SIZE_MOST];
            transform(G, size, w + 9 * (m * g.c + c), u);
            for (int64_t p = 0; p < planes; p++)
                dst[(m / pair * planes + p) * plane + c * pair + m % pair] = (float) u[p];
        }
    return CQ_OK;
}

static enum cq_err pack_4x4(const struct device *dev, const struct op_inst *inst, void *dst)
{
    return pack(dev, inst, G_4X4, 6, dst);
}

static enum cq_err pack_2x2(const struct device *dev, const struct op_inst *inst, void *dst)
{
    return pack(dev, inst, G_2X2, 4, dst);
}

/* ---- running ---- */

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, int size,
                           const char *kernel)
{
    struct winograd t;
    if (!shape_of(dev, inst, size, &t))
        return CQ_INTERNAL;
    int64_t pairs = up(t.g.m, 2 * conv_width(dev));
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed),
        ARG_LOCAL(local_bytes(&t, size)), ARG_STRUCT(t),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program, .kernel = kernel, .dims = 2,
        .global = {(size_t) up(tiles_of(&t), t.strip), (size_t) up(pairs, t.pairs)}, .local = {1, 1}, .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err enqueue_4x4(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, 6, "winograd_4x4");
}

static enum cq_err enqueue_2x2(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    return enqueue(dev, inst, bufs, 4, "winograd_2x2");
}

#define WINOGRAD_CLASS(tile)                                                                          \
    const struct kernel_class kernel_winograd_##tile = {                                              \
        .name = "winograd_" #tile, .kind = OP_CONV, .serves = serves_##tile, .pays = pays_##tile,   \
        .packed_bytes = packed_bytes_##tile, .packs = 1u << 1 | 1u << 2, .in_place = CONV_IN_PLACE,   \
        .pack = pack_##tile, .enqueue = enqueue_##tile,                                               \
    }

WINOGRAD_CLASS(4x4);
WINOGRAD_CLASS(2x2);
