/* Signals: windows, mel filters, and Fourier transforms as products with a matrix of cosines and sines.
 *
 * The product takes n*n operations, not n*log(n), but runs on the device at full speed, and the transforms that models
 * carry are short; what would need a very large matrix is refused.
 */
#include <math.h>
#include <string.h>

#include "stages/infer/build.h"
#include "stages/infer/onnx.h"

enum { MAX_MATRIX = 1 << 23 };       /* elements */

/* ---- constants made from a few numbers ---- */

static int64_t known_int(const struct lower *c, int i)
{
    int64_t v;
    int n;
    return lower_const_ints(c, i, &v, 1, &n) && n == 1 ? v : -1;
}

/* The node's result, from doubles in the type that it asks for. */
static enum cq_err bind_doubles(struct build *b, int tensor)
{
    enum dtype type = onnx_dtype((int) node_int(b->c->node, "output_datatype", 1));
    if (type == DT_NONE)
        return lower_fail(b->c, "asks for a type that clipq does not have");
    return build_bind(b, 0, build_cast(b, tensor, type == DT_F16 ? DT_F32 : type));
}

/* a - b*cos(x) + c*cos(2x) */
struct window {
    double a, b, c;
};

static const struct window windows[] = {
    {0.5, 0.5, 0},                       /* Hann */
    {25.0 / 46, 21.0 / 46, 0},           /* Hamming */
    {0.42, 0.5, 0.08},                   /* Blackman */
};

static enum cq_err lower_window(struct lower *c)
{
    const struct window *w = &windows[c->variant];
    int64_t n = known_int(c, 0);
    if (n > MAX_MATRIX)
        return lower_fail(c, "is too long");
    if (n < 0)
        return lower_later(c, 0, "its size");
    struct build b = {c};
    void *room;
    int t = build_room(&b, &(struct tensor_desc){.type = DT_F64, .rank = 1, .dim = {n}}, &room);
    double *values = room;
    double period = node_int(c->node, "periodic", 1) ? (double) n : (double) n - 1;
    for (int64_t i = 0; values && i < n; i++) {
        double x = period > 0 ? 2 * M_PI * (double) i / period : 0;
        values[i] = w->a - w->b * cos(x) + w->c * cos(2 * x);
    }
    return bind_doubles(&b, t);
}

static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static double hertz_of(double mel)
{
    return 700 * (pow(10, mel / 2595) - 1);
}

/* One column of the matrix: a triangle over the bins from `low` to `high` with its top at `centre`. */
static void add_triangle(double *column, int64_t bins, int64_t filters, int64_t low, int64_t centre, int64_t high)
{
    for (int64_t j = low > 0 ? low : 0; j <= high && j < bins; j++) {
        if (j == centre)
            column[j * filters] = 1;
        else if (j < centre)
            column[j * filters] = (double) (j - low) / (double) (centre - low);
        else
            column[j * filters] = (double) (high - j) / (double) (high - centre);
    }
}

static enum cq_err lower_mel_weights(struct lower *c)
{
    int64_t filters = known_int(c, 0), length = known_int(c, 1), rate = known_int(c, 2), bins = length / 2 + 1;
    float from, to;
    for (int i = 0; i < 5; i++)
        if (lower_in(c, i) < 0 || !lower_data(c, i))
            return lower_later(c, i, "its numbers");
    if (filters < 1 || length < 0 || rate < 1 || !lower_const_float(c, 3, &from) || !lower_const_float(c, 4, &to) ||
        filters > MAX_MATRIX || length > MAX_MATRIX || filters * bins > MAX_MATRIX || !(from >= 0) ||
        !(to >= from) || !(to <= 0x1p31f))
        return lower_fail(c, "its numbers are out of range");
    struct build b = {c};
    void *room;
    struct tensor_desc d = {.type = DT_F64, .rank = 2, .dim = {bins, filters}};
    int t = build_room(&b, &d, &room);
    if (!room)
        return b.err;
    memset(room, 0, tensor_bytes(&d));
    double first = mel_of((double) from), step = (mel_of((double) to) - first) / (double) (filters + 2);
    double per_hertz = (double) (length + 1) / (double) rate;
    for (int64_t f = 0; f < filters; f++) {
        int64_t edge[3];
        for (int i = 0; i < 3; i++)
            edge[i] = (int64_t) floor(per_hertz * hertz_of(first + (double) (f + i) * step));
        add_triangle((double *) room + f, bins, filters, edge[0], edge[1], edge[2]);
    }
    return bind_doubles(&b, t);
}

/* ---- Fourier transforms ---- */

struct dft {
    int64_t length;          /* of the transform; fewer values are followed by zeros */
    bool inverse, onesided;
};

/* From half a spectrum, the other half being its mirror image. */
static bool to_real(const struct dft *f)
{
    return f->inverse && f->onesided;
}

/* [values * parts, results * result parts] of exp(-+2 pi i t k / length); complex numbers have two parts. */
static int dft_matrix(struct build *b, const struct dft *f, int64_t values, int64_t parts, int64_t results)
{
    int64_t result_parts = to_real(f) ? 1 : 2, row = results * result_parts;
    struct tensor_desc d = {.type = DT_F32, .rank = 2, .dim = {values * parts, row}};
    void *room;
    int matrix = build_room(b, &d, &room);
    if (!room)
        return -1;
    float *m = room;
    double sign = f->inverse ? 1 : -1;
    for (int64_t t = 0; t < values; t++) {
        double scale = f->inverse ? 1 / (double) f->length : 1;
        if (to_real(f) && t != 0 && 2 * t != f->length)
            scale *= 2;                         /* this one and its mirror image */
        for (int64_t k = 0; k < results; k++) {
            double angle = sign * 2 * M_PI * (double) (t * k % f->length) / (double) f->length;
            float part[3] = {(float) (scale * cos(angle)), (float) (scale * sin(angle))};
            part[2] = -part[1];
            for (int64_t p = 0; p < parts; p++)
                for (int64_t r = 0; r < result_parts; r++)
                    m[(t * parts + p) * row + k * result_parts + r] = part[p == r ? 0 : r ? 1 : 2];
        }
    }
    return matrix;
}

/* x [..., values, parts] -> [..., results, parts] */
static int transform(struct build *b, const struct dft *f, int x)
{
    struct tensor_desc d = build_desc(b, x);
    if (b->err)
        return -1;
    int64_t parts = d.dim[d.rank - 1], half = f->length / 2 + 1, results = f->onesided ? half : f->length;
    int64_t used = f->length;
    if (to_real(f)) {
        used = half;
        results = f->length;
    }
    if (used < d.dim[d.rank - 2])
        x = build_slice(b, x, d.rank - 2, 0, 1, used);
    d = build_desc(b, x);
    int64_t values = d.dim[d.rank - 2], all = tensor_elems(&d);
    if (values < 1 || all < 1 || f->length > MAX_MATRIX || values * parts > MAX_MATRIX / (2 * results)) {
        b->err = lower_fail(b->c, "a transform of %lld values is too long, or empty", (long long) f->length);
        return -1;
    }
    x = build_view(b, x, 2, (int64_t[]){all / (values * parts), values * parts});
    x = build_matmul(b, x, build_cast(b, dft_matrix(b, f, values, parts, results), d.type));
    d.dim[d.rank - 2] = results;
    d.dim[d.rank - 1] = to_real(f) ? 1 : 2;
    return build_view(b, x, d.rank, d.dim);
}

static bool has_parts(const struct tensor_desc *x, int rank)
{
    return x->rank >= rank && (x->dim[x->rank - 1] == 1 || x->dim[x->rank - 1] == 2);
}

/* The axis, an attribute before opset 20, changes places with the last but one. */
static enum cq_err lower_dft(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc d = lower_desc(c, 0);
    struct dft f = {.inverse = node_int(c->node, "inverse", 0), .onesided = node_int(c->node, "onesided", 0)};
    int64_t axis_given = c->opset < 20 ? node_int(c->node, "axis", 1) : -2;
    int x = build_in(&b, 0), axis, perm[TENSOR_MAX_RANK], n;
    if (!b.err && (!has_parts(&d, 2) || (to_real(&f) && d.dim[d.rank - 1] != 2)))
        return lower_fail(c, "needs real or complex values, and a one-sided inverse complex ones");
    if (c->opset >= 20 && lower_in(c, 2) >= 0 && !lower_const_ints(c, 2, &axis_given, 1, &n))
        return lower_later(c, 2, "its axis");
    enum cq_err err = b.err ? b.err : lower_axis(c, axis_given, d.rank, &axis);
    if (!err && axis == d.rank - 1)
        err = lower_fail(c, "transforms the axis of real and imaginary parts");
    if (err)
        return err;
    if (lower_in(c, 1) >= 0 && !lower_data(c, 1))
        return lower_later(c, 1, "its length");
    f.length = lower_in(c, 1) >= 0 ? known_int(c, 1) : to_real(&f) ? 2 * (d.dim[axis] - 1) : d.dim[axis];
    if (f.length < 1)
        return lower_fail(c, "has no length");
    for (int i = 0; i < d.rank; i++)
        perm[i] = i;
    perm[axis] = d.rank - 2;
    perm[d.rank - 2] = axis;
    return build_bind(&b, 0, build_transpose(&b, transform(&b, &f, build_transpose(&b, x, perm)), perm));
}

/* The signal [batch, samples, parts] cut into frames [batch, frames, length, parts]. */
static int cut_frames(struct build *b, int x, int64_t frames, int64_t length, int64_t step)
{
    struct tensor_desc d = build_desc(b, x);
    struct tensor_desc y = {.type = d.type, .rank = 4, .dim = {d.dim[0], frames, length, d.dim[2]}};
    int first = build_binary(b, BIN_MUL, build_counting(b, frames, 2, 0), build_scalar(b, DT_I64, (double) step));
    int index = build_binary(b, BIN_ADD, first, build_counting(b, length, 2, 1));
    return build_step(b, &(struct op){.kind = OP_GATHER, .u.axis.axis = 1}, (int[]){x, index}, 2, &y);
}

static enum cq_err lower_stft(struct lower *c)
{
    struct build b = {c};
    struct tensor_desc d = lower_desc(c, 0), w = lower_desc(c, 2);
    int64_t step = known_int(c, 1), length = w.rank == 1 ? w.dim[0] : -1;
    int x = build_in(&b, 0);
    for (int i = 1; i < 4; i += 2)
        if (lower_in(c, i) >= 0 && !lower_data(c, i))
            return lower_later(c, i, i == 1 ? "frame_step" : "frame_length");
    if (lower_in(c, 3) >= 0)
        length = known_int(c, 3);
    if (b.err)
        return b.err;
    if (d.rank != 3 || !has_parts(&d, 3) || step < 1 || length < 1 || length > d.dim[1])
        return lower_fail(c, "needs a signal, a step, and frames no longer than the signal");
    if (w.type != DT_NONE && (w.rank != 1 || w.dim[0] != length))
        return lower_fail(c, "its window is not as long as a frame");
    x = cut_frames(&b, x, (d.dim[1] - length) / step + 1, length, step);
    if (w.type != DT_NONE)
        x = build_binary(&b, BIN_MUL, x, build_view(&b, lower_in(c, 2), 2, (int64_t[]){length, 1}));
    struct dft f = {.length = length, .onesided = node_int(c->node, "onesided", 1)};
    return build_bind(&b, 0, transform(&b, &f, x));
}

const struct lower_op lower_ops_signal[] = {
    {"HannWindow", lower_window, 0},
    {"HammingWindow", lower_window, 1},
    {"BlackmanWindow", lower_window, 2},
    {"MelWeightMatrix", lower_mel_weights, 0},
    {"DFT", lower_dft, 0},
    {"STFT", lower_stft, 0},
    {0},
};
