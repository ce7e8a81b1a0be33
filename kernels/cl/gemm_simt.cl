/* MatMul and Gemm for devices whose work-items run in step: tiles of simt.cl, factors read where they lie. */
#define GEMM_BATCH_RANK 6

typedef struct {
    int m, n, k;
    int a_row, a_column, b_row, b_column, c_row, c_column;      /* strides in floats */
    float alpha, beta;
    int act;
    float act_a, act_b;
    int rank, dim[GEMM_BATCH_RANK], a_step[GEMM_BATCH_RANK], b_step[GEMM_BATCH_RANK];   /* of batches */
} gemm_simt;

/* A slice of `size` rows by TILE_K of a factor, of which `left` rows and `left_k` numbers of each are there; a row is
 * `step` after the one before, its numbers `k_step` apart. Neighbouring work-items fetch what lies side by side. */
SIMT_INLINE void load_slice(local float *to, const int pitch, const int size, global const float *from, int step,
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
                       ulong co, global float *yb, ulong yo, gemm_simt g)
{
    TILE_MEMORY
    int row = get_group_id(1) * ROWS, column = get_group_id(0) * COLUMNS;
    global const float *a = AT(const float, ab, ao) + (long) row * g.a_row;
    global const float *b = AT(const float, bb, bo) + (long) column * g.b_column;
    for (int i = g.rank - 1, at = get_group_id(2); i >= 0; at /= g.dim[i--]) {
        a += (long) (at % g.dim[i]) * g.a_step[i];
        b += (long) (at % g.dim[i]) * g.b_step[i];
    }
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
        for (int j = 0; j < TILE_COLUMNS; j++) {
            int m = row + i, n = column + j * TILE_STRIDE;
            if (m < g.m && n < g.n) {
                float v = g.alpha * sums[i * TILE_COLUMNS + j];
                if (cb)
                    v = fma(g.beta, AT(const float, cb, co)[(long) m * g.c_row + (long) n * g.c_column], v);
                AT(float, yb, yo)[((long) get_group_id(2) * g.m + m) * g.n + n] = act_1(v, g.act, g.act_a, g.act_b);
            }
        }
    }
}
