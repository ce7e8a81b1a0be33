/* y = act(x*scale + shift), one scale and shift per channel, packed one after the other. Tensors of the nest: x,
 * channel, y; for BLOCKED it counts blocks.
 */
kernel void affine_rows(global float *x, ulong x_at, global float *packed, ulong packed_at, global float *y, ulong y_at,
                        struct Nest nest, int channels, int act, float act_a, float act_b)
{
    global const float *scale = AT(float, packed, packed_at), *shift = scale + channels;
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        global const float *from = AT(float, x, x_at) + at.s0;
        global float *to = AT(float, y, y_at) + at.s2;
        for (int i = 0; i < n; i += V) {
            int c = at.s1 + i * nest.step[1];
            VF s = nest_load(scale + c, nest.step[1], n - i), t = nest_load(shift + c, nest.step[1], n - i);
            nest_store(act_v(fma(nest_load(from + i, 1, n - i), s, t), act, act_a, act_b), to + i, n - i);
        }
    }
}

kernel void affine_blocks(global float *x, ulong x_at, global float *packed, ulong packed_at, global float *y,
                          ulong y_at, struct Nest nest, int channels, int act, float act_a, float act_b)
{
    global const float *scale = AT(float, packed, packed_at), *shift = scale + channels;
    int unit = get_global_id(0) * nest.per_item, end = min(unit + nest.per_item, nest.units);
    struct Walk walk = walk_start(&nest, unit);
    for (; unit < end; unit++, walk_next(&walk, &nest)) {
        int n = walk.n;
        int4 at = walk.at;
        global const float *from = AT(float, x, x_at) + at.s0 * V;
        global float *to = AT(float, y, y_at) + at.s2 * V;
        for (int i = 0; i < n; i++) {
            int c = at.s1 + i * nest.step[1];
            STOREV(act_v(fma(LOADV(i, from), LOADV(c, scale), LOADV(c, shift)), act, act_a, act_b), i, to);
        }
    }
}
