/* -DFROM=, -DTO=: types of OpenCL C; -DBOOL where the result is a truth value. A float goes to a narrow integer through
 * long, so that what does not fit keeps its low bits.
 */
#ifdef BOOL
#define CONVERT(v) ((v) != 0)
#elif defined(NARROW)
#define CONVERT(v) ((TO) (long) (v))
#else
#define CONVERT(v) ((TO) (v))
#endif

kernel void cast_flat(global FROM *x, ulong x_at, global TO *y, ulong y_at, struct Nest nest)
{
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        global const FROM *from = AT(FROM, x, x_at) + at.s0;
        global TO *to = AT(TO, y, y_at) + at.s1;
        for (int i = 0; i < n; i++)
            to[i] = CONVERT(from[i]);
    }
}
