/* Resizing with tables made at load: for every output position of every dimension the first of the input positions
 * that make it, their number, and their weights. */
struct Resize {
    int in[3], out[3], width[3];     /* depth, height, width of images; weights per output position */
    int planes, lanes, rows, columns;
    float extrapolation;
};

#define LOAD_BLOCK(p) LOADV(0, p)
#define STORE_BLOCK(v, p) STOREV(v, 0, p)
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))
#define AREA(d) ((d)[0] * (d)[1] * (d)[2])

#define RESIZE_ARGS                                                                                         \
    global float *x, ulong x_at, global int *table, ulong table_at, global float *y, ulong y_at, struct Resize r

/* Global: (groups of `columns` output columns, groups of `rows` rows, planes); a plane is a channel, or a block of
 * them. The tables of depth have out[0] entries, those of height follow, then those of width. */
#define RESIZE_HEAD(WIDTH)                                                                                  \
    int line = get_global_id(1) * r.rows, end = min(line + r.rows, r.out[0] * r.out[1]);                    \
    int ox0 = get_global_id(0) * r.columns, ox1 = min(ox0 + r.columns, r.out[2]);                           \
    int plane = get_global_id(2);                                                                           \
    if (plane >= r.planes)                                                                                  \
        return;                                                                                             \
    global const int *first = AT(int, table, table_at), *count = first + r.out[0] + r.out[1] + r.out[2];    \
    global const float *weight = (global const float *) (count + r.out[0] + r.out[1] + r.out[2]);           \
    global const float *from = AT(float, x, x_at) + plane * AREA(r.in) * (WIDTH);                           \
    global float *to = AT(float, y, y_at) + plane * AREA(r.out) * (WIDTH);

/* Two dimensions, out[0] being 1: one input pixel each. */
#define NEAREST_KERNEL(NAME, WIDTH, LOAD, STORE)                                                            \
    kernel void NAME(RESIZE_ARGS)                                                                           \
    {                                                                                                       \
        RESIZE_HEAD(WIDTH)                                                                                  \
        global const int *column = first + 1 + r.out[1];                                                    \
        for (; line < end; line++) {                                                                        \
            global const float *row = from + first[1 + line] * r.in[2] * WIDTH;                             \
            for (int ox = ox0; ox < ox1; ox++)                                                              \
                STORE(LOAD(row + column[ox] * WIDTH), to + (line * r.out[2] + ox) * WIDTH);                 \
        }                                                                                                   \
    }

/* The same with two input pixels in each dimension, the second of weight 0 where there is only one. */
#define LINEAR_KERNEL(NAME, TYPE, WIDTH, LOAD, STORE)                                                       \
    kernel void NAME(RESIZE_ARGS)                                                                           \
    {                                                                                                       \
        RESIZE_HEAD(WIDTH)                                                                                  \
        global const int *column = first + 1 + r.out[1], *columns = count + 1 + r.out[1];                   \
        global const float *wy = weight + r.width[0], *wx = wy + r.out[1] * r.width[1];                     \
        for (; line < end; line++) {                                                                        \
            int top_row = first[1 + line], bottom_row = top_row + count[1 + line] - 1;                      \
            global const float *upper = from + top_row * r.in[2] * WIDTH;                                   \
            global const float *lower = from + bottom_row * r.in[2] * WIDTH;                                \
            float down = r.width[1] > 1 ? wy[line * r.width[1] + 1] : 0.0f;                                 \
            for (int ox = ox0; ox < ox1; ox++) {                                                            \
                int x0 = column[ox] * WIDTH, x1 = (column[ox] + columns[ox] - 1) * WIDTH;                   \
                float right = wx[ox * r.width[2] + 1];                                                      \
                TYPE top = LOAD(upper + x0) * (1.0f - right) + LOAD(upper + x1) * right;                    \
                TYPE bottom = LOAD(lower + x0) * (1.0f - right) + LOAD(lower + x1) * right;                 \
                STORE(top * (1.0f - down) + bottom * down, to + (line * r.out[2] + ox) * WIDTH);            \
            }                                                                                               \
        }                                                                                                   \
    }

/* Any number of taps in three dimensions, and lanes after them. */
#define TAPS_KERNEL(NAME, TYPE, WIDTH, LOAD, STORE)                                                         \
    kernel void NAME(RESIZE_ARGS)                                                                           \
    {                                                                                                       \
        RESIZE_HEAD(WIDTH * r.lanes)                                                                        \
        int step = WIDTH * r.lanes;                                                                         \
        for (; line < end; line++) {                                                                        \
            int oz = line / r.out[1], oy = line % r.out[1], rows = r.out[0] + oy;                           \
            global const float *wz = weight + oz * r.width[0];                                              \
            global const float *wy = weight + r.out[0] * r.width[0] + oy * r.width[1];                      \
            global const float *wx = weight + r.out[0] * r.width[0] + r.out[1] * r.width[1];                \
            wx += ox0 * r.width[2];                                                                         \
            for (int ox = ox0; ox < ox1; ox++, wx += r.width[2]) {                                          \
                int columns = r.out[0] + r.out[1] + ox;                                                     \
                bool outside = !count[oz] || !count[rows] || !count[columns];                               \
                for (int lane = 0; lane < step; lane += WIDTH) {                                            \
                    TYPE sum = (TYPE) (outside ? r.extrapolation : 0.0f);                                   \
                    for (int z = 0; z < count[oz] && !outside; z++)                                         \
                        for (int v = 0; v < count[rows]; v++) {                                             \
                            int row = (first[oz] + z) * r.in[1] + first[rows] + v;                          \
                            global const float *at = from + (row * r.in[2] + first[columns]) * step + lane; \
                            TYPE part = (TYPE) (0.0f);                                                      \
                            for (int u = 0; u < count[columns]; u++)                                        \
                                part += LOAD(at + u * step) * wx[u];                                        \
                            sum += part * (wz[z] * wy[v]);                                                  \
                        }                                                                                   \
                    STORE(sum, to + (line * r.out[2] + ox) * step + lane);                                  \
                }                                                                                           \
            }                                                                                               \
        }                                                                                                   \
    }

NEAREST_KERNEL(resize_nearest_blocks, V, LOAD_BLOCK, STORE_BLOCK)
NEAREST_KERNEL(resize_nearest_plain, 1, LOAD_ONE, STORE_ONE)
LINEAR_KERNEL(resize_linear_blocks, VF, V, LOAD_BLOCK, STORE_BLOCK)
LINEAR_KERNEL(resize_linear_plain, float, 1, LOAD_ONE, STORE_ONE)
TAPS_KERNEL(resize_taps_blocks, VF, V, LOAD_BLOCK, STORE_BLOCK)
TAPS_KERNEL(resize_taps_plain, float, 1, LOAD_ONE, STORE_ONE)
