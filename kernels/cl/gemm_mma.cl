/* MatMul and Gemm (product.cl) by tiles of mma.cl, both factors rounded to halves when fetched. */
INLINE void load_slice(local SLICE *to, const int pitch, const int size, global const float *from, int step,
                       int k_step, int left, int left_k)
{
    enum { PAIRS = TILE_K / 2 };
    bool along_k = k_step == 1;
    for (int i = get_local_id(0); i < PAIRS * size; i += TILE_ITEMS) {
        int pair = along_k ? i % PAIRS : i / size, row = along_k ? i / PAIRS : i % size, k = 2 * pair;
        put_pair(to + row * pitch + pair, fetch_number(from, row, k, step, k_step, left, left_k),
                 fetch_number(from, row, k + 1, step, k_step, left, left_k));
    }
}
