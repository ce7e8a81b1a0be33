/* The k largest or smallest of rows of numbers (kernels/cl/numbers.cl), in order, the first of equal ones first.
 *
 * Numbers are compared as integers, keys, whose order is total: a NaN is above infinity, -0 equals 0.
 */
struct TopK {
    int rows, inner, n, k, type, index_type, size, smallest;
};

inline long key_of(global const char *x, const struct TopK *t, int at)
{
    long key;
    if (is_float(t->type)) {
        float v = load_float(x, t->type, at) + 0.0f;
        int bits = as_int(v);
        key = isnan(v) ? INT_MAX : bits ^ (bits >> 31 & INT_MAX);
    } else {
        key = load_int(x, t->type, at);
    }
    return t->smallest ? ~key : key;
}

/* Where row `row` starts in x (its length n) or in the outputs (k). */
inline int start_of(const struct TopK *t, int row, int length)
{
    return row / t->inner * length * t->inner + row % t->inner;
}

/* Element `from` of a row becomes the `rank`-th of the results. */
inline void put(global const char *x, global char *values, global char *indices, const struct TopK *t, int row,
                int from, int rank)
{
    int source = start_of(t, row, t->n) + from * t->inner, to = start_of(t, row, t->k) + rank * t->inner;
    long index = from;
    for (int i = 0; i < t->size; i++)
        values[to * t->size + i] = x[source * t->size + i];
    if (indices)
        store_ints(&index, indices, t->index_type, to, 1);
}

/* Global: (elements of a row, rows). Each element counts those that stand before it. */
kernel void topk_rank(global char *x, ulong x_at, global char *values, ulong values_at, global char *indices,
                      ulong indices_at, struct TopK t)
{
    int at = get_global_id(0), row = get_global_id(1), rank = 0;
    if (at >= t.n || row >= t.rows)
        return;
    int start = start_of(&t, row, t.n);
    long key = key_of(x + x_at, &t, start + at * t.inner);
    for (int i = 0; i < t.n && rank < t.k; i++) {
        long other = key_of(x + x_at, &t, start + i * t.inner);
        rank += other > key || (other == key && i < at);
    }
    if (rank < t.k)
        put(x + x_at, values + values_at, indices ? indices + indices_at : 0, &t, row, at, rank);
}

struct Entry {
    long key;
    int index;
};

inline bool is_before(struct Entry a, struct Entry b)
{
    return a.key > b.key || (a.key == b.key && a.index < b.index);
}

/* Lets `e` sink from the root of a heap of `count` entries, the last of the order at its root. */
inline void sink(global struct Entry *heap, int count, struct Entry e)
{
    int at = 0, child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && is_before(heap[child], heap[child + 1]))
            child++;
        if (!is_before(e, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = e;
}

/* Global: rows. The k best so far are a heap, which is then taken apart from its end. */
kernel void topk_heap(global char *x, ulong x_at, global char *values, ulong values_at, global char *indices,
                      ulong indices_at, global char *scratch, ulong scratch_at, struct TopK t)
{
    int row = get_global_id(0), start = start_of(&t, row, t.n);
    if (row >= t.rows || !t.k)
        return;
    global struct Entry *heap = AT(struct Entry, scratch, scratch_at) + row * t.k;
    struct Entry none = {LONG_MIN, INT_MAX};
    for (int i = 0; i < t.k; i++)
        heap[i] = none;
    for (int i = 0; i < t.n; i++) {
        struct Entry e = {key_of(x + x_at, &t, start + i * t.inner), i};
        if (is_before(e, heap[0]))
            sink(heap, t.k, e);
    }
    for (int left = t.k - 1; left >= 0; left--) {
        put(x + x_at, values + values_at, indices ? indices + indices_at : 0, &t, row, heap[0].index, left);
        sink(heap, left, heap[left]);
    }
}
