/* DeformConv: a convolution whose taps stand where data says. Bilinear samples of all taps (OP_GRID_SAMPLE), weighted
 * by the mask, are the columns of one product of matrices per group. */
#include "stages/infer/build.h"
#include "stages/infer/window.h"

enum { IN_X, IN_W, IN_OFFSET, IN_BIAS, IN_MASK };

struct deform {
    struct conv_attrs window;
    struct tensor_desc x, w, y;
    int64_t groups;              /* of input channels that share offsets */
    int64_t taps, points;        /* of the window; of one output channel */
};

static enum cq_err read_deform(struct lower *c, struct deform *d)
{
    d->x = lower_desc(c, IN_X);
    d->w = lower_desc(c, IN_W);
    d->groups = node_int(c->node, "offset_group", 1);
    if (d->x.rank != 4 || d->w.rank != 4 || tensor_elems(&d->x) < 1)
        return lower_fail(c, "needs images of two dimensions");
    enum cq_err err = lower_conv_window(c, &d->x, &d->w, &d->window, &d->y);
    if (err)
        return err;
    d->taps = d->w.dim[2] * d->w.dim[3];
    d->points = d->y.dim[2] * d->y.dim[3];
    if (d->groups < 1 || d->x.dim[1] % d->groups)
        return lower_fail(c, "its channels do not divide into %lld groups of offsets", (long long) d->groups);
    return CQ_OK;
}

/* Does the input hold `per_tap` numbers for each tap of each group at each output pixel? */
static bool fits(const struct lower *c, const struct deform *d, int i, int64_t per_tap)
{
    struct tensor_desc t = lower_desc(c, i);
    return t.type == d->x.type && t.rank == 4 && t.dim[0] == d->x.dim[0] && t.dim[1] % (d->taps * per_tap) == 0 &&
           t.dim[1] / (d->taps * per_tap) == d->groups && t.dim[2] == d->y.dim[2] && t.dim[3] == d->y.dim[3];
}

/* Position p of n pixels on the scale of GridSample, where -1 and 1 are the outer edges. */
static float on_grid(int64_t p, int64_t n)
{
    return (float) ((2 * (double) p + 1) / (double) n - 1);
}

/* Where taps stand without offsets: [1, taps, points, x and y]. It is no larger than the offsets are. */
static int undeformed(struct build *b, const struct deform *d)
{
    struct tensor_desc desc = {.type = DT_F32, .rank = 4, .dim = {1, d->taps, d->points, 2}};
    const struct conv_attrs *a = &d->window;
    float *data = b->err ? NULL : net_constant_room(b->c->net, tensor_bytes(&desc)), *to = data;
    int out = data ? net_tensor(b->c->net, b->c->node->name, &desc) : -1;
    if (out < 0) {
        b->err = b->err ? b->err : CQ_NOMEM;
        return -1;
    }
    for (int64_t t = 0; t < d->taps; t++)
        for (int64_t p = 0; p < d->points; p++) {
            int64_t ky = t / a->kernel[1] * a->dilation[0], kx = t % a->kernel[1] * a->dilation[1];
            int64_t y = p / d->y.dim[3] * a->stride[0], x = p % d->y.dim[3] * a->stride[1];
            *to++ = on_grid(x + kx - a->pad_begin[1], d->x.dim[3]);
            *to++ = on_grid(y + ky - a->pad_begin[0], d->x.dim[2]);
        }
    b->c->net->tensors[out].data = data;
    return out;
}

/* Offsets come as y, x in pixels: [N*groups, taps, points, x and y] on the grid. */
static int positions(struct build *b, const struct deform *d)
{
    struct tensor_desc two = {.type = DT_F32, .rank = 1, .dim = {2}};
    float unit[2] = {2 / (float) d->x.dim[3], 2 / (float) d->x.dim[2]};
    int64_t split[] = {d->x.dim[0] * d->groups, d->taps, 2, d->points};
    int offset = build_transpose(b, build_view(b, build_in(b, IN_OFFSET), 4, split), (int[]){0, 1, 3, 2});
    offset = build_slice(b, offset, 3, 1, -1, 2);
    return build_binary(b, BIN_ADD, build_binary(b, BIN_MUL, offset, build_constant(b, &two, unit)), undeformed(b, d));
}

/* What the taps see: [N, channels, taps, points]. */
static int columns(struct build *b, const struct deform *d)
{
    int64_t n = d->x.dim[0], per_group = d->x.dim[1] / d->groups;
    int64_t images[] = {n * d->groups, per_group, d->x.dim[2], d->x.dim[3]};
    struct op op = {.kind = OP_GRID_SAMPLE, .u.sample = {.mode = RESIZE_LINEAR, .pad = SAMPLE_ZEROS}};
    struct tensor_desc y = {.type = d->x.type, .rank = 4, .dim = {images[0], per_group, d->taps, d->points}};
    int in[] = {build_view(b, build_in(b, IN_X), 4, images), positions(b, d)};
    int seen = build_step(b, &op, in, 2, &y);
    if (lower_in(b->c, IN_MASK) < 0)
        return seen;
    int64_t each[] = {images[0], 1, d->taps, d->points};
    return build_binary(b, BIN_MUL, seen, build_view(b, build_in(b, IN_MASK), 4, each));
}

static enum cq_err lower_deform_conv(struct lower *c)
{
    struct build b = {c};
    struct deform d;
    b.err = read_deform(c, &d);
    if (!b.err && (d.x.type != DT_F32 || !fits(c, &d, IN_OFFSET, 2) ||
                   (lower_in(c, IN_MASK) >= 0 && !fits(c, &d, IN_MASK, 1))))
        b.err = lower_fail(c, "its offsets or mask do not fit its input");
    if (b.err)
        return b.err;
    int64_t group = d.window.group, depth = d.w.dim[1] * d.taps;
    int64_t seen[] = {d.x.dim[0], group, depth, d.points}, weights[] = {group, d.w.dim[0] / group, depth};
    int w = build_view(&b, build_in(&b, IN_W), 3, weights), x = build_view(&b, columns(&b, &d), 4, seen);
    int y = build_view(&b, build_matmul(&b, w, x), 4, d.y.dim);
    struct tensor_desc bias = lower_desc(c, IN_BIAS);
    if (lower_in(c, IN_BIAS) >= 0 && (bias.rank != 1 || bias.dim[0] != d.y.dim[1]))
        return lower_fail(c, "its bias does not have one value per channel");
    if (lower_in(c, IN_BIAS) >= 0)
        y = build_binary(&b, BIN_ADD, y, build_view(&b, build_in(&b, IN_BIAS), 3, (int64_t[]){d.y.dim[1], 1, 1}));
    return build_bind(&b, 0, y);
}

const struct lower_op lower_ops_deform[] = {
    {"DeformConv", lower_deform_conv, 0},
    {0},
};
