/* MatMul and Gemm (product.cl) by tiles of simt.cl. */

/* A slice of `size` rows by TILE_K of a factor, of which `left` rows and `left_k` numbers of each are there; a row is
 * `step` after the one before, its numbers `k_step` apart. Neighbouring work-items fetch what lies side by side. */
INLINE void load_slice(local float *to, const int pitch, const int size, global const float *from, int step,
                       int k_step, int left, int left_k)
{
    bool along_k = k_step == 1;
    for (int i = get_local_id(0); i < TILE_K * size; i += TILE_ITEMS) {
        int k = along_k ? i % TILE_K : i / size, row = along_k ? i / TILE_K : i % size;
        to[k * pitch + row] = k < left_k && row < left ? from[(long) row * step + (long) k * k_step] : 0.0f;
    }
}

/* Groups: (tiles of columns, tiles of rows, batches). */
TILE_KERNEL gemm_tiles(global const float *ab, ulong ao, global const float *bb, ulong bo, global const float *cb,
                       ulong co, global float *yb, ulong yo, product g)
{
    TILE_MEMORY
    int row = get_group_id(1) * ROWS, column = get_group_id(0) * COLUMNS;
    global const float *a = AT(const float, ab, ao) + (long) row * g.a_row;
    global const float *b = AT(const float, bb, bo) + (long) column * g.b_column;
    product_batch(&a, &b, &g);
    tile_clear(sums);
    for (int k = 0; k < g.k; k += TILE_K) {
        load_slice(first, TILE_PITCH, ROWS, a + (long) k * g.a_column, g.a_row, g.a_column, g.m - row, g.k - k);
        load_slice(second, COLUMNS, COLUMNS, b + (long) k * g.b_row, g.b_column, g.b_row, g.n - column, g.k - k);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_multiply(first, second, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    row += tile_row();
    column += tile_column();
    #pragma unroll
    for (int i = 0; i < TILE_HEIGHT; i++) {
        #pragma unroll
        for (int j = 0; j < TILE_COLUMNS; j++)
            product_store(sums[i * TILE_COLUMNS + j], row + i, column + j * TILE_STRIDE, cb ? AT(const float, cb, co) : 0,
                          AT(float, yb, yo), &g);
    }
}
