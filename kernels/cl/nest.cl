/* Walking a nest of loops (kernels/nest.h): where a unit of work starts in each tensor, and how long it is. */
struct Nest {
    int rank, units, per_item, len, chunks, chunk;
    int dim[8];
    int stride[8][4];
    int step[4];
};

/* Element offsets of the unit in the four tensors. */
inline int4 nest_unit(const struct Nest *nest, int unit, int *n)
{
    int row = unit / nest->chunks, first = unit % nest->chunks * nest->chunk;
    *n = min(nest->chunk, nest->len - first);
    int4 at = first * vload4(0, nest->step);
    for (int d = nest->rank - 1; d >= 0; d--) {
        int outer = row / nest->dim[d];
        at += (row - outer * nest->dim[d]) * vload4(0, nest->stride[d]);
        row = outer;
    }
    return at;
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
