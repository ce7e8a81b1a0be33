/* The image decoder's pixels: range, rounding, colour order. png_write is this file's own and keeps them. */
#include <math.h>
#include <string.h>

#include "stages/answer/png.h"
#include "tests/answer_frame.h"

static uint8_t kept[64];
static int kept_width, kept_height, kept_channels;

enum cq_err png_write(struct cq_log *log, const char *path, const uint8_t *pixels, int width, int height, int channels)
{
    (void) log;
    assert_string_equal(path, "folder/stem-0-out.png");
    assert_true((size_t) (width * height * channels) <= sizeof kept);
    memcpy(kept, pixels, (size_t) (width * height * channels));
    kept_width = width;
    kept_height = height;
    kept_channels = channels;
    return CQ_OK;
}

static void decode(float scale, enum channel_order order, int channels, const float *values, int n)
{
    struct test_frame t;
    test_frame_init(&t, "image", FIT_STRETCH, 4, 4, 4, 4);
    t.card.image.scale[0] = scale;
    t.card.channels = order;
    t.frame.folder = "folder";
    t.frame.stem = "stem";
    memcpy(test_frame_output(&t, "out", 4, DIMS(1, channels, 1, n / channels)), values, (size_t) n * sizeof *values);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_artifacts, 1);
    assert_string_equal(a.artifacts[0].path, "stem-0-out.png");
    assert_int_equal(kept_width, n / channels);
    assert_int_equal(kept_height, 1);
    assert_int_equal(kept_channels, channels);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void shares_become_bytes(void **state)
{
    (void) state;
    decode(1 / 255.0f, CHANNELS_GRAY, 1, (float[]) {0, 1, 0.5f, -3, 7, NAN, INFINITY}, 7);
    assert_memory_equal(kept, ((uint8_t[]) {0, 255, 128, 0, 255, 0, 0}), 7);
}

static void bytes_stay_bytes(void **state)
{
    (void) state;
    decode(1, CHANNELS_GRAY, 1, (float[]) {0, 1, 127.6f, 300}, 4);
    assert_memory_equal(kept, ((uint8_t[]) {0, 1, 128, 255}), 4);
}

static void planes_become_rgb(void **state)
{
    (void) state;
    static const float planes[] = {10, 11, 20, 21, 30, 31};
    decode(1, CHANNELS_RGB, 3, planes, 6);
    assert_memory_equal(kept, ((uint8_t[]) {10, 20, 30, 11, 21, 31}), 6);
    decode(1, CHANNELS_BGR, 3, planes, 6);
    assert_memory_equal(kept, ((uint8_t[]) {30, 20, 10, 31, 21, 11}), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_become_bytes),
        cmocka_unit_test(bytes_stay_bytes),
        cmocka_unit_test(planes_become_rgb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
