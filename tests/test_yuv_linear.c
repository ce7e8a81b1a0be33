/* One pass from YUV to RGB at another size, against taps and matrix in double precision; nothing else is touched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/media/yuv_linear.h"

enum { GUARD = 0xA5, ROOM = 5 };

static const int bt709[4] = {117504, 138453, 13954, 34903};

struct shape {
    int src_w, src_h, dst_w, dst_h, shift_x, shift_y;
    bool full, grey;
};

struct picture {
    uint8_t *plane[3];
    int stride[3];
};

static struct picture noise(const struct shape *s)
{
    struct picture p;
    for (int i = 0; i < 3; i++) {
        int w = i ? ((s->src_w - 1) >> s->shift_x) + 1 : s->src_w, h = i ? ((s->src_h - 1) >> s->shift_y) + 1 : s->src_h;
        p.stride[i] = w + i;
        p.plane[i] = malloc((size_t) (p.stride[i] * h));
        assert_non_null(p.plane[i]);
        for (int k = 0; k < p.stride[i] * h; k++)
            p.plane[i][k] = (uint8_t) rand();
    }
    return p;
}

static double sample(const struct shape *s, const struct picture *p, int plane, int x, int y)
{
    int at = plane ? (y >> s->shift_y) * p->stride[plane] + (x >> s->shift_x) : y * p->stride[0] + x;
    return p->plane[plane][at];
}

static double taken(const struct shape *s, const struct picture *p, int plane, double x, double y)
{
    x = fmin(fmax(x, 0), s->src_w - 1);
    y = fmin(fmax(y, 0), s->src_h - 1);
    int x0 = (int) x, y0 = (int) y, x1 = x0 + (x0 < s->src_w - 1), y1 = y0 + (y0 < s->src_h - 1);
    double fx = x - x0, fy = y - y0;
    return (sample(s, p, plane, x0, y0) * (1 - fx) + sample(s, p, plane, x1, y0) * fx) * (1 - fy) +
           (sample(s, p, plane, x0, y1) * (1 - fx) + sample(s, p, plane, x1, y1) * fx) * fy;
}

/* As a picture without fractions has it: see yuv_linear.c on the constants. */
static double color(const struct shape *s, double y, double u, double v, int channel)
{
    double unit = (s->full ? 224.0 / 255 : 1) / 65536, cut = s->full ? 0 : 0.5;
    double luma = s->full ? y : (y - 16) * 255 / 219;
    u = (u - 128) * unit;
    v = (v - 128) * unit;
    double all[3] = {luma - u * bt709[2] - v * bt709[3] - cut - 1, luma + u * bt709[1] - cut - 0.5,
                     luma + v * bt709[0] - cut - 0.5};
    return fmin(fmax(s->grey ? luma : all[channel], 0), 255);
}

static void check_shape(const struct shape *s)
{
    const struct yuv_linear_params params = {
        s->src_w, s->src_h, s->dst_w, s->dst_h, s->shift_x, s->shift_y, bt709, s->full,
    };
    struct picture p = noise(s);
    int stride = s->dst_w + ROOM;
    size_t size = (size_t) (stride * s->dst_h);
    uint8_t *block = malloc(3 * size);
    assert_non_null(block);
    memset(block, GUARD, 3 * size);
    uint8_t *planes[3] = {block, s->grey ? NULL : block + size, s->grey ? NULL : block + 2 * size};

    struct yuv_linear *y;
    assert_int_equal(yuv_linear_create(&params, &y), CQ_OK);
    for (int again = 0; again < 2; again++)
        yuv_linear_run(y, (const uint8_t *const *) p.plane, p.stride, planes, stride);
    yuv_linear_destroy(&y);

    for (int i = 0; i < s->dst_w * s->dst_h; i++) {
        int dx = i % s->dst_w, dy = i / s->dst_w;
        double v[3], x_at = (dx + 0.5) * s->src_w / s->dst_w - 0.5, y_at = (dy + 0.5) * s->src_h / s->dst_h - 0.5;
        for (int c = 0; c < 3; c++)
            v[c] = taken(s, &p, c, x_at, y_at);
        for (int c = 0; c < (s->grey ? 1 : 3); c++)
            assert_true(fabs(planes[c][dy * stride + dx] - color(s, v[0], v[1], v[2], c)) < 1.6);
    }
    for (size_t i = 0; i < 3 * size; i++)
        assert_true(block[i] == GUARD || (i % (size_t) stride < (size_t) s->dst_w && (i < size || !s->grey)));
    for (int i = 0; i < 3; i++)
        free(p.plane[i]);
    free(block);
}

static void pictures_are_as_defined(void **state)
{
    (void) state;
    const struct shape shapes[] = {
        {128, 72, 41, 23, 1, 1, false, false}, {128, 72, 41, 23, 1, 1, true, false}, {128, 72, 41, 23, 1, 0, false, false},
        {64, 48, 64, 48, 1, 1, true, false},   {31, 17, 90, 77, 1, 1, false, false},  {37, 20, 16, 16, 0, 0, true, false},
        {1, 1, 5, 5, 1, 1, false, false},      {2, 2, 1, 1, 1, 1, true, false},       {640, 2, 9, 7, 1, 1, false, false},
        {128, 72, 41, 23, 1, 1, false, true},  {77, 33, 100, 50, 1, 1, true, true},
    };
    srand(1);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_shape(&shapes[i]);
}

static void rows_may_stand_upside_down(void **state)
{
    (void) state;
    const struct yuv_linear_params params = {4, 4, 4, 4, 1, 1, bt709, true};
    uint8_t luma[16], chroma[4] = {128, 128, 128, 128}, out[16];
    uint8_t *planes[3] = {out, NULL, NULL};
    for (int i = 0; i < 16; i++)
        luma[i] = (uint8_t) (10 * i);
    struct yuv_linear *y;
    assert_int_equal(yuv_linear_create(&params, &y), CQ_OK);
    yuv_linear_run(y, (const uint8_t *[3]) {luma + 12, chroma + 2, chroma + 2}, (int[3]) {-4, -2, -2}, planes, 4);
    yuv_linear_destroy(&y);
    for (int i = 0; i < 16; i++)
        assert_int_equal(out[i], luma[12 - i / 4 * 4 + i % 4]);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void) state;
    const int wrong[][4] = {{0, 1, 1, 1}, {1, -1, 1, 1}, {1, 1, 0, 1}, {1, 1, 1, 16385}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct yuv_linear_params params = {wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], 1, 1, bt709, true};
        struct yuv_linear *y;
        assert_int_equal(yuv_linear_create(&params, &y), CQ_INVALID);
        assert_null(y);
        yuv_linear_destroy(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_as_defined),
        cmocka_unit_test(rows_may_stand_upside_down),
        cmocka_unit_test(sizes_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
