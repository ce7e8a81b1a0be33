/* MatMul and Gemm for devices whose work-items run in step, by tiles of either kind (tiles.cl), factors read where they
 * lie. How slices are filled is for the kind of tiles to say. */
#define PRODUCT_BATCH_RANK 6

typedef struct {
    int m, n, k;
    int a_row, a_column, b_row, b_column, c_row, c_column;      /* strides in floats */
    float alpha, beta;
    int act;
    float act_a, act_b;
    int rank, dim[PRODUCT_BATCH_RANK], a_step[PRODUCT_BATCH_RANK], b_step[PRODUCT_BATCH_RANK];   /* of batches */
} product;

/* Moves both factors to the batch that the group makes. */
INLINE void product_batch(global const float **a, global const float **b, const product *g)
{
    for (int i = g->rank - 1, at = get_group_id(2); i >= 0; at /= g->dim[i--]) {
        *a += (long) (at % g->dim[i]) * g->a_step[i];
        *b += (long) (at % g->dim[i]) * g->b_step[i];
    }
}

/* One sum of the batch, where the result has such a one. c may be NULL. */
INLINE void product_store(float sum, int m, int n, global const float *c, global float *y, const product *g)
{
    if (m >= g->m || n >= g->n)
        return;
    float v = g->alpha * sum;
    if (c)
        v = fma(g->beta, c[(long) m * g->c_row + (long) n * g->c_column], v);
    y[((long) get_group_id(2) * g->m + m) * g->n + n] = act_1(v, g->act, g->act_a, g->act_b);
}

INLINE float fetch_number(global const float *from, int row, int k, int step, int k_step, int left, int left_k)
{
    return k < left_k && row < left ? from[(long) row * step + (long) k * k_step] : 0.0f;
}

/* A slice of `size` rows by TILE_K of a factor, of which `left` rows and `left_k` numbers of each are there; a row is
 * `step` after the one before, its numbers `k_step` apart. Neighbouring work-items fetch what lies side by side. */
INLINE void load_slice(local SLICE *to, const int pitch, const int size, global const float *from, int step,
                       int k_step, int left, int left_k);

/* Groups: (tiles of columns, tiles of rows, batches). */
TILE_KERNEL gemm_tiles(global const float *ab, ulong ao, global const float *bb, ulong bo, global const float *cb,
                       ulong co, global float *yb, ulong yo, product g)
{
    TILE_MEMORY
    float sums[SUM_COUNT];
    int row = get_group_id(1) * ROWS, column = get_group_id(0) * COLUMNS;
    global const float *a = AT(const float, ab, ao) + (long) row * g.a_row;
    global const float *b = AT(const float, bb, bo) + (long) column * g.b_column;
    product_batch(&a, &b, &g);
    tile_clear(sums);
    for (int k = 0; k < g.k; k += TILE_K) {
        load_slice(first, FIRST_PITCH, ROWS, a + (long) k * g.a_column, g.a_row, g.a_column, g.m - row, g.k - k);
        load_slice(second, SECOND_PITCH, COLUMNS, b + (long) k * g.b_row, g.b_column, g.b_row, g.n - column, g.k - k);
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_MULTIPLY(sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    global const float *c = cb ? AT(const float, cb, co) : 0;
    row += tile_row();
    column += tile_column();
    #pragma unroll
    for (int n = 0; n < SUM_COUNT; n++)
        product_store(sums[n], row + SUM_ROW(n), column + SUM_COLUMN(n), c, AT(float, yb, yo), &g);
}
