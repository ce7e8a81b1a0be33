/* Pooling windows. The taps that lie in the image are found once per output, so that the loop over them has no
 * branch.
 */
struct Window {
    int in_h, in_w, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right, count_pad;
};

enum { POOL_MAX, POOL_AVG, POOL_L2 };

inline int ceil_div(int a, int b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* First tap inside, end of the taps inside, end of the taps inside or in the explicit padding. */
inline int3 taps(int origin, int in, int kernel_size, int dilation, int pad_end)
{
    return (int3) (max(0, ceil_div(-origin, dilation)), min(kernel_size, ceil_div(in - origin, dilation)),
                   min(kernel_size, ceil_div(in + pad_end - origin, dilation)));
}

#define POOL_ONE(NAME, TYPE, WIDTH, LOAD)                                                                   \
    inline TYPE NAME(global const float *x, const struct Window *w, int oy, int ox, int mode)               \
    {                                                                                                       \
        int y0 = oy * w->stride_h - w->pad_top, x0 = ox * w->stride_w - w->pad_left;                        \
        int3 ty = taps(y0, w->in_h, w->kernel_h, w->dilation_h, w->pad_bottom);                             \
        int3 tx = taps(x0, w->in_w, w->kernel_w, w->dilation_w, w->pad_right);                              \
        TYPE acc = (TYPE) (mode == POOL_MAX ? -INFINITY : 0.0f);                                            \
        for (int ky = ty.s0; ky < ty.s1; ky++) {                                                            \
            global const float *row = x + ((y0 + ky * w->dilation_h) * w->in_w + x0) * WIDTH;               \
            for (int kx = tx.s0; kx < tx.s1; kx++) {                                                        \
                TYPE v = LOAD(row + kx * w->dilation_w * WIDTH);                                            \
                acc = mode == POOL_MAX ? fmax(acc, v) : mode == POOL_AVG ? acc + v : fma(v, v, acc);        \
            }                                                                                               \
        }                                                                                                   \
        if (mode == POOL_L2)                                                                                \
            return sqrt(acc);                                                                               \
        if (mode == POOL_MAX)                                                                               \
            return acc;                                                                                     \
        int count = w->count_pad ? ty.s2 * tx.s2 : max(ty.s1 - ty.s0, 0) * max(tx.s1 - tx.s0, 0);           \
        return count > 0 ? acc / (float) count : acc;                                                       \
    }

#define LOAD_BLOCK(p) LOADV(0, p)
#define STORE_BLOCK(v, p) STOREV(v, 0, p)
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))

POOL_ONE(pool_block, VF, V, LOAD_BLOCK)
POOL_ONE(pool_plain, float, 1, LOAD_ONE)

/* Global: (groups of `rows` output rows, planes); a plane is a channel, or a block of them. */
#define POOL_KERNEL(NAME, ONE, WIDTH, STORE, MODE)                                                          \
    kernel void NAME(global float *x, ulong x_at, global float *y, ulong y_at, struct Window w, int planes, int rows) \
    {                                                                                                       \
        int oy = get_global_id(0) * rows, end = min(oy + rows, w.out_h), plane = get_global_id(1);          \
        if (plane >= planes)                                                                                \
            return;                                                                                         \
        global const float *from = AT(float, x, x_at) + plane * w.in_h * w.in_w * WIDTH;                    \
        global float *to = AT(float, y, y_at) + plane * w.out_h * w.out_w * WIDTH;                          \
        for (; oy < end; oy++)                                                                              \
            for (int ox = 0; ox < w.out_w; ox++)                                                            \
                STORE(ONE(from, &w, oy, ox, MODE), to + (oy * w.out_w + ox) * WIDTH);                       \
    }

POOL_KERNEL(pool_max_blocks, pool_block, V, STORE_BLOCK, POOL_MAX)
POOL_KERNEL(pool_avg_blocks, pool_block, V, STORE_BLOCK, POOL_AVG)
POOL_KERNEL(pool_l2_blocks, pool_block, V, STORE_BLOCK, POOL_L2)
POOL_KERNEL(pool_max_plain, pool_plain, 1, STORE_ONE, POOL_MAX)
POOL_KERNEL(pool_avg_plain, pool_plain, 1, STORE_ONE, POOL_AVG)
POOL_KERNEL(pool_l2_plain, pool_plain, 1, STORE_ONE, POOL_L2)
