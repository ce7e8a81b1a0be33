/* First layers: convolution of a picture of few channels, PLAIN planes of floats (conv_plain_in) or straight from
 * frames of interleaved bytes (conv_frames).
 *
 * What a strip of one output row reads is copied into lines of local memory first, with zeros where windows reach over
 * the border: kh lines for each channel, or kh lines in which the channels of a pixel lie side by side. A tile then
 * needs no tests and a single pointer: tap and pixel are two strides along a line. Lines that the next output row reads
 * too are kept, each input row having its place by its number modulo kh.
 */

/* As struct lines in kernels/conv_lines.c. */
typedef struct {
    conv_geom g;
    int planes;           /* channels with lines of their own */
    int run, step;        /* taps along a line; floats from one to the next */
    int pixel;            /* floats from one output pixel to the next */
    int strip, pitch;     /* output pixels of a strip; floats of a line */
} lines;

/* Frames are normalised as (x - mean) times a scale that the weights contain. */
typedef struct {
    float mean[4];
} frame_norm;

/* Floats [from, end) of a line of n lie in the image; the others are zeros. */
inline void line_clear(local float *line, int from, int end, int n)
{
    for (int i = 0; i < from; i++)
        line[i] = 0.0f;
    for (int i = end; i < n; i++)
        line[i] = 0.0f;
}

/* Row y of a plane, from column `left` on. */
inline void line_of_plane(local float *line, global const float *x, int y, int left, int n, const conv_geom *g)
{
    int inside = y >= 0 && y < g->h;
    int from = inside ? clamp(-left, 0, n) : n, end = inside ? clamp(g->w - left, from, n) : n;
    global const float *row = x + (long) y * g->w + left;
    line_clear(line, from, end, n);
    for (int i = from; i < end; i++)
        line[i] = row[i];
}

/* The same of a frame of `channels` bytes a pixel; n and the line count all of them. `mean` is that of a run of
 * `channels` vectors. */
INLINE void line_of_frame(local float *line, global const uchar *x, int y, int left, int n, const int channels,
                          const VF *mean, const conv_geom *g)
{
    int inside = y >= 0 && y < g->h;
    int from = inside ? clamp(-left * channels, 0, n) : n;
    int end = inside ? clamp((g->w - left) * channels, from, n) : n, i = from;
    global const uchar *row = x + ((long) y * g->w + left) * channels;
    line_clear(line, from, end, n);
    for (; i + channels * V <= end; i += channels * V)
        for (int k = 0; k < channels; k++)
            STOREV(CONVERT_VF(LOADV(k, row + i)) - mean[k], k, line + i);
    for (int c = 0; i < end; i++, c = c + 1 == channels ? 0 : c + 1)
        line[i] = row[i] - ((const float *) mean)[c];
}

/* All taps of a tile into its sums. `pixel` is t->pixel, as a constant where the caller knows it: only then does one
 * register address all pixels. `turn` is the line of the window's first row. */
INLINE void line_taps(VF *a, global const WEIGHT *w, local const float *x, const lines *t, int turn, const int pixel,
                      const int px, const int nv)
{
    for (int plane = 0; plane < t->planes; plane++, x += t->g.kh * t->pitch) {
        int row = turn;
        for (int ky = 0; ky < t->g.kh; ky++, row = row + 1 == t->g.kh ? 0 : row + 1) {
            local const float *q = x + row * t->pitch;
            for (int k = t->run; k > 0; k--, q += t->step, w += 2 * V)
                TILE_TAP(q[i * pixel])
        }
    }
}

/* A tile of `px` pixels by `nv` blocks as tile_finish has it; x is its first pixel's first tap in line 0. */
INLINE void line_tile(const tile_out *o, local const float *x, const lines *t, int turn, int from, int fresh,
                      const int px, const int nv)
{
    VF a[2 * TILE_PX];
    TILE_EACH(a[i] = LOADV(nv > 1 ? i / TILE_PX : 0, o->bias);)
    switch (px < TILE_PX ? 0 : t->pixel) {     /* strides 1 and 2, of planes and of frames of three channels */
    case 1: line_taps(a, o->weights, x, t, turn, 1, px, nv); break;
    case 2: line_taps(a, o->weights, x, t, turn, 2, px, nv); break;
    case 3: line_taps(a, o->weights, x, t, turn, 3, px, nv); break;
    case 6: line_taps(a, o->weights, x, t, turn, 6, px, nv); break;
    default: line_taps(a, o->weights, x, t, turn, t->pixel, px, nv); break;
    }
    tile_finish(o, a, from, fresh, px, nv, &t->g);
}

/* Pixels first..end-1 of row oy, those from `left` on being in the lines. Tiles overlap the one before where the row
 * ends, and write the same once more unless a residual may lie where they write. */
INLINE void line_row(const tile_out *o, local const float *x, const lines *t, int oy, int left, int first, int end)
{
    int row = oy * t->g.ow, turn = oy * t->g.sh % t->g.kh;
    while (first < end) {
        int wide = o->blocks == 1 && end - left >= 2 * TILE_PX, px = wide ? 2 * TILE_PX : TILE_PX;
        int from = min(first, end - px), fresh = o->r ? first : from;
        if (from < left) {
            line_tile(o, x + (first - left) * t->pixel, t, turn, row + first, row + first, 1, 2);
            first++;
            continue;
        }
        local const float *at = x + (from - left) * t->pixel;
        if (o->blocks == 2)
            line_tile(o, at, t, turn, row + from, row + fresh, TILE_PX, 2);
        else if (wide)
            line_tile(o, at, t, turn, row + from, row + fresh, 2 * TILE_PX, 1);
        else
            line_tile(o, at, t, turn, row + from, row + fresh, TILE_PX, 1);
        first = from + px;
    }
}

/* The rows that output row oy reads, from the window's ky-th on, columns left..left + n - 1. mean: NULL for planes. */
INLINE void lines_fill(local float *room, global const char *x, const lines *t, const VF *mean, int oy, int ky, int left,
                       int n)
{
    const conv_geom *g = &t->g;
    for (; ky < g->kh; ky++) {
        int y = oy * g->sh - g->pt + ky * g->dh;
        local float *line = room + (oy * g->sh + ky) % g->kh * t->pitch;
        if (mean && g->c == 3)
            line_of_frame(line, (global const uchar *) x, y, left, n, 3, mean, g);
        else if (mean)
            line_of_frame(line, (global const uchar *) x, y, left, n, g->c, mean, g);
        else
            for (int c = 0; c < g->c; c++, line += g->kh * t->pitch)
                line_of_plane(line, (global const float *) x + (long) c * g->h * g->w, y, left, n, g);
    }
}

/* Of work-item `item`; `first` is the first pair of output blocks. */
INLINE void lines_run(const tile_out *first, global const char *x, local float *room, const lines *t,
                      const VF *mean, int item)
{
    const conv_geom *g = &t->g;
    long plane = (long) g->oh * g->ow * V;
    int first_row = item * g->per_item, end_row = min(first_row + g->per_item, g->oh);
    for (int ox = 0; ox < g->ow; ox += t->strip) {
        int left = max(0, min(ox, g->ow - t->strip)), end = min(ox + t->strip, g->ow);
        int n = (end - left - 1) * t->pixel + (t->run - 1) * t->step + 1;
        for (int oy = first_row; oy < end_row; oy++) {
            int kept = oy == first_row || g->dh > 1 ? 0 : max(0, g->kh - g->sh);
            lines_fill(room, x, t, mean, oy, kept, left * g->sw - g->pl, n);
            tile_out o = *first;
            for (int left_over = blocks_of(g->m); left_over > 0; left_over -= 2) {
                o.blocks = min(2, left_over);
                line_row(&o, room, t, oy, left, ox, end);
                o.bias += 2 * V;
                o.weights += (long) g->c * g->kh * g->kw * 2 * V;
                o.y += 2 * plane;
                o.r = o.r ? o.r + 2 * plane : 0;
            }
        }
    }
}

/* Both: global (work-items over output rows, images); local (1,1). */
kernel void conv_plain_in(global const float *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                          ulong yo, global const float *wb, ulong wo, local float *room, lines t)
{
    tile_out first = tile_out_at(rb, ro, yb, yo, wb, wo, 0, get_global_id(1), &t.g);
    long image = (long) get_global_id(1) * t.g.c * t.g.h * t.g.w;
    lines_run(&first, (global const char *) (AT(const float, xb, xo) + image), room, &t, 0, get_global_id(0));
}

kernel void conv_frames(global const uchar *xb, ulong xo, global const float *rb, ulong ro, global float *yb,
                        ulong yo, global const float *wb, ulong wo, local float *room, lines t, frame_norm norm)
{
    tile_out first = tile_out_at(rb, ro, yb, yo, wb, wo, 0, get_global_id(1), &t.g);
    long image = (long) get_global_id(1) * t.g.c * t.g.h * t.g.w;
    VF mean[4];
    for (int i = 0; i < 4 * V; i++)
        ((float *) mean)[i] = norm.mean[i % t.g.c];
    lines_run(&first, (global const char *) (AT(const uchar, xb, xo) + image), room, &t, mean, get_global_id(0));
}
