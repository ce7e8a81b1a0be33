/* Convolution of any window, stride and dilation with one group, BLOCKED: what a strip of output pixels reads is copied
 * to local memory first, once for all output channels. Then the products have their numbers side by side whatever the
 * stride, and no tap to test for the border, which conv_tile pays for with each pair of output blocks. The weights are
 * packed as for conv_tile. The kernel is in cl/conv_strip.cl.
 */
#include "kernels/classes.h"
#include "kernels/conv.h"
#include "kernels/device.h"

enum { STRIP_MOST = 24, FIRST_CACHE_FLOATS = 8192 };
enum { ITEMS_PER_UNIT = 4 };      /* work-items, below which the units would not finish together */

/* As in kernels/cl/conv_strip.cl. */
struct strip {
    struct conv_geom g;
    int32_t strip, pairs, group;
};

static int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit;
}

static size_t local_bytes(const struct strip *t, int px)
{
    return (size_t) (t->strip / px) * (size_t) t->group * sizeof(float);
}

/* False for what is no such convolution, or does not fit. */
static bool shape_of(const struct device *dev, const struct op_inst *inst, struct strip *t)
{
    const struct device_info *info = device_get_info(dev);
    const struct conv_geom *g = &t->g;
    int64_t width = conv_width(dev), px = conv_tile_px((int) width), units = info->compute_units, group;
    if (info->simt || !conv_geom_of(inst, &t->g) || inst->op->u.conv.group != 1)
        return false;
    if (__builtin_mul_overflow((int64_t) g->kh * g->kw, up(g->c, width) * width * px, &group) ||
        group > (int64_t) (info->local_bytes / sizeof(float)))
        return false;
    /* A quarter of the cache is for what streams by, if that can be. */
    int64_t fitting = (int64_t) (info->local_bytes / sizeof(float)) / 4 * 3 / group * px;
    int64_t pixels = (int64_t) g->n * g->oh * g->ow, pairs = up(g->m, 2 * width);
    int64_t most = fitting < px ? px : fitting < STRIP_MOST ? fitting : STRIP_MOST, strips = up(pixels, most);
    if (pixels < 1 || pixels > INT32_MAX - STRIP_MOST)
        return false;
    t->strip = (int32_t) (up(up(pixels, strips), px) * px);
    t->group = (int32_t) group;
    int64_t cuts = units > 1 ? up(ITEMS_PER_UNIT * units, strips) : 1;
    t->pairs = (int32_t) up(pairs, cuts < pairs ? cuts : pairs);
    return true;
}

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    struct strip t;
    return conv_layouts(inst, LAYOUT_BLOCKED, LAYOUT_BLOCKED) && shape_of(dev, inst, &t);
}

/* Measured: the copy, which pairs of output blocks share, is worth making for more than two pairs, and for one where
 * products are so fast that conv_tile's way to its input tells (AVX-512); beside conv_pointwise, which needs none, for
 * four pairs if the weights of one fill a first cache. Weights wanted as halves are left to conv_tile_half. */
static bool pays(const struct device *dev, const struct op_inst *inst)
{
    struct conv_geom g;
    int64_t width = conv_width(dev);
    conv_geom_of(inst, &g);
    if (inst->half)
        return false;
    if (kernel_conv_pointwise.serves(dev, inst))
        return g.m >= 8 * width && g.c * 2 * width >= FIRST_CACHE_FLOATS;
    return g.m > (width == 16 ? 1 : 4) * width;
}

static size_t packed_bytes(const struct device *dev, const struct op_inst *inst)
{
    return kernel_conv_tile.packed_bytes(dev, inst);
}

static enum cq_err pack(const struct device *dev, const struct op_inst *inst, void *packed)
{
    return kernel_conv_tile.pack(dev, inst, packed);
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct strip t;
    if (!shape_of(dev, inst, &t))
        return CQ_INTERNAL;
    int width = conv_width(dev);
    const struct kernel_arg args[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->in[3]), ARG_REF(bufs->out[0]), ARG_REF(bufs->packed),
        ARG_LOCAL(local_bytes(&t, conv_tile_px(width))), ARG_STRUCT(t),
    };
    return program_run(dev, &(struct launch) {
        .program = &conv_program, .kernel = "conv_strip", .dims = 2,
        .global = {(size_t) up((int64_t) t.g.n * t.g.oh * t.g.ow, t.strip), (size_t) up(up(t.g.m, 2 * width), t.pairs)},
        .local = {1, 1}, .args = args, .n_args = sizeof args / sizeof *args,
    });
}

const struct kernel_class kernel_conv_strip = {
    .name = "conv_strip",
    .kind = OP_CONV,
    .serves = serves,
    .pays = pays,
    .packed_bytes = packed_bytes,
    .packs = 1u << 1 | 1u << 2,
    .in_place = CONV_IN_PLACE,
    .pack = pack,
    .enqueue = enqueue,
};
