/* Matrix product by register tiles: some rows of A times two vectors of columns of B per work-item.
 *
 * B is packed in panels of 2V columns, [panel][k][2V], zeros past the last column; A is read where it lies. The tile
 * is as high as the registers allow: 12 rows fill those of AVX-512, 6 those of AVX2.
 */
#define PANEL (2 * V)

struct Gemm {
    int m, n, k, batches;
    int a_row, a_column, a_batch;      /* strides in floats */
    int b_batch;                       /* of the packed B */
    int c_row, c_column;
    float alpha, beta;
    int act;
    float act_a, act_b;
};

struct Pack {
    int n, k, batches, row, column, batch;
};

/* Global: (panels, batches). */
kernel void gemm_pack(global float *b, ulong b_at, global float *packed, ulong packed_at, struct Pack p)
{
    int panel = get_global_id(0), batch = get_global_id(1), panels = (p.n + PANEL - 1) / PANEL;
    if (panel >= panels || batch >= p.batches)
        return;
    global const float *from = AT(float, b, b_at) + batch * p.batch;
    global float *to = AT(float, packed, packed_at) + (batch * panels + panel) * p.k * PANEL;
    int first = panel * PANEL;
    if (p.column == 1 && first + PANEL <= p.n) {
        for (int k = 0; k < p.k; k++) {
            STOREV(LOADV(0, from + k * p.row + first), 0, to + k * PANEL);
            STOREV(LOADV(1, from + k * p.row + first), 1, to + k * PANEL);
        }
        return;
    }
    for (int k = 0; k < p.k; k++)
        for (int i = 0; i < PANEL; i++) {
            int column = first + i;
            to[k * PANEL + i] = column < p.n ? from[k * p.row + column * p.column] : 0.0f;
        }
}

inline void gemm_store(VF acc, global float *y, global const float *c, const struct Gemm *g, int n)
{
    VF v = g->alpha * acc;
    if (c)
        v = fma((VF) (g->beta), nest_load(c, g->c_column, n), v);
    nest_store(act_v(v, g->act, g->act_a, g->act_b), y, n);
}

/* Global: (row tiles, panels, batches). Rows past the last are computed again and not stored. */
#define GEMM_KERNEL(NAME, HEIGHT)                                                                           \
    kernel void NAME(global float *a, ulong a_at, global WEIGHT *b, ulong b_at, global float *c, ulong c_at, \
                     global float *y, ulong y_at, struct Gemm g)                                            \
    {                                                                                                       \
        int row = get_global_id(0) * HEIGHT, panel = get_global_id(1), batch = get_global_id(2);            \
        int column = panel * PANEL, left = g.n - column;                                                    \
        if (row >= g.m || left <= 0 || batch >= g.batches)                                                  \
            return;                                                                                         \
        global const float *pa[HEIGHT];                                                                     \
        VF acc0[HEIGHT], acc1[HEIGHT];                                                                      \
        _Pragma("unroll")                                                                                   \
        for (int i = 0; i < HEIGHT; i++) {                                                                  \
            pa[i] = AT(float, a, a_at) + batch * g.a_batch + min(row + i, g.m - 1) * g.a_row;               \
            acc0[i] = acc1[i] = (VF) (0.0f);                                                                \
        }                                                                                                   \
        global const WEIGHT *pb = AT(WEIGHT, b, b_at) + batch * g.b_batch + panel * g.k * PANEL;            \
        for (int k = 0; k < g.k; k++) {                                                                     \
            VF b0 = LOADW(0, pb + k * PANEL), b1 = LOADW(1, pb + k * PANEL);                                \
            _Pragma("unroll")                                                                               \
            for (int i = 0; i < HEIGHT; i++) {                                                              \
                VF av = (VF) (pa[i][k * g.a_column]);                                                       \
                acc0[i] = fma(av, b0, acc0[i]);                                                             \
                acc1[i] = fma(av, b1, acc1[i]);                                                             \
            }                                                                                               \
        }                                                                                                   \
        _Pragma("unroll")                                                                                   \
        for (int i = 0; i < HEIGHT; i++) {                                                                  \
            if (row + i >= g.m)                                                                             \
                break;                                                                                      \
            global float *to = AT(float, y, y_at) + (batch * g.m + row + i) * g.n + column;                 \
            global const float *bias = c ? AT(float, c, c_at) + (row + i) * g.c_row + column * g.c_column : 0; \
            gemm_store(acc0[i], to, bias, &g, left);                                                        \
            if (left > V)                                                                                   \
                gemm_store(acc1[i], to + V, bias ? bias + V * g.c_column : 0, &g, left - V);                \
        }                                                                                                   \
    }

#if V == 16
GEMM_KERNEL(gemm_tile, 12)
#elif V == 8
GEMM_KERNEL(gemm_tile, 6)
#else
GEMM_KERNEL(gemm_tile, 4)
#endif
GEMM_KERNEL(gemm_row, 1)
