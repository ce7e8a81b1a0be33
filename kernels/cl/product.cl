/* MatMul and Gemm for devices whose work-items run in step, factors read where they lie: what their kernels share. */
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
