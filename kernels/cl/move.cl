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
