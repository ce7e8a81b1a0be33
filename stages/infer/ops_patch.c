/* Cutting and joining images: CenterCropPad and Col2Im, which is a transposed convolution whose weights move each
 * value of a column to its place in the block.
 */
#include <string.h>

#include "stages/infer/build.h"

/* ---- CenterCropPad ---- */

/* Of an odd difference the larger part goes behind. */
static int crop_or_pad(struct build *b, int x, int axis, int64_t to)
{
    struct tensor_desc d = build_desc(b, x);
    int64_t from = d.dim[axis];
    if (from >= to)
        return build_slice(b, x, axis, (from - to) / 2, 1, to);
    struct op op = {.kind = OP_PAD};
    op.u.pad.begin[axis] = (to - from) / 2;
    op.u.pad.end[axis] = to - from - op.u.pad.begin[axis];
    d.dim[axis] = to;
    return build_step(b, &op, &x, 1, &d);
}

static enum cq_err lower_center_crop_pad(struct lower *c)
{
    struct build b = {c};
    int x = build_in(&b, 0), n, n_axes, axis;
    int64_t to[TENSOR_MAX_RANK], axes[TENSOR_MAX_RANK];
    int rank = build_desc(&b, x).rank;
    if (!b.err)
        b.err = lower_ints(c, "axes", -1, axes, &n_axes);
    if (!b.err && !lower_const_ints(c, 1, to, TENSOR_MAX_RANK, &n))
        return lower_later(c, 1, "its shape");
    if (!b.err && n != (n_axes < 0 ? rank : n_axes))
        return lower_fail(c, "does not have one size for each axis");
    for (int i = 0; !b.err && i < n; i++) {
        b.err = lower_axis(c, n_axes < 0 ? i : axes[i], rank, &axis);
        if (!b.err && to[i] < 0)
            b.err = lower_fail(c, "has a negative size");
        if (!b.err)
            x = crop_or_pad(&b, x, axis, to[i]);
    }
    return build_bind(&b, 0, x);
}

/* ---- Col2Im ---- */

enum { MAX_BLOCK = 4096 };           /* the weights have this many squared */

static enum cq_err read_positive(struct lower *c, const char *name, int n, int least, int otherwise, int *out)
{
    int count;
    const int64_t *v = node_ints(c->node, name, &count);
    for (int i = 0; i < n; i++) {
        if (v && (count != n || v[i] < least || v[i] > INT32_MAX / 4))
            return lower_fail(c, "%s is impossible", name);
        out[i] = v ? (int) v[i] : otherwise;
    }
    return CQ_OK;
}

/* How many positions of the block fit into the image along dimension i; 0 for none. */
static int64_t positions(const struct conv_attrs *a, int i, int64_t image)
{
    int64_t room = image + a->pad_begin[i] + a->pad_end[i] - (int64_t) a->dilation[i] * (a->kernel[i] - 1) - 1;
    return room < 0 ? 0 : room / a->stride[i] + 1;
}

static enum cq_err read_blocks(struct lower *c, const int64_t *image, const int64_t *block, struct conv_attrs *a)
{
    int pads[2 * OP_SPATIAL];
    enum cq_err err = read_positive(c, "strides", a->spatial, 1, 1, a->stride);
    if (!err)
        err = read_positive(c, "dilations", a->spatial, 1, 1, a->dilation);
    if (!err)
        err = read_positive(c, "pads", 2 * a->spatial, 0, 0, pads);
    for (int i = 0; !err && i < a->spatial; i++) {
        if (block[i] < 1 || block[i] > MAX_BLOCK || image[i] < 1 || image[i] > INT32_MAX / 4)
            return lower_fail(c, "its image or block is empty or impossibly large");
        a->kernel[i] = (int) block[i];
        a->pad_begin[i] = pads[i];
        a->pad_end[i] = pads[a->spatial + i];
    }
    return err;
}

static enum cq_err lower_col2im(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc d = lower_desc(c, 0);
    struct op op = {.kind = OP_CONV_TRANSPOSE, .u.conv.group = 1};
    int64_t image[OP_SPATIAL], block[OP_SPATIAL], size = 1, places = 1;
    int n, n_block, x = build_in(&b, 0);
    if (b.err)
        return b.err;
    for (int i = 1; i < 3; i++)
        if (lower_in(c, i) < 0 || !lower_data(c, i))
            return lower_later(c, i, i == 1 ? "image_shape" : "block_shape");
    if (!lower_const_ints(c, 1, image, OP_SPATIAL, &n) || !lower_const_ints(c, 2, block, OP_SPATIAL, &n_block) ||
        n < 1 || n != n_block || d.rank != 3)
        return lower_fail(c, "needs columns, and an image and a block of 1 to 3 dimensions");
    op.u.conv.spatial = n;
    enum cq_err err = read_blocks(c, image, block, &op.u.conv);
    int64_t in[TENSOR_MAX_RANK] = {0}, weights[TENSOR_MAX_RANK] = {0, 1}, full[TENSOR_MAX_RANK] = {d.dim[0]};
    for (int i = 0; i < n && !err; i++) {
        in[2 + i] = positions(&op.u.conv, i, image[i]);
        weights[2 + i] = block[i];
        full[2 + i] = image[i];
        size *= block[i];
        if (size > MAX_BLOCK || __builtin_mul_overflow(places, in[2 + i], &places))
            err = lower_fail(c, "its blocks are too large");
    }
    if (!err && (d.dim[1] % size || d.dim[2] != places))
        err = lower_fail(c, "its columns do not fit the image and the block");
    if (err)
        return err;
    full[1] = d.dim[1] / size;
    in[0] = d.dim[0] * full[1];
    in[1] = weights[0] = size;
    x = build_view(&b, x, 2 + n, in);
    int same = build_binary(&b, BIN_EQUAL, build_counting(&b, size, 2, 0), build_counting(&b, size, 2, 1));
    int w = build_view(&b, build_cast(&b, same, d.type), 2 + n, weights);
    struct tensor_desc y = {.type = d.type, .rank = 2 + n, .dim = {in[0], 1}};
    memcpy(y.dim + 2, image, (size_t) n * sizeof *image);
    return build_bind(&b, 0, build_view(&b, build_step(&b, &op, (int[]){x, w}, 2, &y), 2 + n, full));
}

const struct lower_op lower_ops_patch[] = {
    {"CenterCropPad", lower_center_crop_pad, 0},
    {"Col2Im", lower_col2im, 0},
    {0},
};
