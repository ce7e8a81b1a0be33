/* y = act(sum of x*g): up to SUM_TERMS tensors stored alike, each with a factor per channel or without. Runs over planes:
 * a channel's pixels, or those of a block of channels.
 */
#define SUM_TERMS 6

/* As in kernels/gated_sum.c. */
struct Sum {
    int n, channels, planes, plane, per_item;   /* planes: of an image; plane, per_item: in floats */
    int blocked;
    int gate_step[SUM_TERMS];                   /* floats from image to image; -1: no gate */
    int gate_plain;                             /* bit per gate: a list of channels, not of blocks */
    int act;
    float act_a, act_b;
};

/* The factors of one plane. */
inline VF gate_of(global const float *g, const struct Sum *s, int i, int image, int channel_plane)
{
    if (s->gate_step[i] < 0)
        return (VF) (1.0f);
    g += image * s->gate_step[i];
    if (!s->blocked)
        return (VF) (g[channel_plane]);
    int first = channel_plane * V;
    return nest_load(g + first, 1, s->gate_plain >> i & 1 ? s->channels - first : V);
}

#define TERM(k)                                                                      \
    if (s.n > k)                                                                     \
        v = fma(nest_load(AT(const float, x##k, a##k) + at, 1, n), gate[k], v);

/* Global: (runs of a plane, planes of all images). */
kernel void gated_sum(global float *x0, ulong a0, global float *g0, ulong b0, global float *x1, ulong a1, global float *g1,
                      ulong b1, global float *x2, ulong a2, global float *g2, ulong b2, global float *x3, ulong a3,
                      global float *g3, ulong b3, global float *x4, ulong a4, global float *g4, ulong b4,
                      global float *x5, ulong a5, global float *g5, ulong b5, global float *y, ulong y_at, struct Sum s)
{
    global const float *const gates[SUM_TERMS] = {
        AT(const float, g0, b0), AT(const float, g1, b1), AT(const float, g2, b2), AT(const float, g3, b3),
        AT(const float, g4, b4), AT(const float, g5, b5),
    };
    int plane = get_global_id(1), first = get_global_id(0) * s.per_item, end = min(first + s.per_item, s.plane);
    VF gate[SUM_TERMS];
    for (int i = 0; i < SUM_TERMS; i++)
        gate[i] = i < s.n ? gate_of(gates[i], &s, i, plane / s.planes, plane % s.planes) : (VF) (0.0f);
    for (int i = first; i < end; i += V) {
        long at = (long) plane * s.plane + i;
        int n = end - i;
        VF v = 0.0f;
        TERM(0) TERM(1) TERM(2) TERM(3) TERM(4) TERM(5)
        nest_store(act_v(v, s.act, s.act_a, s.act_b), AT(float, y, y_at) + at, n);
    }
}
