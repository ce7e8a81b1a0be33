/* Operators that read an image where data says: GridSample, RoiAlign, and AffineGrid, which makes such data. */
#include "stages/infer/lower.h"

enum { MAX_RATIO = 1000 };      /* samples along a bin: more would only burn time */

static bool is_image(const struct tensor_desc *x)
{
    return x->type == DT_F32 || x->type == DT_F64;
}

/* ---- GridSample ---- */

static enum cq_err read_sampling(const struct lower *c, struct sample_attrs *a)
{
    /* as enum resize_mode has them, then linear and cubic as opset 16 called them */
    static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear", "bicubic", NULL};
    static const char *const pads[] = {"zeros", "border", "reflection", NULL};
    int mode = node_choice(c->node, "mode", "linear", modes);
    int pad = node_choice(c->node, "padding_mode", "zeros", pads);
    if (mode < 0 || pad < 0)
        return lower_fail(c, "mode '%s' with padding_mode '%s' is not supported", node_string(c->node, "mode", ""),
                          node_string(c->node, "padding_mode", ""));
    a->mode = (enum resize_mode) (mode > RESIZE_CUBIC ? mode - RESIZE_CUBIC : mode);
    a->pad = (enum sample_pad) pad;
    a->align_corners = node_int(c->node, "align_corners", 0);
    return CQ_OK;
}

static enum cq_err lower_grid_sample(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), grid = lower_desc(c, 1), y = x;
    struct op op = {.kind = OP_GRID_SAMPLE};
    int spatial = x.rank - 2;
    char tx[TENSOR_TEXT_SIZE], tg[TENSOR_TEXT_SIZE];
    if (!is_image(&x) || !is_image(&grid) || spatial < 1 || spatial > OP_SPATIAL || grid.rank != x.rank ||
        grid.dim[0] != x.dim[0] || grid.dim[grid.rank - 1] != spatial)
        return lower_fail(c, "grid %s does not fit input %s", tensor_text(&grid, tg), tensor_text(&x, tx));
    enum cq_err err = read_sampling(c, &op.u.sample);
    if (err)
        return err;
    for (int i = 0; i < spatial; i++)
        y.dim[2 + i] = grid.dim[1 + i];
    if (tensor_elems(&x) == 0 && tensor_elems(&y) != 0)
        return lower_fail(c, "its input is empty");
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1)}, 2, &y);
}

/* ---- AffineGrid ---- */

/* Position i of n pixels in [-1, 1]: of pixel centres, or with the outer pixels at the ends. */
static float grid_position(int64_t i, int64_t n, bool align_corners)
{
    if (align_corners)
        return n > 1 ? (float) (-1 + 2 * (double) i / (double) (n - 1)) : 0;
    return (float) ((2 * (double) i + 1) / (double) n - 1);
}

/* Homogeneous positions of all pixels: rows of [x, y, 1] or [x, y, z, 1]. */
static void fill_positions(float *to, const int64_t *size, int spatial, bool align_corners)
{
    int64_t pixels = 1;
    for (int i = 0; i < spatial; i++)
        pixels *= size[i];
    for (int64_t p = 0; p < pixels; p++) {
        int64_t rest = p;
        for (int i = spatial - 1; i >= 0; rest /= size[i--])
            *to++ = grid_position(rest % size[i], size[i], align_corners);
        *to++ = 1;
    }
}

static int constant_positions(struct lower *c, const struct tensor_desc *d, const int64_t *size, int spatial)
{
    float *data = net_constant_room(c->net, tensor_bytes(d));
    int t = data ? net_tensor(c->net, c->node->name, d) : -1;
    if (t < 0)
        return -1;
    fill_positions(data, size, spatial, node_int(c->node, "align_corners", 0));
    c->net->tensors[t].data = data;
    return t;
}

/* positions [pixels, s+1] times theta [N, s, s+1] transposed. The batch is theta's, whatever `size` says. */
static enum cq_err lower_affine_grid(struct lower *c)
{
    struct tensor_desc theta = lower_desc(c, 0), turned = theta, positions = {.type = DT_F32, .rank = 2, .dim = {1}};
    int64_t size[TENSOR_MAX_RANK];
    int n, spatial = (int) theta.dim[1], in[2], moved;
    if (!lower_const_ints(c, 1, size, TENSOR_MAX_RANK, &n))
        return lower_later(c, 1, "its size");
    if (theta.type != DT_F32 || theta.rank != 3 || (n != 4 && n != 5) || spatial != n - 2 || theta.dim[2] != n - 1)
        return lower_fail(c, "its matrices do not fit its size");
    struct tensor_desc y = {.type = DT_F32, .rank = n, .dim = {theta.dim[0]}};
    for (int i = 0; i < spatial; i++) {
        if (size[2 + i] < 0 || __builtin_mul_overflow(positions.dim[0], size[2 + i], &positions.dim[0]))
            return lower_fail(c, "its size is impossible");
        y.dim[1 + i] = size[2 + i];
    }
    y.dim[1 + spatial] = spatial;
    positions.dim[1] = spatial + 1;
    if (!desc_valid(&positions) || tensor_bytes(&positions) > SIZE_MAX / 2 || positions.dim[0] > INT32_MAX)
        return lower_fail(c, "its size is impossible");
    struct op turn = {.kind = OP_TRANSPOSE, .u.perm = {0, 2, 1}};
    turned.dim[1] = theta.dim[2];
    turned.dim[2] = theta.dim[1];
    in[0] = constant_positions(c, &positions, size + 2, spatial);
    if (in[0] < 0)
        return CQ_NOMEM;
    enum cq_err err = lower_emit(c, &turn, (int[]){lower_in(c, 0)}, 1, &turned, 1, &in[1]);
    struct tensor_desc flat = {.type = DT_F32, .rank = 3, .dim = {theta.dim[0], positions.dim[0], spatial}};
    if (!err)
        err = lower_emit(c, &(struct op){.kind = OP_MATMUL}, in, 2, &flat, 1, &moved);
    if (!err)
        err = lower_view(c, moved, &y, &moved);
    if (!err)
        lower_bind(c, 0, moved);
    return err;
}

/* ---- RoiAlign ---- */

static enum cq_err read_roi(const struct lower *c, struct roi_attrs *a, int64_t size[2])
{
    static const char *const modes[] = {"avg", "max", NULL};
    static const char *const coords[] = {"output_half_pixel", "half_pixel", NULL};
    /* before opset 16 there was no choice */
    const char *coord_default = c->opset < 16 ? "output_half_pixel" : "half_pixel";
    int mode = node_choice(c->node, "mode", "avg", modes);
    int coord = node_choice(c->node, "coordinate_transformation_mode", coord_default, coords);
    int64_t ratio = node_int(c->node, "sampling_ratio", 0);
    size[0] = node_int(c->node, "output_height", 1);
    size[1] = node_int(c->node, "output_width", 1);
    if (mode < 0 || coord < 0)
        return lower_fail(c, "its mode is not supported");
    if (ratio < 0 || ratio > MAX_RATIO || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX)
        return lower_fail(c, "its size or sampling_ratio is impossible");
    *a = (struct roi_attrs){.max = mode, .half_pixel = coord, .sampling_ratio = (int) ratio};
    a->spatial_scale = node_float(c->node, "spatial_scale", 1);
    return CQ_OK;
}

static enum cq_err lower_roi_align(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), rois = lower_desc(c, 1), batch = lower_desc(c, 2);
    struct op op = {.kind = OP_ROI_ALIGN};
    int64_t size[2];
    char tr[TENSOR_TEXT_SIZE], tx[TENSOR_TEXT_SIZE];
    if (!is_image(&x) || !is_image(&rois) || lower_in(c, 2) < 0 || x.rank != 4 || rois.rank != 2 ||
        rois.dim[1] != 4 || batch.rank != 1 || batch.dim[0] != rois.dim[0])
        return lower_fail(c, "boxes %s do not fit input %s", tensor_text(&rois, tr), tensor_text(&x, tx));
    enum cq_err err = read_roi(c, &op.u.roi, size);
    if (err)
        return err;
    struct tensor_desc y = {.type = x.type, .rank = 4, .dim = {rois.dim[0], x.dim[1], size[0], size[1]}};
    if (tensor_elems(&x) == 0 && tensor_elems(&y) != 0)
        return lower_fail(c, "its input is empty");
    return lower_emit1(c, &op, (int[]){lower_in(c, 0), lower_in(c, 1), lower_in(c, 2)}, 3, &y);
}

const struct lower_op lower_ops_sample[] = {
    {"GridSample", lower_grid_sample, 0},
    {"AffineGrid", lower_affine_grid, 0},
    {"RoiAlign", lower_roi_align, 0},
    {0},
};
