/* Reductions over any set of axes, and ArgMax and ArgMin, of numbers of any type (kernels/cl/numbers.cl): what
 * kernels/cl/rows.cl does not take. One output is one loop, without vectors; sums and products of floats are
 * compensated, so that they are as good as those of many lanes.
 */
enum {
    RED_SUM, RED_MEAN, RED_MAX, RED_MIN, RED_PROD, RED_L1, RED_L2, RED_SUM_SQUARE, RED_LOG_SUM, RED_LOG_SUM_EXP
};

/* A sum or product, and what rounding has taken from it. */
struct Total {
    float value, lost;
};

inline void total_add(struct Total *t, float v)
{
    float sum = t->value + v;
    t->lost += fabs(t->value) >= fabs(v) ? (t->value - sum) + v : (v - sum) + t->value;
    t->value = sum;
}

inline void total_multiply(struct Total *t, float v)
{
    float product = t->value * v;
    t->lost = fma(t->lost, v, fma(t->value, v, -product));
    t->value = product;
}

inline float total_of(struct Total t)
{
    return isfinite(t.value) && isfinite(t.lost) ? t.value + t.lost : t.value;
}

inline void gather_float(struct Total *t, float v, int fn, float most)
{
    switch (fn) {
    case RED_MAX: t->value = v > t->value || isnan(v) ? v : t->value; break;
    case RED_MIN: t->value = v < t->value || isnan(v) ? v : t->value; break;
    case RED_PROD: total_multiply(t, v); break;
    case RED_L1: total_add(t, fabs(v)); break;
    case RED_L2: case RED_SUM_SQUARE: total_add(t, v * v); break;
    case RED_LOG_SUM_EXP: total_add(t, exp(v - most)); break;
    default: total_add(t, v);
    }
}

/* All elements from `x` on that the nest reaches. */
inline float fold_floats(global const char *x, int type, int from, const struct Nest *gone, int fn, float most)
{
    struct Total t = {fn == RED_PROD ? 1.0f : fn == RED_MAX ? -INFINITY : fn == RED_MIN ? INFINITY : 0.0f, 0.0f};
    struct Walk walk = walk_start(gone, 0);
    for (int unit = 0; unit < gone->units; unit++, walk_next(&walk, gone))
        for (int i = 0; i < walk.n; i++)
            gather_float(&t, load_float(x, type, from + walk.at.s0 + i * gone->step[0]), fn, most);
    return total_of(t);
}

inline float reduce_floats(global const char *x, int type, int from, const struct Nest *gone, int fn, int count)
{
    float most = fn == RED_LOG_SUM_EXP ? fold_floats(x, type, from, gone, RED_MAX, 0) : 0.0f;
    if (isinf(most))
        return most;
    float v = fold_floats(x, type, from, gone, fn, most);
    switch (fn) {
    case RED_MEAN: return v / count;
    case RED_L2: return sqrt(v);
    case RED_LOG_SUM: return log(v);
    case RED_LOG_SUM_EXP: return most + log(v);
    default: return v;
    }
}

inline long gather_int(long acc, long v, int fn)
{
    switch (fn) {
    case RED_MAX: return max(acc, v);
    case RED_MIN: return min(acc, v);
    case RED_PROD: return acc * v;
    case RED_L1: return acc + (v < 0 ? -v : v);
    case RED_SUM_SQUARE: return acc + v * v;
    default: return acc + v;
    }
}

inline long reduce_ints(global const char *x, int type, int from, const struct Nest *gone, int fn, int count)
{
    long acc = fn == RED_PROD ? 1 : fn == RED_MAX ? LONG_MIN : fn == RED_MIN ? LONG_MAX : 0;
    struct Walk walk = walk_start(gone, 0);
    for (int unit = 0; unit < gone->units; unit++, walk_next(&walk, gone))
        for (int i = 0; i < walk.n; i++)
            acc = gather_int(acc, load_int(x, type, from + walk.at.s0 + i * gone->step[0]), fn);
    return fn == RED_MEAN ? count ? acc / count : 0 : acc;
}

/* Tensors of `kept`: x, y, over the elements of y; of `gone`: x, over the `count` elements that make one of them. */
kernel void reduce_any(global char *x, ulong x_at, global char *y, ulong y_at, struct Nest kept, struct Nest gone,
                       int x_type, int y_type, int fn, int count)
{
    int unit = get_global_id(0) * kept.per_item, end = min(unit + kept.per_item, kept.units);
    struct Walk walk = walk_start(&kept, unit);
    for (; unit < end; unit++, walk_next(&walk, &kept))
        for (int i = 0; i < walk.n; i++) {
            int from = walk.at.s0 + i * kept.step[0], to = walk.at.s1 + i * kept.step[1];
            if (is_float(x_type)) {
                float v = reduce_floats(x + x_at, x_type, from, &gone, fn, count);
                store_floats(&v, y + y_at, y_type, to, 1);
            } else {
                long v = reduce_ints(x + x_at, x_type, from, &gone, fn, count);
                store_ints(&v, y + y_at, y_type, to, 1);
            }
        }
}

/* Groups of `length` outputs, V of which are found side by side; the elements to choose from are n steps apart. */
struct Arg {
    int groups, length, group_step, lane_step, n, step;
    int units, per_item;
};

#define CHOOSE(T, LOAD)                                                                  \
    {                                                                                    \
        T best_value[V], v[V];                                                           \
        LOAD(best_value, x + x_at, type, from, a.lane_step, lanes);                      \
        for (int k = 1; k < a.n; k++) {                                                  \
            LOAD(v, x + x_at, type, from + k * a.step, a.lane_step, lanes);              \
            LANES {                                                                      \
                bool better = smallest ? v[i] < best_value[i] : v[i] > best_value[i];    \
                best[i] = better ? k : best[i];                                          \
                best_value[i] = better ? v[i] : best_value[i];                           \
            }                                                                            \
        }                                                                                \
    }

/* The first of the largest (or smallest) elements. */
kernel void arg_any(global char *x, ulong x_at, global long *y, ulong y_at, struct Arg a, int type, int smallest)
{
    int unit = get_global_id(0) * a.per_item, end = min(unit + a.per_item, a.units);
    for (; unit < end; unit++) {
        int chunks = (a.length + V - 1) / V, group = unit / chunks, first = unit % chunks * V;
        int lanes = a.length - first, from = group * a.group_step + first * a.lane_step, best[V];
        LANES best[i] = 0;
        if (is_float(type))
            CHOOSE(float, load_floats)
        else
            CHOOSE(long, load_ints)
        for (int i = 0; i < min(lanes, V); i++)
            AT(long, y, y_at)[group * a.length + first + i] = best[i];
    }
}
