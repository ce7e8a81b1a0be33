/* MatMul and Gemm (product.cl) by tiles of simt.cl. */
INLINE void load_slice(local SLICE *to, const int pitch, const int size, global const float *from, int step,
                       int k_step, int left, int left_k)
{
    bool along_k = k_step == 1;
    for (int i = get_local_id(0); i < TILE_K * size; i += TILE_ITEMS) {
        int k = along_k ? i % TILE_K : i / size, row = along_k ? i / TILE_K : i % size;
        to[k * pitch + row] = fetch_number(from, row, k, step, k_step, left, left_k);
    }
}
