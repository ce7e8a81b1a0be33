/* Interleaved bytes to normalised numbers, (x - mean)*scale per channel, planar or interleaved. The loops are
 * plain so that compilers find the stride-3 loads themselves. */
typedef struct {
    float mean[4], scale[4];
    int channels, pixels, per_item, nhwc, half_out;
} image_args;

inline void put(global char *y, long i, float v, int half_out)
{
    if (half_out)
        vstore_half(v, i, (global half *) y);
    else
        ((global float *) y)[i] = v;
}

/* The common case: three channels to three planes of floats. */
inline void planes3(global const uchar *restrict x, global float *restrict y, int first, int end, const image_args *a)
{
    global float *restrict y1 = y + a->pixels, *restrict y2 = y1 + a->pixels;
    float m0 = a->mean[0], m1 = a->mean[1], m2 = a->mean[2];
    float s0 = a->scale[0], s1 = a->scale[1], s2 = a->scale[2];
    for (int i = first; i < end; i++) {
        y[i] = (x[3 * i] - m0) * s0;
        y1[i] = (x[3 * i + 1] - m1) * s1;
        y2[i] = (x[3 * i + 2] - m2) * s2;
    }
}

/* global: (work-items over pixels, images). */
kernel void image(global const uchar *xb, ulong xo, global char *yb, ulong yo, image_args a)
{
    int first = get_global_id(0) * a.per_item, end = min(first + a.per_item, a.pixels);
    long image_at = (long) get_global_id(1) * a.pixels * a.channels;
    global const uchar *x = AT(const uchar, xb, xo) + image_at;
    global char *y = AT(char, yb, yo) + image_at * (a.half_out ? 2 : 4);
    if (a.channels == 3 && !a.nhwc && !a.half_out) {
        planes3(x, (global float *) y, first, end, &a);
        return;
    }
    for (int c = 0; c < a.channels; c++) {
        for (int i = first; i < end; i++) {
            long at = (long) i * a.channels + c;
            put(y, a.nhwc ? at : (long) c * a.pixels + i, (x[at] - a.mean[c]) * a.scale[c], a.half_out);
        }
    }
}
