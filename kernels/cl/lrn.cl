/* Local response normalisation over neighbouring channels of PLAIN images. */
struct Lrn {
    int channels, area, units, per_item, size;
    float alpha, beta, bias;           /* alpha is divided by size */
};

/* A unit is V pixels of one channel. An even size reaches one channel further up than down. */
kernel void lrn(global float *x, ulong x_at, global float *y, ulong y_at, struct Lrn l)
{
    int unit = get_global_id(0) * l.per_item, end = min(unit + l.per_item, l.units);
    int chunks = (l.area + V - 1) / V;
    for (; unit < end; unit++) {
        int plane = unit / chunks, first = unit % chunks * V, c = plane % l.channels, left = l.area - first;
        int low = max(c - (l.size - 1) / 2, 0), high = min(c + l.size / 2, l.channels - 1);
        global const float *from = AT(float, x, x_at) + plane * l.area + first;
        VF squares = (VF) (0.0f);
        for (int k = low - c; k <= high - c; k++) {
            VF v = nest_load(from + k * l.area, 1, left);
            squares = fma(v, v, squares);
        }
        VF norm = pow(fma((VF) (l.alpha), squares, (VF) (l.bias)), (VF) (l.beta));
        nest_store(nest_load(from, 1, left) / norm, AT(float, y, y_at) + plane * l.area + first, left);
    }
}
