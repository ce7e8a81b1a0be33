/* Convolution and matrix product of bytes with sums in int ("Sums of integers" in kernels/op.h).
 *
 * -DTX=, -DTW=: the factors' types; -DTY=: the result's, with its range -DLO=, -DHI= where it has 8 bits, with
 * -DREAL where it is a float. Lanes are V neighbouring results of a row; TILE output channels, or rows of a product,
 * share each vector of input.
 */
#define TILE 4

/* As conv3_geom in kernels/cl/conv_generic.cl. */
typedef struct {
    int n, c, m, group;
    int in[3], out[3], k[3], s[3], d[3], p[3];   /* depth, height, width */
    int act, act_first;
    float act_a, act_b;
} conv3_geom;

/* Value i of an optional input that has one for all (count 1) or one for each i. */
#define VALUE(type, base, offset, count, i, otherwise) \
    ((base) ? AT(const type, base, offset)[(count) > 1 ? (i) : 0] : (otherwise))

inline TY result(int sum, float scale, int zero)
{
#if defined(LO)
    float v = rint((float) sum * scale);
    return (TY) ((int) fmin(fmax(v, (float) (LO - zero)), (float) (HI - zero)) + zero);
#elif defined(REAL)
    return (float) sum * scale;
#else
    return sum;
#endif
}

/* row[first + l*step] - x_zero for the lanes whose position lies in the row, 0 for the others. */
inline VI row_at(global const TX *row, int first, int step, int length, int x_zero)
{
    if (step == 1 && first >= 0 && first + V <= length)
        return CONVERT_VI(LOADV(0, row + first)) - x_zero;
    int lane[V];
    for (int l = 0; l < V; l++) {
        int at = first + l * step;
        lane[l] = (uint) at < (uint) length ? row[at] - x_zero : 0;
    }
    return LOADV(0, lane);
}

/* global: (output rows of all depths, tiles of channels, images). */
kernel void conv_int(global const TX *xb, ulong xo, global const TW *wb, ulong wo, global const TX *xzb, ulong xzo,
                     global const TW *wzb, ulong wzo, global const int *bb, ulong bo, global const float *sb, ulong so,
                     global const TY *yzb, ulong yzo, global TY *yb, ulong yo, conv3_geom g, int w_zeros, int scales)
{
    int per_group = g.m / g.group, tiles = (per_group + TILE - 1) / TILE, group = get_global_id(1) / tiles;
    int tile = get_global_id(1) % tiles * TILE, count = min(TILE, per_group - tile), m0 = group * per_group + tile;
    int n = get_global_id(2), oz = get_global_id(0) / g.out[1], oy = get_global_id(0) % g.out[1];
    int channels = g.c / g.group, taps = g.k[0] * g.k[1] * g.k[2], in_area = g.in[0] * g.in[1] * g.in[2];
    int x_zero = VALUE(TX, xzb, xzo, 1, 0, 0), y_zero = VALUE(TY, yzb, yzo, 1, 0, 0), w_zero[TILE];
    global const TX *x = AT(const TX, xb, xo) + ((long) n * g.c + group * channels) * in_area;
    global const TW *w[TILE];
    for (int m = 0; m < TILE; m++) {
        int from = m0 + min(m, count - 1);
        w[m] = AT(const TW, wb, wo) + (long) from * channels * taps;
        w_zero[m] = VALUE(TW, wzb, wzo, w_zeros, from, 0);
    }
    for (int first = 0; first < g.out[2]; first += V) {
        VI acc[TILE];
        for (int m = 0; m < TILE; m++)
            acc[m] = VALUE(int, bb, bo, 2, m0 + min(m, count - 1), 0);
        for (int c = 0; c < channels; c++)
            for (int tap = 0; tap < taps; tap++) {
                int iz = oz * g.s[0] - g.p[0] + tap / (g.k[1] * g.k[2]) * g.d[0];
                int iy = oy * g.s[1] - g.p[1] + tap / g.k[2] % g.k[1] * g.d[1];
                int ix = first * g.s[2] - g.p[2] + tap % g.k[2] * g.d[2];
                if ((uint) iz >= (uint) g.in[0] || (uint) iy >= (uint) g.in[1])
                    continue;
                VI v = row_at(x + (long) c * in_area + (iz * g.in[1] + iy) * g.in[2], ix, g.s[2], g.in[2], x_zero);
                #pragma unroll
                for (int m = 0; m < TILE; m++)
                    acc[m] += v * (w[m][c * taps + tap] - w_zero[m]);
            }
        for (int m = 0; m < count; m++) {
            long row = ((long) n * g.m + m0 + m) * g.out[0] * g.out[1] + get_global_id(0);
            global TY *y = AT(TY, yb, yo) + row * g.out[2];
            float scale = VALUE(float, sb, so, scales, m0 + m, 1);
            for (int l = 0; l < min(V, g.out[2] - first); l++)
                y[first + l] = result(((int *) &acc[m])[l], scale, y_zero);
        }
    }
}

/* global: (vectors of columns, tiles of rows, batches); a_step and b_step: elements between the matrices of two
 * batches. */
kernel void matmul_int(global const TX *ab, ulong ao, global const TW *bb, ulong bo, global const TX *azb, ulong azo,
                       global const TW *bzb, ulong bzo, global const int *cb, ulong co, global const float *sb,
                       ulong so, global const TY *yzb, ulong yzo, global TY *yb, ulong yo, int rows, int columns,
                       int depth, int a_step, int b_step, int a_zeros, int b_zeros, int scales)
{
    int row = get_global_id(1) * TILE, batch = get_global_id(2), first = get_global_id(0) * V;
    int n = min(V, columns - first), count = min(TILE, rows - row), lane[V], a_zero[TILE];
    global const TX *a[TILE];
    global const TW *b = AT(const TW, bb, bo) + (long) batch * b_step + first;
    VI acc[TILE], b_zero;
    for (int l = 0; l < V; l++)
        lane[l] = VALUE(TW, bzb, bzo, b_zeros, first + min(l, n - 1), 0);
    b_zero = LOADV(0, lane);
    for (int l = 0; l < V; l++)
        lane[l] = VALUE(int, cb, co, 2, first + min(l, n - 1), 0);
    for (int r = 0; r < TILE; r++) {
        int from = row + min(r, count - 1);
        a[r] = AT(const TX, ab, ao) + (long) batch * a_step + (long) from * depth;
        a_zero[r] = VALUE(TX, azb, azo, a_zeros, from, 0);
        acc[r] = LOADV(0, lane);
    }
    for (int k = 0; k < depth; k++, b += columns) {
        for (int l = 0; l < V && n < V; l++)
            lane[l] = b[min(l, n - 1)];
        VI v = (n < V ? LOADV(0, lane) : CONVERT_VI(LOADV(0, b))) - b_zero;
        #pragma unroll
        for (int r = 0; r < TILE; r++)
            acc[r] += v * (a[r][k] - a_zero[r]);
    }
    int y_zero = VALUE(TY, yzb, yzo, 1, 0, 0);
    for (int r = 0; r < count; r++) {
        global TY *y = AT(TY, yb, yo) + ((long) batch * rows + row + r) * columns + first;
        for (int l = 0; l < n; l++)
            y[l] = result(((int *) &acc[r])[l], VALUE(float, sb, so, scales, first + l, 1), y_zero);
    }
}
