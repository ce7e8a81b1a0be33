/* For each output row: two rows of each plane become one, then the taps across are taken, then the colours made.
 *
 * All but fetching the taps is plain loops over 16-bit numbers, written so that compilers make vectors of them; a
 * product's upper half, (a*b) >> 16, is one instruction everywhere. Down comes first, so that taps are fetched once for
 * each output row; both of a tap stand side by side, U and V too, and come with one load.
 *
 * libswscale, by which OpenCV reads, cuts off the fraction of every product: half a level each in the mean, one product
 * fewer where luma needs none. Models have seen pictures a level darker for it, and so they are here, by a constant
 * rather than by the noise of cutting.
 */
#include "stages/media/yuv_linear.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "stages/media/linear_taps.h"

enum { DOWN_BITS = 8, DOWN_ONE = 1 << DOWN_BITS };
enum { FRACTION = 7 };        /* bits of it in samples between rows and after: 15 bits in all */
enum { ACROSS_BITS = 15 };    /* of weights across */
enum { COEF_BITS = 13 };      /* of the matrix */
enum { COLOR_BITS = FRACTION + COEF_BITS - 16, HALF = 1 << (COLOR_BITS - 1) };   /* of colours before rounding */

/* Across: each output pixel lies between sample `at` and the one after it, which may be a spare one of no weight. */
struct across {
    uint16_t *at;             /* owned; [dst_w] */
    int16_t *weight;          /* owned; [dst_w] */
};

struct yuv_linear {
    struct yuv_linear_params p;   /* the matrix is not kept */
    int chroma_w;
    struct linear_tap *down;      /* owned; [dst_h] */
    struct across luma, chroma;
    int16_t *luma_row;            /* owned; [src_w + 1]: between two rows */
    int16_t *chroma_row;          /* owned; [chroma_w + 1][2]: U, V */
    int16_t *taps;                /* owned; [dst_w][4]: fetched */
    int16_t *taken[3];            /* owned; [dst_w]: Y, U, V at the output's pixels, chroma about 0 */
    int16_t black, y_gain, rounding;
    int16_t v_in_r, u_in_b, u_in_g, v_in_g;
};

static bool make_across(struct across *a, const struct linear_tap *taps, int n, int shift)
{
    a->at = malloc((size_t) n * sizeof *a->at);
    a->weight = malloc((size_t) n * sizeof *a->weight);
    for (int i = 0; a->at && a->weight && i < n; i++) {
        int low = taps[i].low >> shift, high = taps[i].high >> shift;
        int weight = high == low ? 0 : taps[i].weight << (ACROSS_BITS - TAP_BITS);
        a->at[i] = (uint16_t) low;
        a->weight[i] = (int16_t) (weight > INT16_MAX ? INT16_MAX : weight);
    }
    return a->at && a->weight;
}

static int16_t coefficient(double v)
{
    return (int16_t) (v * (1 << COEF_BITS) + (v < 0 ? -0.5 : 0.5));
}

static void make_colors(struct yuv_linear *y)
{
    const int *m = y->p.matrix;
    double unit = (y->p.full_range ? 224.0 / 255 : 1) / 65536;
    y->rounding = (int16_t) (y->p.full_range ? 0 : -HALF);
    y->black = (int16_t) (y->p.full_range ? 0 : 16 << FRACTION);
    y->y_gain = coefficient(y->p.full_range ? 1 : 255.0 / 219);
    y->v_in_r = coefficient(m[0] * unit);
    y->u_in_b = coefficient(m[1] * unit);
    y->u_in_g = coefficient(-m[2] * unit);
    y->v_in_g = coefficient(-m[3] * unit);
}

static bool make_rows(struct yuv_linear *y)
{
    size_t n = (size_t) y->p.dst_w;
    y->luma_row = calloc((size_t) y->p.src_w + 1, sizeof *y->luma_row);
    y->chroma_row = calloc((size_t) y->chroma_w + 1, 2 * sizeof *y->chroma_row);
    y->taps = malloc(n * 4 * sizeof *y->taps);
    bool made = y->luma_row && y->chroma_row && y->taps;
    for (int i = 0; i < 3; i++) {
        y->taken[i] = malloc(n * sizeof *y->taken[i]);
        made = made && y->taken[i];
    }
    return made;
}

static bool is_side(int n)
{
    return n >= 1 && n <= 16384;
}

enum cq_err yuv_linear_create(const struct yuv_linear_params *p, struct yuv_linear **out)
{
    *out = NULL;
    if (!is_side(p->src_w) || !is_side(p->src_h) || !is_side(p->dst_w) || !is_side(p->dst_h))
        return CQ_INVALID;
    struct yuv_linear *y = calloc(1, sizeof *y);
    struct linear_tap *taps = linear_taps(p->src_w, p->dst_w);
    if (!y || !taps)
        goto fail;
    y->p = *p;
    y->chroma_w = ((p->src_w - 1) >> p->chroma_shift_x) + 1;
    y->down = linear_taps(p->src_h, p->dst_h);
    if (!y->down || !make_across(&y->luma, taps, p->dst_w, 0) ||
        !make_across(&y->chroma, taps, p->dst_w, p->chroma_shift_x) || !make_rows(y))
        goto fail;
    make_colors(y);
    y->p.matrix = NULL;
    free(taps);
    *out = y;
    return CQ_OK;

fail:
    free(taps);
    yuv_linear_destroy(&y);
    return CQ_NOMEM;
}

static void free_across(struct across *a)
{
    free(a->at);
    free(a->weight);
}

void yuv_linear_destroy(struct yuv_linear **py)
{
    struct yuv_linear *y = *py;
    if (!y)
        return;
    for (int i = 0; i < 3; i++)
        free(y->taken[i]);
    free(y->luma_row);
    free(y->chroma_row);
    free(y->taps);
    free(y->down);
    free_across(&y->luma);
    free_across(&y->chroma);
    free(y);
    *py = NULL;
}

static int16_t times(int16_t a, int16_t b)
{
    return (int16_t) ((a * b) >> 16);
}

static int16_t mix_down(uint8_t top, uint8_t bottom, uint16_t weight)
{
    return (int16_t) ((uint16_t) (top * (DOWN_ONE - weight) + bottom * weight) >> (DOWN_BITS - FRACTION));
}

static int16_t mix_across(int16_t low, int16_t high, int16_t weight)
{
    return (int16_t) (low + (times((int16_t) (high - low), weight) * (1 << (16 - ACROSS_BITS))));
}

/* Row `at` of a plane, which may have fewer than the picture. */
static const uint8_t *row_of(const uint8_t *plane, int stride, int at, int shift)
{
    return plane + (at >> shift) * (ptrdiff_t) stride;
}

static void mix_luma(const struct yuv_linear *y, const uint8_t *restrict top, const uint8_t *restrict bottom, int weight)
{
    int16_t *restrict out = y->luma_row;
    for (int i = 0; i < y->p.src_w; i++)
        out[i] = mix_down(top[i], bottom[i], (uint16_t) weight);
}

static void mix_chroma(const struct yuv_linear *y, const uint8_t *const top[2], const uint8_t *const bottom[2], int weight)
{
    const uint8_t *restrict u_top = top[0], *restrict v_top = top[1];
    const uint8_t *restrict u_bottom = bottom[0], *restrict v_bottom = bottom[1];
    int16_t *restrict out = y->chroma_row;
    for (int i = 0; i < y->chroma_w; i++) {
        out[2 * i] = mix_down(u_top[i], u_bottom[i], (uint16_t) weight);
        out[2 * i + 1] = mix_down(v_top[i], v_bottom[i], (uint16_t) weight);
    }
}

static void take_luma(const struct yuv_linear *y)
{
    const uint16_t *restrict at = y->luma.at;
    const int16_t *restrict row = y->luma_row, *restrict weight = y->luma.weight;
    int16_t *restrict taps = y->taps, *restrict out = y->taken[0];
    int n = y->p.dst_w;
    for (int i = 0; i < n; i++)
        memcpy(taps + 2 * i, row + at[i], 2 * sizeof *taps);
    for (int i = 0; i < n; i++)
        out[i] = mix_across(taps[2 * i], taps[2 * i + 1], weight[i]);
}

static void take_chroma(const struct yuv_linear *y)
{
    enum { MIDDLE = 128 << FRACTION };
    const uint16_t *restrict at = y->chroma.at;
    const int16_t *restrict row = y->chroma_row, *restrict weight = y->chroma.weight;
    int16_t *restrict taps = y->taps, *restrict u = y->taken[1], *restrict v = y->taken[2];
    int n = y->p.dst_w;
    for (int i = 0; i < n; i++)
        memcpy(taps + 4 * i, row + 2 * at[i], 4 * sizeof *taps);
    for (int i = 0; i < n; i++) {
        u[i] = (int16_t) (mix_across(taps[4 * i], taps[4 * i + 2], weight[i]) - MIDDLE);
        v[i] = (int16_t) (mix_across(taps[4 * i + 1], taps[4 * i + 3], weight[i]) - MIDDLE);
    }
}

/* Without its fraction, within 0..255. */
static uint8_t level(int16_t v)
{
    int16_t whole = (int16_t) (v >> COLOR_BITS);
    whole = whole < 0 ? 0 : whole;
    return (uint8_t) (whole > 255 ? 255 : whole);
}

static void make_grey(const struct yuv_linear *y, uint8_t *restrict grey)
{
    const int16_t *restrict luma = y->taken[0];
    int16_t black = y->black, gain = y->y_gain;
    int n = y->p.dst_w;
    for (int i = 0; i < n; i++)
        grey[i] = level((int16_t) (times((int16_t) (luma[i] - black), gain) + HALF));
}

static void make_rgb(const struct yuv_linear *y, uint8_t *restrict g, uint8_t *restrict b, uint8_t *restrict r)
{
    const int16_t *restrict luma = y->taken[0], *restrict u = y->taken[1], *restrict v = y->taken[2];
    int16_t black = y->black, gain = y->y_gain;
    int16_t rounding = y->rounding, green_rounding = (int16_t) (rounding - HALF);
    int16_t v_in_r = y->v_in_r, u_in_b = y->u_in_b, u_in_g = y->u_in_g, v_in_g = y->v_in_g;
    int n = y->p.dst_w;
    for (int i = 0; i < n; i++) {
        int16_t l = times((int16_t) (luma[i] - black), gain);
        r[i] = level((int16_t) (l + times(v[i], v_in_r) + rounding));
        g[i] = level((int16_t) (l + times(u[i], u_in_g) + times(v[i], v_in_g) + green_rounding));
        b[i] = level((int16_t) (l + times(u[i], u_in_b) + rounding));
    }
}

static void run_row(struct yuv_linear *y, const uint8_t *const src[3], const int strides[3], int at, bool grey)
{
    const struct linear_tap *t = &y->down[at];
    int weight = (t->weight + (1 << (TAP_BITS - DOWN_BITS - 1))) >> (TAP_BITS - DOWN_BITS), shift = y->p.chroma_shift_y;
    mix_luma(y, row_of(src[0], strides[0], t->low, 0), row_of(src[0], strides[0], t->high, 0), weight);
    take_luma(y);
    if (grey)
        return;
    const uint8_t *const top[2] = {row_of(src[1], strides[1], t->low, shift), row_of(src[2], strides[2], t->low, shift)};
    const uint8_t *const bottom[2] = {row_of(src[1], strides[1], t->high, shift),
                                      row_of(src[2], strides[2], t->high, shift)};
    mix_chroma(y, top, bottom, weight);
    take_chroma(y);
}

void yuv_linear_run(struct yuv_linear *y, const uint8_t *const src[3], const int src_strides[3], uint8_t *const dst[3],
                    int dst_stride)
{
    bool grey = !dst[1];
    for (int at = 0; at < y->p.dst_h; at++) {
        ptrdiff_t line = at * (ptrdiff_t) dst_stride;
        run_row(y, src, src_strides, at, grey);
        if (grey)
            make_grey(y, dst[0] + line);
        else
            make_rgb(y, dst[0] + line, dst[1] + line, dst[2] + line);
    }
}
