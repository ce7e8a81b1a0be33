/* Between PLAIN or channels-last order and BLOCKED, V channels of a run of pixels at a time. */

/* Both: global (work-items over pixels, blocks, images). */
kernel void to_blocked(global const float *xb, ulong xo, global float *yb, ulong yo, int channels, int area,
                       int per_item)
{
    int block = get_global_id(1), blocks = get_global_size(1), n = get_global_id(2);
    int count = min(V, channels - block * V);
    int first = get_global_id(0) * per_item, end = min(first + per_item, area);
    global const float *x = AT(const float, xb, xo) + ((long) n * channels + block * V) * area;
    global float *y = AT(float, yb, yo) + ((long) n * blocks + block) * area * V;
    for (int i = first; i < end; i++) {
        VF v = 0.0f;
        #pragma unroll
        for (int c = 0; c < V; c++)
            ((float *) &v)[c] = x[(long) min(c, count - 1) * area + i];
        STOREV(v, i, y);
    }
}

kernel void to_plain(global const float *xb, ulong xo, global float *yb, ulong yo, int channels, int area,
                     int per_item)
{
    int block = get_global_id(1), blocks = get_global_size(1), n = get_global_id(2);
    int count = min(V, channels - block * V);
    int first = get_global_id(0) * per_item, end = min(first + per_item, area);
    global const float *x = AT(const float, xb, xo) + ((long) n * blocks + block) * area * V;
    global float *y = AT(float, yb, yo) + ((long) n * channels + block * V) * area;
    for (int c = 0; c < count; c++)
        for (int i = first; i < end; i++)
            y[(long) c * area + i] = x[(long) i * V + c];
}

/* BLOCKED to the order [image][pixel][channel] and back; global as above. */
kernel void to_last(global const float *xb, ulong xo, global float *yb, ulong yo, int channels, int area, int per_item)
{
    int block = get_global_id(1), blocks = get_global_size(1), n = get_global_id(2);
    int count = min(V, channels - block * V);
    int first = get_global_id(0) * per_item, end = min(first + per_item, area);
    global const float *x = AT(const float, xb, xo) + ((long) n * blocks + block) * area * V;
    global float *y = AT(float, yb, yo) + (long) n * area * channels + block * V;
    if (count == V) {
        for (int i = first; i < end; i++)
            STOREV(LOADV(i, x), 0, y + (long) i * channels);
    } else {
        for (int i = first; i < end; i++)
            for (int c = 0; c < count; c++)
                y[(long) i * channels + c] = x[(long) i * V + c];
    }
}

kernel void from_last(global const float *xb, ulong xo, global float *yb, ulong yo, int channels, int area, int per_item)
{
    int block = get_global_id(1), blocks = get_global_size(1), n = get_global_id(2);
    int count = min(V, channels - block * V);
    int first = get_global_id(0) * per_item, end = min(first + per_item, area);
    global const float *x = AT(const float, xb, xo) + (long) n * area * channels + block * V;
    global float *y = AT(float, yb, yo) + ((long) n * blocks + block) * area * V;
    if (count == V) {
        for (int i = first; i < end; i++)
            STOREV(LOADV(0, x + (long) i * channels), i, y);
    } else {
        for (int i = first; i < end; i++)
            for (int c = 0; c < V; c++)
                y[(long) i * V + c] = c < count ? x[(long) i * channels + c] : 0.0f;
    }
}
