/* Pooling by lines: the rows of a window are joined column by column into a line in private memory, then the line's
 * columns into outputs, so that a window of k by k costs 2k and not k*k. What lies outside the image stands in the
 * line as what joins without effect; there are no tests for borders.
 *
 * A line is POOL_LINE columns, which several outputs share. A window wider than that is joined in pieces, one output at
 * a time. This text stands in the program twice: for blocks of V channels, then for PLAIN planes.
 */
#ifndef PIXEL
#define POOL_LINE 64
#define PIXEL VF
#define PIXEL_FLOATS V
#define LOAD_PIXEL(i, p) LOADV(i, p)
#define STORE_PIXEL(v, i, p) STOREV(v, i, p)
#define POOL_NAME(name) CAT(name, _blocks)
#else
#undef PIXEL
#undef PIXEL_FLOATS
#undef LOAD_PIXEL
#undef STORE_PIXEL
#undef POOL_NAME
#define PIXEL float
#define PIXEL_FLOATS 1
#define LOAD_PIXEL(i, p) ((p)[i])
#define STORE_PIXEL(v, i, p) ((p)[i] = (v))
#define POOL_NAME(name) CAT(name, _plain)
#endif

/* A NaN wins no maximum. */
inline PIXEL POOL_NAME(join)(PIXEL sum, PIXEL v, int mode)
{
    return mode != POOL_MAX ? sum + v : v > sum ? v : sum;
}

/* Joins to[i] with the first `taps` of tap(i, k), for from <= i < end; three at a time, to pass seldom over `to`. */
#ifndef POOL_TAPS
#define POOL_TAPS(to, from, end, taps, tap)                                 \
    {                                                                       \
        int k = 0;                                                          \
        for (; k + 2 < (taps); k += 3)                                      \
            for (int i = (from); i < (end); i++) {                          \
                PIXEL next = POOL_NAME(join)((to)[i], tap(i, k), mode);     \
                next = POOL_NAME(join)(next, tap(i, k + 1), mode);          \
                (to)[i] = POOL_NAME(join)(next, tap(i, k + 2), mode);       \
            }                                                               \
        for (; k < (taps); k++)                                             \
            for (int i = (from); i < (end); i++)                            \
                (to)[i] = POOL_NAME(join)((to)[i], tap(i, k), mode);        \
    }
#endif

inline void POOL_NAME(clear)(PIXEL *v, int n, int mode)
{
    for (int i = 0; i < n; i++)
        v[i] = mode == POOL_MAX ? -INFINITY : 0.0f;
}

/* Column `left` of the image and the n - 1 next, over the rows of the window that starts at (z0, y0). */
INLINE void POOL_NAME(line)(PIXEL *line, int n, global const float *x, const struct Window *w, int z0, int y0,
                            int left, const int mode)
{
    int3 tz = taps(w, 0, z0), ty = taps(w, 1, y0);
    int from = max(0, -left), end = min(n, w->in[2] - left);
    long row = (long) w->dilation[1] * w->in[2];
    POOL_NAME(clear)(line, n, mode);
    for (int kz = tz.s0; kz < tz.s1; kz++) {
        long first = (long) (z0 + kz * w->dilation[0]) * w->in[1] + y0 + ty.s0 * w->dilation[1];
        global const float *p = x + (first * w->in[2] + left) * PIXEL_FLOATS;
#define ROW_TAP(i, k) LOAD_PIXEL((i) + (k) * row, p)
#define ROW_POWER(i, k) POWER(ROW_TAP(i, k), w->p)
        if (mode == POOL_LP)
            POOL_TAPS(line, from, end, ty.s1 - ty.s0, ROW_POWER)
        else
            POOL_TAPS(line, from, end, ty.s1 - ty.s0, ROW_TAP)
    }
}

/* Outputs first..first + n - 1 of a row, in pieces of the window that the line has room for; more than one output
 * only where the whole window is one piece. */
INLINE void POOL_NAME(outputs)(PIXEL *sum, int n, global const float *x, const struct Window *w, int z0, int y0,
                               int first, const int mode)
{
    PIXEL line[POOL_LINE];
    int origin = first * w->stride[2] - w->pad_begin[2], stride = w->stride[2], step = w->dilation[2];
    int3 tx = taps(w, 2, origin);
    int k0 = n > 1 ? 0 : tx.s0, k1 = n > 1 ? w->kernel_[2] : tx.s1, most = (POOL_LINE - 1) / step + 1;
    POOL_NAME(clear)(sum, n, mode);
    for (; k0 < k1; k0 += most) {
        int piece = min(most, k1 - k0);
        POOL_NAME(line)(line, (n - 1) * stride + (piece - 1) * step + 1, x, w, z0, y0, origin + k0 * step, mode);
#define LINE_TAP(i, k) line[(i) * stride + (k) * step]
        POOL_TAPS(sum, 0, n, piece, LINE_TAP)
    }
}

INLINE PIXEL POOL_NAME(finish)(PIXEL sum, const struct Window *w, int z0, int y0, int x0, const int mode)
{
    if (mode == POOL_LP)
        return ROOT(sum, w->p);
    int count = mode == POOL_AVG ? pool_count(w, 0, z0) * pool_count(w, 1, y0) * pool_count(w, 2, x0) : 0;
    return count > 0 ? sum / (float) count : sum;
}

/* One group of output rows of one plane. */
/* The maximum of k x k pixels from p on. */
INLINE PIXEL POOL_NAME(max_of)(global const float *p, long width, const int k)
{
    PIXEL best = -INFINITY;
    #pragma unroll
    for (int y = 0; y < k; y++) {
        #pragma unroll
        for (int x = 0; x < k; x++)
            best = POOL_NAME(join)(best, LOAD_PIXEL(y * width + x, p), POOL_MAX);
    }
    return best;
}

/* Maxima of outputs first..end-1 of a row, all of whose windows lie inside; to and p are those of output 0. */
INLINE void POOL_NAME(max_row)(global float *to, global const float *p, int first, int end, const struct Window *w)
{
    const int step = w->stride[2] * PIXEL_FLOATS;
    if (w->kernel_[2] == 2) {
        for (int i = first; i < end; i++)
            STORE_PIXEL(POOL_NAME(max_of)(p + i * step, w->in[2], 2), i, to);
    } else {
        for (int i = first; i < end; i++)
            STORE_PIXEL(POOL_NAME(max_of)(p + i * step, w->in[2], 3), i, to);
    }
}

/* Windows that max_row knows. */
inline int POOL_NAME(is_small)(const struct Window *w)
{
    int k = w->kernel_[2];
    return (k == 2 || k == 3) && w->kernel_[1] == k && w->kernel_[0] == 1 && w->dilation[1] == 1 && w->dilation[2] == 1 &&
           w->pad_begin[0] == 0 && w->in[0] == w->out[0] && w->stride[0] == 1;
}

INLINE void POOL_NAME(pool)(global const float *x, global float *y, const struct Window *w, int group, int plane,
                            const int mode)
{
    int o = group * w->rows, end = min(o + w->rows, w->out[0] * w->out[1]);
    long reach = (w->kernel_[2] - 1l) * w->dilation[2];
    int at_once = reach < POOL_LINE ? (POOL_LINE - 1 - (int) reach) / w->stride[2] + 1 : 1;
    if (plane >= w->planes)
        return;
    x += plane * AREA(w->in) * PIXEL_FLOATS;
    y += plane * AREA(w->out) * PIXEL_FLOATS;
    const int small = mode == POOL_MAX && POOL_NAME(is_small)(w);
    const int lo = (w->pad_begin[2] + w->stride[2] - 1) / w->stride[2];
    const int room = w->in[2] - w->kernel_[2] + w->pad_begin[2];
    const int hi = room < 0 ? 0 : min(w->out[2], room / w->stride[2] + 1);
    for (; o < end; o++) {
        int z0 = o / w->out[1] * w->stride[0] - w->pad_begin[0], y0 = o % w->out[1] * w->stride[1] - w->pad_begin[1];
        const int inner = small && lo < hi && y0 >= 0 && y0 + w->kernel_[1] <= w->in[1];
        if (inner)
            POOL_NAME(max_row)(y + (long) o * w->out[2] * PIXEL_FLOATS,
                               x + (((long) z0 * w->in[1] + y0) * w->in[2] - w->pad_begin[2]) * PIXEL_FLOATS, lo, hi, w);
        for (int n, ox = 0; ox < w->out[2]; ox += n) {
            PIXEL sum[POOL_LINE];
            if (inner && ox == lo) {
                n = hi - lo;
                continue;
            }
            n = min(at_once, (inner && ox < lo ? lo : w->out[2]) - ox);
            POOL_NAME(outputs)(sum, n, x, w, z0, y0, ox, mode);
            for (int i = 0; i < n; i++)
                STORE_PIXEL(POOL_NAME(finish)(sum[i], w, z0, y0, (ox + i) * w->stride[2] - w->pad_begin[2], mode),
                            o * w->out[2] + ox + i, y);
        }
    }
}

/* Global: (groups of output rows of all depths, planes); a plane is a channel, or a block of them. */
kernel void POOL_NAME(pool_max)(global const float *x, ulong x_at, global float *y, ulong y_at, struct Window w)
{
    POOL_NAME(pool)(AT(const float, x, x_at), AT(float, y, y_at), &w, get_global_id(0), get_global_id(1), POOL_MAX);
}

kernel void POOL_NAME(pool_avg)(global const float *x, ulong x_at, global float *y, ulong y_at, struct Window w)
{
    POOL_NAME(pool)(AT(const float, x, x_at), AT(float, y, y_at), &w, get_global_id(0), get_global_id(1), POOL_AVG);
}

kernel void POOL_NAME(pool_lp)(global const float *x, ulong x_at, global float *y, ulong y_at, struct Window w)
{
    POOL_NAME(pool)(AT(const float, x, x_at), AT(float, y, y_at), &w, get_global_id(0), get_global_id(1), POOL_LP);
}

#undef ROW_TAP
#undef ROW_POWER
#undef LINE_TAP
