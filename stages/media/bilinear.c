/* Two passes: source rows are resized along x into 32-bit sums, kept for the two rows that an output row lies
 * between; rows that no output row needs are never read.
 */
#include "stages/media/bilinear.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "stages/media/linear_taps.h"

enum { MAX_CHANNELS = 3 };

struct bilinear {
    int dst_w, dst_h, channels;
    struct linear_tap *x, *y;             /* owned; dst_w and dst_h of them */
    int32_t *row[2];               /* owned; resized source rows, [channels][dst_w] */
    int held[2];                   /* which source row each holds, -1: none */
};

enum cq_err bilinear_create(int src_w, int src_h, int dst_w, int dst_h, int channels, struct bilinear **out)
{
    *out = NULL;
    if (src_w < 1 || src_h < 1 || dst_w < 1 || dst_h < 1 || channels < 1 || channels > MAX_CHANNELS)
        return CQ_INVALID;
    struct bilinear *b = calloc(1, sizeof *b);
    if (!b)
        return CQ_NOMEM;
    b->dst_w = dst_w;
    b->dst_h = dst_h;
    b->channels = channels;
    b->x = linear_taps(src_w, dst_w);
    b->y = linear_taps(src_h, dst_h);
    for (int i = 0; i < 2; i++)
        b->row[i] = malloc((size_t) dst_w * (size_t) channels * sizeof *b->row[i]);
    if (!b->x || !b->y || !b->row[0] || !b->row[1]) {
        bilinear_destroy(&b);
        return CQ_NOMEM;
    }
    *out = b;
    return CQ_OK;
}

void bilinear_destroy(struct bilinear **b)
{
    if (!*b)
        return;
    free((*b)->x);
    free((*b)->y);
    free((*b)->row[0]);
    free((*b)->row[1]);
    free(*b);
    *b = NULL;
}

static void resize_row_3(const struct bilinear *b, const uint8_t *restrict src, int32_t *restrict out)
{
    int n = b->dst_w;
    for (int i = 0; i < n; i++) {
        const struct linear_tap *t = &b->x[i];
        const uint8_t *p = src + 3 * t->low, *q = src + 3 * t->high;
        out[i] = p[0] * TAP_ONE + (q[0] - p[0]) * t->weight;
        out[n + i] = p[1] * TAP_ONE + (q[1] - p[1]) * t->weight;
        out[2 * n + i] = p[2] * TAP_ONE + (q[2] - p[2]) * t->weight;
    }
}

static void resize_row(const struct bilinear *b, const uint8_t *restrict src, int32_t *restrict out)
{
    if (b->channels == 3) {
        resize_row_3(b, src, out);
        return;
    }
    for (int i = 0; i < b->dst_w; i++) {
        const struct linear_tap *t = &b->x[i];
        for (int c = 0; c < b->channels; c++) {
            int p = src[t->low * b->channels + c], q = src[t->high * b->channels + c];
            out[c * b->dst_w + i] = p * TAP_ONE + (q - p) * t->weight;
        }
    }
}

/* The resized source row `y`. The buffer that holds `keep` is left alone. */
static const int32_t *hold_row(struct bilinear *b, const uint8_t *src, int stride, int y, int keep)
{
    for (int i = 0; i < 2; i++)
        if (b->held[i] == y)
            return b->row[i];
    int slot = b->held[0] == keep ? 1 : 0;
    resize_row(b, src + (ptrdiff_t) y * stride, b->row[slot]);
    b->held[slot] = y;
    return b->row[slot];
}

static void mix_rows(const int32_t *restrict top, const int32_t *restrict bottom, int weight, int n, uint8_t *restrict dst)
{
    const int32_t half = 1 << (2 * TAP_BITS - 1);
    for (int i = 0; i < n; i++)
        dst[i] = (uint8_t) ((top[i] * (TAP_ONE - weight) + bottom[i] * weight + half) >> (2 * TAP_BITS));
}

void bilinear_run(struct bilinear *b, const uint8_t *src, int src_stride, uint8_t *const dst[], int dst_stride)
{
    b->held[0] = b->held[1] = -1;
    for (int y = 0; y < b->dst_h; y++) {
        const struct linear_tap *t = &b->y[y];
        const int32_t *top = hold_row(b, src, src_stride, t->low, t->high);
        const int32_t *bottom = hold_row(b, src, src_stride, t->high, t->low);
        for (int c = 0; c < b->channels; c++)
            mix_rows(top + c * b->dst_w, bottom + c * b->dst_w, t->weight, b->dst_w, dst[c] + (ptrdiff_t) y * dst_stride);
    }
}
