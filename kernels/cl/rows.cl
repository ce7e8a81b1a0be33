/* Reductions, softmax and normalisations over [outer][n][inner] (kernels/rows.h).
 *
 * With inner == 1 a unit is a row, read by vectors; else it is V neighbouring lanes of inner, and each step of n is
 * one vector.
 */
struct Rows {
    int outer, n, inner, units, per_item;
};

enum { RED_SUM, RED_MEAN, RED_MAX, RED_MIN, RED_PROD, RED_L1, RED_L2, RED_SUM_SQUARE, RED_LOG_SUM };

/* First element of the unit of lanes, and how many lanes it has. */
inline int lanes_start(const struct Rows *r, int unit, int *lanes, int *outer, int *first)
{
    int groups = (r->inner + V - 1) / V;
    *outer = unit / groups;
    *first = unit % groups * V;
    *lanes = r->inner - *first;
    return *outer * r->n * r->inner + *first;
}

/* V elements of a row; lanes past the n-th are `fill`. */
inline VF load_filled(global const float *p, int n, float fill)
{
    if (n >= V)
        return LOADV(0, p);
    float lane[V];
    for (int i = 0; i < V; i++)
        lane[i] = i < n ? p[i] : fill;
    return LOADV(0, lane);
}

inline float lanes_sum(VF v)
{
    float lane[V], sum = 0;
    STOREV(v, 0, lane);
    for (int i = 0; i < V; i++)
        sum += lane[i];
    return sum;
}

inline float lanes_max(VF v)
{
    float lane[V], most = -INFINITY;
    STOREV(v, 0, lane);
    for (int i = 0; i < V; i++)
        most = fmax(most, lane[i]);
    return most;
}

inline float reduce_identity(int fn)
{
    return fn == RED_MAX ? -INFINITY : fn == RED_MIN ? INFINITY : fn == RED_PROD ? 1.0f : 0.0f;
}

inline VF reduce_step(VF acc, VF v, int fn)
{
    switch (fn) {
    case RED_MAX: return ((v > acc) | (v != v)) ? v : acc;     /* NaN where there is one */
    case RED_MIN: return ((v < acc) | (v != v)) ? v : acc;
    case RED_PROD: return acc * v;
    case RED_L1: return acc + fabs(v);
    case RED_L2:
    case RED_SUM_SQUARE: return fma(v, v, acc);
    default: return acc + v;
    }
}

inline VF reduce_finish(VF acc, int n, int fn)
{
    switch (fn) {
    case RED_MEAN: return acc / (float) n;
    case RED_L2: return sqrt(acc);
    case RED_LOG_SUM: return log(acc);
    default: return acc;
    }
}

/* What so many steps give is put together in a second sum: in a single one, thousands of additions to a large number
 * round alike. */
#define PART 128

inline VF reduce_merge(VF acc, VF part, int fn)
{
    return fn == RED_MAX || fn == RED_MIN || fn == RED_PROD ? reduce_step(acc, part, fn) : acc + part;
}

/* The lanes of a row's accumulator are sums already: they are joined, not squared again. */
inline float reduce_join(VF acc, int fn)
{
    float lane[V], joined = reduce_identity(fn);
    STOREV(acc, 0, lane);
    for (int i = 0; i < V; i++)
        joined = fn == RED_MAX ? (lane[i] > joined || isnan(lane[i]) ? lane[i] : joined)
                 : fn == RED_MIN ? (lane[i] < joined || isnan(lane[i]) ? lane[i] : joined)
                 : fn == RED_PROD ? joined * lane[i] : joined + lane[i];
    return joined;
}

kernel void reduce_rows(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int fn)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    for (; unit < end; unit++) {
        global const float *row = AT(float, x, x_at) + unit * r.n;
        VF acc = (VF) (reduce_identity(fn));
        for (int i = 0; i < r.n;) {
            VF part = (VF) (reduce_identity(fn));
            for (int stop = i + min(r.n - i, PART * V); i < stop; i += V)
                part = reduce_step(part, load_filled(row + i, r.n - i, reduce_identity(fn)), fn);
            acc = reduce_merge(acc, part, fn);
        }
        VF joined = (VF) (reduce_join(acc, fn));
        nest_store(reduce_finish(joined, r.n, fn), AT(float, y, y_at) + unit, 1);
    }
}

kernel void reduce_lanes(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int fn)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    for (; unit < end; unit++) {
        int lanes, outer, first;
        global const float *from = AT(float, x, x_at) + lanes_start(&r, unit, &lanes, &outer, &first);
        VF acc = (VF) (reduce_identity(fn));
        for (int i = 0; i < r.n;) {
            VF part = (VF) (reduce_identity(fn));
            for (int stop = i + min(r.n - i, PART); i < stop; i++)
                part = reduce_step(part, nest_load(from + i * r.inner, 1, lanes), fn);
            acc = reduce_merge(acc, part, fn);
        }
        nest_store(reduce_finish(acc, r.n, fn), AT(float, y, y_at) + outer * r.inner + first, lanes);
    }
}

kernel void softmax_rows(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int logarithm)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    for (; unit < end; unit++) {
        global const float *from = AT(float, x, x_at) + unit * r.n;
        global float *to = AT(float, y, y_at) + unit * r.n;
        VF most = (VF) (-INFINITY), total = (VF) (0.0f);
        for (int i = 0; i < r.n; i += V)
            most = fmax(most, load_filled(from + i, r.n - i, -INFINITY));
        VF shift = (VF) (lanes_max(most));
        for (int i = 0; i < r.n; i += V) {
            VF e = exp_v(load_filled(from + i, r.n - i, -INFINITY) - shift);
            total += e;
            if (!logarithm)
                nest_store(e, to + i, r.n - i);
        }
        float sum = lanes_sum(total), lower = log(sum), scale = 1.0f / sum;
        for (int i = 0; i < r.n; i += V)
            nest_store(logarithm ? load_filled(from + i, r.n - i, 0.0f) - shift - lower
                                 : load_filled(to + i, r.n - i, 0.0f) * scale, to + i, r.n - i);
    }
}

kernel void softmax_lanes(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int logarithm)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    for (; unit < end; unit++) {
        int lanes, outer, first, at = lanes_start(&r, unit, &lanes, &outer, &first);
        global const float *from = AT(float, x, x_at) + at;
        global float *to = AT(float, y, y_at) + at;
        VF most = (VF) (-INFINITY), total = (VF) (0.0f);
        for (int i = 0; i < r.n; i++)
            most = fmax(most, nest_load(from + i * r.inner, 1, lanes));
        for (int i = 0; i < r.n; i++)
            total += exp_v(nest_load(from + i * r.inner, 1, lanes) - most);
        VF lower = log(total), scale = 1.0f / total;
        for (int i = 0; i < r.n; i++) {
            VF shifted = nest_load(from + i * r.inner, 1, lanes) - most;
            nest_store(logarithm ? shifted - lower : exp_v(shifted) * scale, to + i * r.inner, lanes);
        }
    }
}

/* Normalised rows, then scale and bias: one of each per element, or one per row, `period` rows apart. */
kernel void norm_rows(global float *x, ulong x_at, global float *scale, ulong scale_at, global float *bias,
                      ulong bias_at, global float *y, ulong y_at, struct Rows r, int period, float epsilon)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    global const float *s = AT(float, scale, scale_at), *b = bias ? AT(float, bias, bias_at) : 0;
    int step = period ? 0 : 1;
    for (; unit < end; unit++) {
        global const float *from = AT(float, x, x_at) + unit * r.n;
        global float *to = AT(float, y, y_at) + unit * r.n;
        VF sum = (VF) (0.0f), squares = (VF) (0.0f);
        for (int i = 0; i < r.n; i += V)
            sum += load_filled(from + i, r.n - i, 0.0f);
        float mean = lanes_sum(sum) / r.n;
        for (int i = 0; i < r.n; i += V) {
            VF d = load_filled(from + i, r.n - i, mean) - mean;
            squares = fma(d, d, squares);
        }
        float unit_scale = rsqrt(lanes_sum(squares) / r.n + epsilon);
        int start = period ? unit % period : 0;
        for (int i = 0; i < r.n; i += V) {
            VF v = (load_filled(from + i, r.n - i, 0.0f) - mean) * unit_scale;
            v *= nest_load(s + start + i * step, step, r.n - i);
            if (b)
                v += nest_load(b + start + i * step, step, r.n - i);
            nest_store(v, to + i, r.n - i);
        }
    }
}

/* BLOCKED planes, each lane a channel: r.outer planes, `period` blocks of `channels` channels. */
kernel void norm_blocks(global float *x, ulong x_at, global float *scale, ulong scale_at, global float *bias,
                        ulong bias_at, global float *y, ulong y_at, struct Rows r, int period, int channels,
                        float epsilon)
{
    int unit = get_global_id(0) * r.per_item, end = min(unit + r.per_item, r.units);
    for (; unit < end; unit++) {
        global const float *from = AT(float, x, x_at) + unit * r.n * V;
        global float *to = AT(float, y, y_at) + unit * r.n * V;
        int first = unit % period * V;
        VF mean = (VF) (0.0f), squares = (VF) (0.0f);
        for (int i = 0; i < r.n; i++)
            mean += LOADV(i, from);
        mean /= (float) r.n;
        for (int i = 0; i < r.n; i++) {
            VF d = LOADV(i, from) - mean;
            squares = fma(d, d, squares);
        }
        VF s = rsqrt(squares / (float) r.n + epsilon);
        s *= nest_load(AT(float, scale, scale_at) + first, 1, channels - first);
        VF b = nest_load(AT(float, bias, bias_at) + first, 1, channels - first);
        /* The mean is taken away first: a factor of 1/sqrt(epsilon) would blow up what mean * s rounds off. */
        for (int i = 0; i < r.n; i++)
            STOREV(fma(LOADV(i, from) - mean, s, b), i, to);
    }
}
