/* Walking a nest of loops (kernels/nest.h): where a unit of work starts in each tensor, and how long it is. */
struct Nest {
    int rank, units, per_item, len, chunks, chunk;
    int dim[8];
    int stride[8][4];
    int step[4];
};

/* Where a work-item stands: the element offsets of its unit in the four tensors, and the unit's length. */
struct Walk {
    int4 at, row;
    int n, first;
    int index[8];
};

inline void walk_set(struct Walk *w, const struct Nest *nest)
{
    w->n = min(nest->chunk, nest->len - w->first);
    w->at = w->row + w->first * vload4(0, nest->step);
}

inline struct Walk walk_start(const struct Nest *nest, int unit)
{
    struct Walk w;
    int row = unit / nest->chunks;
    w.first = unit % nest->chunks * nest->chunk;
    w.row = (int4) (0);
    for (int d = nest->rank - 1; d >= 0; d--) {
        int outer = row / nest->dim[d];
        w.index[d] = row - outer * nest->dim[d];
        w.row += w.index[d] * vload4(0, nest->stride[d]);
        row = outer;
    }
    walk_set(&w, nest);
    return w;
}

/* The next unit, without a division. */
inline void walk_next(struct Walk *w, const struct Nest *nest)
{
    w->first += nest->chunk;
    if (w->first >= nest->len) {
        w->first = 0;
        for (int d = nest->rank - 1; d >= 0; d--) {
            w->row += vload4(0, nest->stride[d]);
            if (++w->index[d] < nest->dim[d])
                break;
            w->row -= nest->dim[d] * vload4(0, nest->stride[d]);
            w->index[d] = 0;
        }
    }
    walk_set(w, nest);
}

/* V elements of a row; lanes past the n-th repeat the last. */
inline VF nest_load(global const float *p, int step, int n)
{
    if (step == 0)
        return (VF) (*p);
    if (step == 1 && n >= V)
        return LOADV(0, p);
    float lane[V];
    for (int i = 0; i < V; i++)
        lane[i] = p[min(i, n - 1) * step];
    return LOADV(0, lane);
}

/* The first n lanes, densely. */
inline void nest_store(VF v, global float *p, int n)
{
    if (n >= V) {
        STOREV(v, 0, p);
        return;
    }
    float lane[V];
    STOREV(v, 0, lane);
    for (int i = 0; i < n; i++)
        p[i] = lane[i];
}
