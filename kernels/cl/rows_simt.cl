/* Long rows for devices whose work-items run in step: a work-group for each, which goes through the row side by side
 * and joins what its work-items found in local memory. One unit of struct Rows per group, inner == 1. */
#define ROW_ITEMS 64        /* as in reduce.c */

inline float join_pair(float a, float b, int fn)
{
    bool bare_sum = fn != RED_MAX && fn != RED_MIN && fn != RED_PROD;
    return bare_sum ? a + b : reduce_step((VF) (a), (VF) (b), fn).s0;
}

/* All of the group get the same; all must come here. */
inline float join_group(local float *part, float v, int fn)
{
    int i = get_local_id(0);
    part[i] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_ = ROW_ITEMS / 2; half_ > 0; half_ /= 2) {
        if (i < half_)
            part[i] = join_pair(part[i], part[i + half_], fn);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    float joined = part[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return joined;
}

kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void reduce_group(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int fn)
{
    local float part[ROW_ITEMS];
    global const float *row = AT(float, x, x_at) + get_group_id(0) * r.n;
    float acc = reduce_identity(fn);
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        acc = reduce_step((VF) (acc), (VF) (row[i]), fn).s0;
    acc = join_group(part, acc, fn);
    if (get_local_id(0) == 0)
        AT(float, y, y_at)[get_group_id(0)] = reduce_finish((VF) (acc), r.n, fn).s0;
}

kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void softmax_group(global float *x, ulong x_at, global float *y, ulong y_at, struct Rows r, int logarithm)
{
    local float part[ROW_ITEMS];
    global const float *from = AT(float, x, x_at) + get_group_id(0) * r.n;
    global float *to = AT(float, y, y_at) + get_group_id(0) * r.n;
    float most = -INFINITY, total = 0.0f;
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        most = fmax(most, from[i]);
    most = join_group(part, most, RED_MAX);
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        total += exp_v((VF) (from[i] - most)).s0;
    total = join_group(part, total, RED_SUM);
    float lower = log(total), scale = 1.0f / total;
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        to[i] = logarithm ? from[i] - most - lower : exp_v((VF) (from[i] - most)).s0 * scale;
}

kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void norm_group(global float *x, ulong x_at, global float *scale, ulong scale_at, global float *bias, ulong bias_at,
                global float *y, ulong y_at, struct Rows r, int period, float epsilon)
{
    local float part[ROW_ITEMS];
    int unit = get_group_id(0), start = period ? unit % period : 0, step = period ? 0 : 1;
    global const float *from = AT(float, x, x_at) + unit * r.n;
    global float *to = AT(float, y, y_at) + unit * r.n;
    float sum = 0.0f, squares = 0.0f;
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        sum += from[i];
    float mean = join_group(part, sum, RED_SUM) / r.n;
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS)
        squares = fma(from[i] - mean, from[i] - mean, squares);
    float unit_scale = rsqrt(join_group(part, squares, RED_SUM) / r.n + epsilon);
    for (int i = get_local_id(0); i < r.n; i += ROW_ITEMS) {
        float v = (from[i] - mean) * unit_scale * AT(float, scale, scale_at)[start + i * step];
        to[i] = bias ? v + AT(float, bias, bias_at)[start + i * step] : v;
    }
}
