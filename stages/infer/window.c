/* See window.h. */
#include "stages/infer/window.h"

#include <string.h>

/* So that positions of taps fit an int, and a window ends in this life. */
enum { MAX_EXTENT = 1 << 24, MAX_TAPS = 1 << 24 };

enum cq_err window_ints(const struct lower *c, const char *name, int n, int otherwise, int *out)
{
    int count;
    const int64_t *v = node_ints(c->node, name, &count);
    if (count && count != n)
        return lower_fail(c, "attribute %s has %d values instead of %d", name, count, n);
    for (int i = 0; i < n; i++) {
        int64_t value = count ? v[i] : otherwise;
        if (value < 0 || value > INT32_MAX / 4)
            return lower_fail(c, "attribute %s holds %lld", name, (long long) value);
        out[i] = (int) value;
    }
    return CQ_OK;
}

static enum cq_err read_pads(const struct lower *c, struct conv_attrs *a)
{
    int pads[2 * OP_SPATIAL];
    enum cq_err err = window_ints(c, "pads", 2 * a->spatial, 0, pads);
    for (int i = 0; i < a->spatial && !err; i++) {
        a->pad_begin[i] = pads[i];
        a->pad_end[i] = pads[a->spatial + i];
    }
    return err;
}

enum cq_err window_read(const struct lower *c, int rank, struct conv_attrs *a)
{
    *a = (struct conv_attrs){.spatial = rank - 2};
    if (rank < 3 || a->spatial > OP_SPATIAL)
        return lower_fail(c, "works on %d dimensions; 3 to 5 are supported", rank);
    enum cq_err err = window_ints(c, "strides", a->spatial, 1, a->stride);
    if (!err)
        err = window_ints(c, "dilations", a->spatial, 1, a->dilation);
    if (!err)
        err = read_pads(c, a);
    for (int i = 0; i < a->spatial && !err; i++)
        if (!a->stride[i] || !a->dilation[i])
            err = lower_fail(c, "has a stride or dilation of 0");
    int64_t group = node_int(c->node, "group", 1);
    if (!err && (group < 1 || group > INT32_MAX))
        err = lower_fail(c, "has %lld groups", (long long) group);
    a->group = (int) group;
    return err;
}

int64_t window_extent(const struct conv_attrs *a, int i)
{
    return (int64_t) (a->kernel[i] - 1) * a->dilation[i] + 1;
}

/* Results along one dimension; also resolves auto_pad. */
static int64_t window_count(const struct lower *c, struct conv_attrs *a, int i, int64_t in)
{
    const char *mode = node_string(c->node, "auto_pad", "NOTSET");
    int64_t stride = a->stride[i], ext = window_extent(a, i);
    if (!strncmp(mode, "SAME", 4)) {
        int64_t out = in / stride + (in % stride != 0), pad = (out - 1) * stride + ext - in;
        pad = pad > 0 ? pad : 0;
        a->pad_begin[i] = (int) (strcmp(mode, "SAME_LOWER") ? pad / 2 : pad - pad / 2);
        a->pad_end[i] = (int) (pad - a->pad_begin[i]);
        return out;
    }
    if (!strcmp(mode, "VALID"))
        a->pad_begin[i] = a->pad_end[i] = 0;
    int64_t room = in + a->pad_begin[i] + a->pad_end[i] - ext;
    bool up = node_int(c->node, "ceil_mode", 0) && room % stride;
    if (room < 0)       /* with ceil_mode a window may reach beyond the padding on its own */
        return up && room > -stride ? 1 : -1;
    int64_t out = room / stride + 1;
    /* a last window counts only if it starts inside the image or the front padding */
    return up && out * stride < in + a->pad_begin[i] ? out + 1 : out;
}

enum cq_err window_shape(const struct lower *c, struct conv_attrs *a, const struct tensor_desc *x, int64_t channels,
                         struct tensor_desc *y)
{
    int64_t taps = 1;
    *y = *x;
    y->dim[1] = channels;
    for (int i = 0; i < a->spatial; i++) {
        taps *= a->kernel[i];
        if (a->kernel[i] < 1 || window_extent(a, i) > MAX_EXTENT || taps > MAX_TAPS)
            return lower_fail(c, "has a kernel of size %d, %d apart", a->kernel[i], a->dilation[i]);
        y->dim[2 + i] = window_count(c, a, i, x->dim[2 + i]);
        if (y->dim[2 + i] < 1)
            return lower_fail(c, "its window is larger than its input");
    }
    return CQ_OK;
}
