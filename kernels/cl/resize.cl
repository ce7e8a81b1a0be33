/* Resizing the last two dimensions with tables made at load: for every output row, then for every output column,
 * the lower input position, the upper one and the weight of the upper.
 */
struct Resize {
    int in_h, in_w, out_h, out_w, planes, rows;
};

#define LOAD_BLOCK(p) LOADV(0, p)
#define STORE_BLOCK(v, p) STOREV(v, 0, p)
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))

/* Global: (groups of `rows` output rows, planes); a plane is a channel, or a block of them. */
#define RESIZE_HEAD(WIDTH)                                                                                  \
    int oy = get_global_id(0) * r.rows, end = min(oy + r.rows, r.out_h), plane = get_global_id(1);          \
    if (plane >= r.planes)                                                                                  \
        return;                                                                                             \
    int taps = r.out_h + r.out_w;                                                                           \
    global const int *low = AT(int, table, table_at), *high = low + taps;                                   \
    global const float *weight = (global const float *) (high + taps);                                      \
    global const float *from = AT(float, x, x_at) + plane * r.in_h * r.in_w * WIDTH;                        \
    global float *to = AT(float, y, y_at) + plane * r.out_h * r.out_w * WIDTH;

#define NEAREST_KERNEL(NAME, WIDTH, LOAD, STORE)                                                            \
    kernel void NAME(global float *x, ulong x_at, global int *table, ulong table_at, global float *y, ulong y_at, \
                     struct Resize r)                                                                       \
    {                                                                                                       \
        RESIZE_HEAD(WIDTH)                                                                                  \
        for (; oy < end; oy++) {                                                                            \
            global const float *row = from + low[oy] * r.in_w * WIDTH;                                      \
            for (int ox = 0; ox < r.out_w; ox++)                                                            \
                STORE(LOAD(row + low[r.out_h + ox] * WIDTH), to + (oy * r.out_w + ox) * WIDTH);             \
        }                                                                                                   \
    }

#define LINEAR_KERNEL(NAME, TYPE, WIDTH, LOAD, STORE)                                                       \
    kernel void NAME(global float *x, ulong x_at, global int *table, ulong table_at, global float *y, ulong y_at, \
                     struct Resize r)                                                                       \
    {                                                                                                       \
        RESIZE_HEAD(WIDTH)                                                                                  \
        for (; oy < end; oy++) {                                                                            \
            global const float *upper = from + low[oy] * r.in_w * WIDTH;                                    \
            global const float *lower = from + high[oy] * r.in_w * WIDTH;                                   \
            float wy = weight[oy];                                                                          \
            for (int ox = 0; ox < r.out_w; ox++) {                                                          \
                int x0 = low[r.out_h + ox] * WIDTH, x1 = high[r.out_h + ox] * WIDTH;                        \
                float wx = weight[r.out_h + ox];                                                            \
                TYPE top = LOAD(upper + x0) * (1.0f - wx) + LOAD(upper + x1) * wx;                          \
                TYPE bottom = LOAD(lower + x0) * (1.0f - wx) + LOAD(lower + x1) * wx;                       \
                STORE(top * (1.0f - wy) + bottom * wy, to + (oy * r.out_w + ox) * WIDTH);                   \
            }                                                                                               \
        }                                                                                                   \
    }

NEAREST_KERNEL(resize_nearest_blocks, V, LOAD_BLOCK, STORE_BLOCK)
NEAREST_KERNEL(resize_nearest_plain, 1, LOAD_ONE, STORE_ONE)
LINEAR_KERNEL(resize_linear_blocks, VF, V, LOAD_BLOCK, STORE_BLOCK)
LINEAR_KERNEL(resize_linear_plain, float, 1, LOAD_ONE, STORE_ONE)
