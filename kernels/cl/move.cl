/* Moving elements of any type of one width. -DT=uchar, ushort, uint or ulong. */
typedef CAT(T, V) TV;

/* Tensors of the nest: source, destination. */
kernel void move_rows(global T *x, ulong x_at, global T *y, ulong y_at, struct Nest nest)
{
    x = AT(T, x, x_at);
    y = AT(T, y, y_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n, i = 0;
        int4 at = walk.at;
        global const T *from = x + at.s0;
        global T *to = y + at.s1;
        if (nest.step[0] == 1 && nest.step[1] == 1)
            for (; i + V <= n; i += V)
                STOREV(LOADV(0, from + i), 0, to + i);
        else if (nest.step[0] == 2 && nest.step[1] == 1)
            for (; i + V < n; i += V)     /* every other element; the last loaded belongs to the next vector */
                STOREV((TV) (LOADV(0, from + 2 * i).even, LOADV(1, from + 2 * i).even), 0, to + i);
        for (; i < n; i++)
            to[i * nest.step[1]] = from[i * nest.step[0]];
    }
}

/* Fills storage with one element, or zero where there is none. Tensor of the nest: y. */
kernel void move_fill(global T *value, ulong value_at, global T *y, ulong y_at, struct Nest nest)
{
    T v = value ? *AT(T, value, value_at) : 0;
    y = AT(T, y, y_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n, i = 0;
        global T *to = y + walk.at.s0;
        for (; i + V <= n; i += V)
            STOREV((TV) (v), 0, to + i);
        for (; i < n; i++)
            to[i] = v;
    }
}

/* Channels first..first+count-1 of a BLOCKED x to channels of a BLOCKED y that start at another lane. Global:
 * (count, images). */
kernel void move_lanes(global T *x, ulong x_at, global T *y, ulong y_at, int count, int images, int area, int x_blocks,
                       int x_first, int y_blocks, int y_first)
{
    int c = get_global_id(0), image = get_global_id(1);
    if (c >= count || image >= images)
        return;
    int from_channel = x_first + c, to_channel = y_first + c;
    global const T *from = AT(T, x, x_at) + (image * x_blocks + from_channel / V) * area * V + from_channel % V;
    global T *to = AT(T, y, y_at) + (image * y_blocks + to_channel / V) * area * V + to_channel % V;
    for (int i = 0; i < area; i++)
        to[i * V] = from[i * V];
}

/* Global: rows / per_item; a row is one of outer*count runs of `inner` elements. Indices outside are clamped. */
kernel void gather_rows(global T *x, ulong x_at, global void *indices, ulong indices_at, global T *y, ulong y_at,
                        int wide, int rows, int per_item, int n, int count, int inner)
{
    global const int *narrow_index = AT(int, indices, indices_at);
    global const long *wide_index = AT(long, indices, indices_at);
    x = AT(T, x, x_at);
    y = AT(T, y, y_at);
    int row = get_global_id(0) * per_item, end = min(row + per_item, rows);
    for (; row < end; row++) {
        int k = row % count, i = 0;
        long index = wide ? wide_index[k] : narrow_index[k];
        index = clamp(index < 0 ? index + n : index, 0L, (long) (n - 1));
        global const T *from = x + (row / count * n + index) * inner;
        global T *to = y + row * inner;
        for (; i + V <= inner; i += V)
            STOREV(LOADV(0, from + i), 0, to + i);
        for (; i < inner; i++)
            to[i] = from[i];
    }
}

/* Where a channel of y comes from: `source` is one of the pointers, `channel` is counted in it. */
struct Origin { int source, channel; };

struct Select {
    int area, per_item, channels;      /* of y */
    int x_channels[16];                /* per source; BLOCKED: a multiple of V */
};

#define SOURCES \
    global T *x0, ulong a0, global T *x1, ulong a1, global T *x2, ulong a2, global T *x3, ulong a3, \
    global T *x4, ulong a4, global T *x5, ulong a5, global T *x6, ulong a6, global T *x7, ulong a7, \
    global T *x8, ulong a8, global T *x9, ulong a9, global T *x10, ulong a10, global T *x11, ulong a11, \
    global T *x12, ulong a12, global T *x13, ulong a13, global T *x14, ulong a14, global T *x15, ulong a15

#define SOURCE_LIST { \
    AT(T, x0, a0), AT(T, x1, a1), AT(T, x2, a2), AT(T, x3, a3), AT(T, x4, a4), AT(T, x5, a5), AT(T, x6, a6), \
    AT(T, x7, a7), AT(T, x8, a8), AT(T, x9, a9), AT(T, x10, a10), AT(T, x11, a11), AT(T, x12, a12), \
    AT(T, x13, a13), AT(T, x14, a14), AT(T, x15, a15) }

/* BLOCKED channels of several tensors, one vector of y after another. `table` has an entry for every lane of y. Global:
 * (runs of per_item pixels, blocks of y, images). */
kernel void select_lanes(global struct Origin *table, ulong table_at, global T *y, ulong y_at, struct Select s, SOURCES)
{
    global T *const sources[16] = SOURCE_LIST;
    int block = get_global_id(1), image = get_global_id(2), blocks = (s.channels + V - 1) / V;
    int first = get_global_id(0) * s.per_item, end = min(first + s.per_item, s.area);
    if (block >= blocks)
        return;
    global const T *from[V];
    table = AT(struct Origin, table, table_at) + block * V;
    #pragma unroll
    for (int lane = 0; lane < V; lane++) {
        struct Origin o = table[lane];
        from[lane] = sources[o.source] + (image * s.x_channels[o.source] + o.channel / V * V) * s.area + o.channel % V;
    }
    y = AT(T, y, y_at) + (image * blocks + block) * s.area * V;
    for (int i = first; i < end; i++) {
        TV v = 0;
        #pragma unroll
        for (int lane = 0; lane < V; lane++)
            ((T *) &v)[lane] = from[lane][i * V];
        STOREV(v, i, y);
    }
}

/* The same for PLAIN. Global: (channels of y, images). */
kernel void select_rows(global struct Origin *table, ulong table_at, global T *y, ulong y_at, struct Select s, SOURCES)
{
    global T *const sources[16] = SOURCE_LIST;
    int c = get_global_id(0), image = get_global_id(1), i = 0;
    if (c >= s.channels)
        return;
    struct Origin o = AT(struct Origin, table, table_at)[c];
    global const T *from = sources[o.source] + (image * s.x_channels[o.source] + o.channel) * s.area;
    y = AT(T, y, y_at) + (image * s.channels + c) * s.area;
    for (; i + V <= s.area; i += V)
        STOREV(LOADV(0, from + i), 0, y + i);
    for (; i < s.area; i++)
        y[i] = from[i];
}

/* Tensors of the nest: condition, a, b, y. */
kernel void where_rows(global uchar *condition, ulong condition_at, global T *a, ulong a_at, global T *b, ulong b_at,
                       global T *y, ulong y_at, struct Nest nest)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        global const uchar *pc = AT(uchar, condition, condition_at) + at.s0;
        global const T *pa = AT(T, a, a_at) + at.s1, *pb = AT(T, b, b_at) + at.s2;
        global T *to = AT(T, y, y_at) + at.s3;
        for (int i = 0; i < n; i++)
            to[i] = pc[i * nest.step[0]] ? pa[i * nest.step[1]] : pb[i * nest.step[2]];
    }
}

/* Tensors of the nest: x without its axis (stride 0), indices, y. Indices outside of the axis' n are clamped. */
kernel void gather_elements(global T *x, ulong x_at, global void *indices, ulong indices_at, global T *y, ulong y_at,
                            struct Nest nest, int wide, int n, int stride)
{
    global const int *narrow_index = AT(int, indices, indices_at);
    global const long *wide_index = AT(long, indices, indices_at);
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int length = walk.n;
        int4 at = walk.at;
        for (int i = 0; i < length; i++) {
            int k = at.s1 + i * nest.step[1];
            long index = wide ? wide_index[k] : narrow_index[k];
            index = clamp(index < 0 ? index + n : index, 0L, (long) (n - 1));
            AT(T, y, y_at)[at.s2 + i * nest.step[2]] =
                AT(T, x, x_at)[at.s0 + i * nest.step[0] + (int) index * stride];
        }
    }
}

/* Padding with what is in the image; modes as in enum pad_mode. `begin` may be negative. */
struct Pad {
    int mode, rank, rows, per_item;
    int x_dim[8], y_dim[8], begin[8];
};

enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

/* The coordinate in x for `i` before or behind its n elements. */
inline int pad_source(int i, int n, int mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == PAD_EDGE || n == 1)
        return clamp(i, 0, n - 1);
    int period = mode == PAD_WRAP ? n : 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

/* Global: rows of y / per_item. */
kernel void pad_rows(global T *x, ulong x_at, global T *y, ulong y_at, struct Pad p)
{
    int row = get_global_id(0) * p.per_item, end = min(row + p.per_item, p.rows), last = p.rank - 1;
    int len = p.y_dim[last], begin = p.begin[last];
    int inner = max(begin, 0), inner_end = min(len, begin + p.x_dim[last]);
    for (; row < end; row++) {
        int rest = row, from = 0, stride = p.x_dim[last];
        for (int d = last - 1; d >= 0; d--) {
            from += pad_source(rest % p.y_dim[d] - p.begin[d], p.x_dim[d], p.mode) * stride;
            rest /= p.y_dim[d];
            stride *= p.x_dim[d];
        }
        global const T *source = AT(T, x, x_at) + from;
        global T *to = AT(T, y, y_at) + row * len;
        int i = 0;
        for (; i < min(inner, len); i++)
            to[i] = source[pad_source(i - begin, p.x_dim[last], p.mode)];
        for (; i + V <= inner_end; i += V)
            STOREV(LOADV(0, source + i - begin), 0, to + i);
        for (; i < len; i++)
            to[i] = source[pad_source(i - begin, p.x_dim[last], p.mode)];
    }
}
