/* Two-tap resizing against its definition in double precision, and nothing outside the destination touched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/media/bilinear.h"

enum { GUARD = 0xA5, ROOM = 7 };

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static double defined(const uint8_t *src, int w, int h, int channels, int channel, double x, double y)
{
    x = clamp(x, 0, w - 1);
    y = clamp(y, 0, h - 1);
    int x0 = (int) x, y0 = (int) y, x1 = x0 + (x0 < w - 1), y1 = y0 + (y0 < h - 1);
    double fx = x - x0, fy = y - y0;
#define AT(x_, y_) src[((y_) * w + (x_)) * channels + channel]
    return (AT(x0, y0) * (1 - fx) + AT(x1, y0) * fx) * (1 - fy) + (AT(x0, y1) * (1 - fx) + AT(x1, y1) * fx) * fy;
#undef AT
}

static void check_size(int src_w, int src_h, int dst_w, int dst_h, int channels)
{
    uint8_t *src = malloc((size_t) (src_w * src_h * channels));
    for (int i = 0; i < src_w * src_h * channels; i++)
        src[i] = (uint8_t) rand();
    int stride = dst_w + ROOM;
    uint8_t *block = malloc((size_t) (stride * dst_h * channels));
    memset(block, GUARD, (size_t) (stride * dst_h * channels));
    uint8_t *planes[3] = {block, block + stride * dst_h, block + 2 * stride * dst_h};

    struct bilinear *b;
    assert_int_equal(bilinear_create(src_w, src_h, dst_w, dst_h, channels, &b), CQ_OK);
    for (int again = 0; again < 2; again++)
        bilinear_run(b, src, src_w * channels, planes, stride);
    bilinear_destroy(&b);

    for (int c = 0; c < channels; c++)
        for (int y = 0; y < dst_h; y++) {
            for (int x = 0; x < dst_w; x++) {
                double want = defined(src, src_w, src_h, channels, c, (x + 0.5) * src_w / dst_w - 0.5,
                                      (y + 0.5) * src_h / dst_h - 0.5);
                assert_true(fabs(planes[c][y * stride + x] - want) < 0.8);
            }
            for (int x = dst_w; x < stride; x++)
                assert_int_equal(planes[c][y * stride + x], GUARD);
        }
    free(block);
    free(src);
}

static void follows_the_definition(void **state)
{
    (void) state;
    srand(1);
    static const int sizes[][4] = {
        {64, 48, 20, 15}, {161, 121, 416, 313}, {1, 1, 5, 4}, {5, 4, 1, 1}, {3, 7, 3, 7}, {2, 2, 9, 9}, {200, 2, 31, 1},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 3; channels += 2)
            check_size(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], channels);
}

static void same_size_is_a_copy(void **state)
{
    (void) state;
    uint8_t src[12] = {0, 255, 1, 254, 2, 253, 3, 252, 4, 251, 5, 250}, dst[12];
    struct bilinear *b;
    assert_int_equal(bilinear_create(4, 3, 4, 3, 1, &b), CQ_OK);
    bilinear_run(b, src, 4, (uint8_t *[]) {dst}, 4);
    assert_memory_equal(src, dst, sizeof src);
    bilinear_destroy(&b);
    bilinear_destroy(&b);
}

static void refuses_impossible_sizes(void **state)
{
    (void) state;
    struct bilinear *b;
    assert_int_equal(bilinear_create(0, 1, 1, 1, 3, &b), CQ_INVALID);
    assert_int_equal(bilinear_create(1, 1, 1, 0, 3, &b), CQ_INVALID);
    assert_int_equal(bilinear_create(1, 1, 1, 1, 4, &b), CQ_INVALID);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),
        cmocka_unit_test(same_size_is_a_copy),
        cmocka_unit_test(refuses_impossible_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
