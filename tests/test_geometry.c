/* Geometry: where a picture goes in an input, and that points find their way back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stages/answer/geometry.h"

static void check_fit(enum fit fit, int dw, int dh, int iw, int ih, int x, int y, int w, int h)
{
    struct geometry g = geometry_fit(fit, dw, dh, iw, ih);
    assert_int_equal(g.display_w, dw);
    assert_int_equal(g.display_h, dh);
    assert_int_equal(g.input_w, iw);
    assert_int_equal(g.input_h, ih);
    assert_int_equal(g.x, x);
    assert_int_equal(g.y, y);
    assert_int_equal(g.w, w);
    assert_int_equal(g.h, h);
}

static void pictures_are_fitted(void **state)
{
    (void) state;
    check_fit(FIT_STRETCH, 1280, 720, 416, 416, 0, 0, 416, 416);
    check_fit(FIT_LETTERBOX, 1280, 720, 416, 416, 0, 91, 416, 234);
    check_fit(FIT_LETTERBOX_TOP_LEFT, 1280, 720, 416, 416, 0, 0, 416, 234);
    check_fit(FIT_LETTERBOX, 1080, 1440, 416, 416, 52, 0, 312, 416);
    check_fit(FIT_LETTERBOX, 641, 361, 320, 240, 0, 30, 320, 180);
    check_fit(FIT_LETTERBOX, 320, 240, 640, 480, 0, 0, 640, 480);
    check_fit(FIT_LETTERBOX, 5000, 1, 64, 64, 0, 31, 64, 1);
    check_fit(FIT_LETTERBOX_TOP_LEFT, 1, 5000, 64, 64, 0, 0, 1, 64);
}

/* The corners of the picture's rectangle are the corners of the display. */
static void points_find_their_way_back(void **state)
{
    (void) state;
    const enum fit fits[] = {FIT_STRETCH, FIT_LETTERBOX, FIT_LETTERBOX_TOP_LEFT};
    for (int i = 0; i < 3; i++) {
        struct geometry g = geometry_fit(fits[i], 1080, 1440, 640, 352);
        assert_true(fabsf(geometry_display_x(&g, (float) g.x)) < 1e-3f);
        assert_true(fabsf(geometry_display_y(&g, (float) g.y)) < 1e-3f);
        assert_true(fabsf(geometry_display_x(&g, (float) (g.x + g.w)) - 1080) < 1e-3f);
        assert_true(fabsf(geometry_display_y(&g, (float) (g.y + g.h)) - 1440) < 1e-3f);
        assert_true(fabsf(geometry_display_x(&g, (float) g.x + (float) g.w / 4) - 270) < 1e-3f);
    }
    struct geometry g = geometry_fit(FIT_LETTERBOX, 1280, 720, 416, 416);
    assert_true(geometry_display_y(&g, 0) < 0);   /* in the border: not clamped */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_fitted),
        cmocka_unit_test(points_find_their_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
