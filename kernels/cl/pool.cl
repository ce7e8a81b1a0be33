/* Pooling windows over three dimensions, missing ones being 1; the kernels for maxima, means and norms are in
 * pool_line.cl. The taps that lie in the image are found once per output, so that the loops over them have no branch.
 */
struct Window {
    int in[3], out[3], kernel_[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
    int count_pad, p, column_major, planes, rows;
};

enum { POOL_MAX, POOL_AVG, POOL_LP };

inline int ceil_div(int a, int b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* First tap inside, end of the taps inside, end of the taps inside or in the explicit padding. */
inline int3 taps(const struct Window *w, int d, int origin)
{
    int size = w->kernel_[d], dilation = w->dilation[d], in = w->in[d];
    return (int3) (max(0, ceil_div(-origin, dilation)), min(size, ceil_div(in - origin, dilation)),
                   min(size, ceil_div(in + w->pad_end[d] - origin, dilation)));
}

inline int taps_inside(int3 t)
{
    return max(t.s1 - t.s0, 0);
}

/* What a tap adds to the sum of powers, and what the sum becomes. */
#define POWER(v, p) ((p) == 2 ? (v) * (v) : (p) == 1 ? fabs(v) : pown(fabs(v), p))
#define ROOT(v, p) ((p) == 2 ? sqrt(v) : (p) == 1 ? (v) : pow(v, 1.0f / (p)))

#define AREA(d) ((d)[0] * (d)[1] * (d)[2])

/* What one output is divided by along dimension d. */
inline int pool_count(const struct Window *w, int d, int origin)
{
    if (origin >= 0 && origin < w->in[d] - (w->kernel_[d] - 1) * w->dilation[d])
        return w->kernel_[d];
    int3 t = taps(w, d, origin);
    return w->count_pad ? t.s2 : taps_inside(t);
}

/* One work-item for each output of PLAIN planes, for devices whose work-items run in step.
 * Global: (columns, rows of all depths, planes). */
kernel void pool_element(global const float *x, ulong x_at, global float *y, ulong y_at, struct Window w, int mode)
{
    int ox = get_global_id(0), line = get_global_id(1), plane = get_global_id(2);
    if (ox >= w.out[2] || line >= w.out[0] * w.out[1])
        return;
    int z0 = line / w.out[1] * w.stride[0] - w.pad_begin[0], y0 = line % w.out[1] * w.stride[1] - w.pad_begin[1];
    int x0 = ox * w.stride[2] - w.pad_begin[2];
    int3 tz = taps(&w, 0, z0), ty = taps(&w, 1, y0), tx = taps(&w, 2, x0);
    global const float *from = AT(const float, x, x_at) + plane * AREA(w.in);
    float acc = mode == POOL_MAX ? -INFINITY : 0.0f;
    for (int kz = tz.s0; kz < tz.s1; kz++)
        for (int ky = ty.s0; ky < ty.s1; ky++)
            for (int kx = tx.s0; kx < tx.s1; kx++) {
                int at = (z0 + kz * w.dilation[0]) * w.in[1] + y0 + ky * w.dilation[1];
                float v = from[at * w.in[2] + x0 + kx * w.dilation[2]];
                acc = mode == POOL_MAX ? (v > acc ? v : acc) : acc + (mode == POOL_AVG ? v : POWER(v, w.p));
            }
    int count = pool_count(&w, 0, z0) * pool_count(&w, 1, y0) * pool_count(&w, 2, x0);
    if (mode == POOL_LP)
        acc = ROOT(acc, w.p);
    else if (mode == POOL_AVG && count > 0)
        acc /= (float) count;
    AT(float, y, y_at)[(plane * w.out[0] * w.out[1] + line) * w.out[2] + ox] = acc;
}

/* The first maximum of a window and where it stands in its plane, -1 when the window sees padding only. */
inline float max_at(global const float *x, const struct Window *w, int z0, int y0, int x0, int *at)
{
    int3 tz = taps(w, 0, z0), ty = taps(w, 1, y0), tx = taps(w, 2, x0);
    float best = -INFINITY;
    *at = -1;
    for (int kz = tz.s0; kz < tz.s1; kz++)
        for (int ky = ty.s0; ky < ty.s1; ky++)
            for (int kx = tx.s0; kx < tx.s1; kx++) {
                int iz = z0 + kz * w->dilation[0], iy = y0 + ky * w->dilation[1], ix = x0 + kx * w->dilation[2];
                float v = x[(iz * w->in[1] + iy) * w->in[2] + ix];
                if (*at >= 0 && !(v > best) && !(isnan(v) && !isnan(best)))
                    continue;
                best = v;
                *at = w->column_major ? (ix * w->in[1] + iy) * w->in[0] + iz : (iz * w->in[1] + iy) * w->in[2] + ix;
            }
    return best;
}

/* Global: as above. */
kernel void pool_max_index(global float *x, ulong x_at, global float *y, ulong y_at, struct Window w,
                           global long *index, ulong index_at)
{
    int o = get_global_id(0) * w.rows, end = min(o + w.rows, w.out[0] * w.out[1]), plane = get_global_id(1);
    if (plane >= w.planes)
        return;
    int first = plane * AREA(w.in);
    global float *to = AT(float, y, y_at) + plane * AREA(w.out);
    global long *to_index = AT(long, index, index_at) + plane * AREA(w.out);
    for (; o < end; o++)
        for (int ox = 0; ox < w.out[2]; ox++) {
            int at, z0 = o / w.out[1] * w.stride[0] - w.pad_begin[0], y0 = o % w.out[1] * w.stride[1] - w.pad_begin[1];
            to[o * w.out[2] + ox] = max_at(AT(float, x, x_at) + first, &w, z0, y0, ox * w.stride[2] - w.pad_begin[2],
                                           &at);
            to_index[o * w.out[2] + ox] = at < 0 ? -1 : first + at;
        }
}

/* ---- MaxUnpool: zeros first, then each element at its place. Global: groups of `per_item` elements. ---- */

kernel void unpool_clear(global float *y, ulong y_at, int n, int per_item)
{
    int first = get_global_id(0) * per_item, end = min(first + per_item, n);
    for (int i = first; i < end; i++)
        AT(float, y, y_at)[i] = 0.0f;
}

/* A place outside cannot be reported from here; nothing is written then. */
kernel void unpool_scatter(global const float *x, ulong x_at, global const long *index, ulong index_at, global float *y,
                           ulong y_at, int n, int places, int per_item)
{
    int first = get_global_id(0) * per_item, end = min(first + per_item, n);
    for (int i = first; i < end; i++) {
        long at = AT(const long, index, index_at)[i];
        if (at >= 0 && at < places)
            AT(float, y, y_at)[at] = AT(const float, x, x_at)[i];
    }
}
