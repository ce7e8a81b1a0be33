/* MatMul and Gemm (product.cl) by matrix instructions (mma.cl), both factors rounded to halves when fetched. */

INLINE float fetch_number(global const float *from, int row, int k, int step, int k_step, int left, int left_k)
{
    return k < left_k && row < left ? from[(long) row * step + (long) k * k_step] : 0.0f;
}

/* As load_slice of gemm_simt.cl. */
INLINE void load_halves(local uint *to, const int size, global const float *from, int step, int k_step, int left,
                        int left_k)
{
    enum { PAIRS = TILE_K / 2 };
    bool along_k = k_step == 1;
    for (int i = get_local_id(0); i < PAIRS * size; i += TILE_ITEMS) {
        int pair = along_k ? i % PAIRS : i / size, row = along_k ? i / PAIRS : i % size;
        put_pair(to, row, pair, fetch_number(from, row, pair * 2, step, k_step, left, left_k),
                 fetch_number(from, row, pair * 2 + 1, step, k_step, left, left_k));
    }
}

/* Groups: (tiles of columns, tiles of rows, batches). */
TILE_KERNEL gemm_mma(global const float *ab, ulong ao, global const float *bb, ulong bo, global const float *cb,
                     ulong co, global float *yb, ulong yo, product g)
{
    TILE_MEMORY
    int row = get_group_id(1) * ROWS, column = get_group_id(0) * COLUMNS;
    global const float *a = AT(const float, ab, ao) + (long) row * g.a_row;
    global const float *b = AT(const float, bb, bo) + (long) column * g.b_column;
    product_batch(&a, &b, &g);
    tile_clear(sums);
    for (int k = 0; k < g.k; k += TILE_K) {
        load_halves(first, ROWS, a + (long) k * g.a_column, g.a_row, g.a_column, g.m - row, g.k - k);
        load_halves(second, COLUMNS, b + (long) k * g.b_row, g.b_column, g.b_row, g.n - column, g.k - k);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_multiply(first, second, sums, &exchange);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    row += tile_row();
    column += tile_column();
    #pragma unroll
    for (int n = 0; n < SUM_COUNT; n++)
        product_store(((float *) sums)[n], row + SUM_ROW(n), column + SUM_COLUMN(n), cb ? AT(const float, cb, co) : 0,
                      AT(float, yb, yo), &g);
}
