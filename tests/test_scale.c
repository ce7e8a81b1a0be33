/* The scaler: where the picture lands, which way up, in which colours, and that nothing else is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>

#include "kernels/base/log.h"
#include "stages/media/clip.h"
#include "stages/media/scale.h"

enum { GUARD = 256, GUARD_BYTE = 0xa5 };

static AVFrame *new_frame(enum AVPixelFormat format, int w, int h)
{
    AVFrame *f = av_frame_alloc();
    assert_non_null(f);
    f->format = format;
    f->width = w;
    f->height = h;
    assert_true(av_frame_get_buffer(f, 0) >= 0);
    return f;
}

/* A flat yuv frame of 8 bits. */
static AVFrame *flat(enum AVPixelFormat format, int w, int h, int y, int u, int v)
{
    AVFrame *f = new_frame(format, w, h);
    const int value[3] = {y, u, v};
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    for (int p = 0; p < 3; p++) {
        int rows = p ? AV_CEIL_RSHIFT(h, d->log2_chroma_h) : h;
        memset(f->data[p], value[p], (size_t) f->linesize[p] * (size_t) rows);
    }
    return f;
}

/* Quarters red, green / blue, white: which way up a picture is can be read off its corners. */
static AVFrame *quarters(int w, int h)
{
    static const uint8_t colors[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    AVFrame *f = new_frame(AV_PIX_FMT_RGB24, w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            memcpy(f->data[0] + y * f->linesize[0] + 3 * x, colors[(y >= h / 2) * 2 + (x >= w / 2)], 3);
    return f;
}

struct scaled {
    int w, h, channels;
    uint8_t *pixels;     /* freed by release() */
    uint8_t *block;
    struct geometry g;
};

/* Scales into memory with guards on both sides that must stay as they are. */
static struct scaled scaled(AVFrame *f, const struct scale_target *t, int rotation, bool mirrored)
{
    struct scaled r = {.w = t->width, .h = t->height, .channels = t->channels == CHANNELS_GRAY ? 1 : 3};
    size_t size = (size_t) scale_bytes(t);
    assert_int_equal(size, r.w * r.h * r.channels);
    r.block = malloc(size + 2 * GUARD);
    assert_non_null(r.block);
    memset(r.block, GUARD_BYTE, size + 2 * GUARD);
    r.pixels = r.block + GUARD;

    struct scaler *s;
    assert_int_equal(scaler_create(NULL, t, rotation, mirrored, &s), CQ_OK);
    const struct clip_frame frame = {.picture = f};
    assert_int_equal(scaler_run(s, &frame, r.pixels, &r.g), CQ_OK);
    scaler_destroy(&s);
    assert_null(s);
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(r.block[i], GUARD_BYTE);
        assert_int_equal(r.pixels[size + i], GUARD_BYTE);
    }
    return r;
}

static void release(struct scaled *r, AVFrame *f)
{
    free(r->block);
    av_frame_free(&f);
}

static void check_pixel(const struct scaled *r, int x, int y, int c0, int c1, int c2, int tolerance)
{
    const uint8_t *p = r->pixels + (y * r->w + x) * r->channels;
    const int want[3] = {c0, c1, c2};
    for (int c = 0; c < r->channels; c++)
        if (abs(p[c] - want[c]) > tolerance) {
            print_error("pixel %d,%d channel %d is %d, not %d\n", x, y, c, p[c], want[c]);
            fail();
        }
}

/* The letters of the corners left top, right top, left bottom, right bottom. */
static void check_corners_by(enum resample resample, int rotation, bool mirrored, const char *expected)
{
    AVFrame *f = quarters(64, 32);
    const struct scale_target t = {40, 40, CHANNELS_RGB, FIT_STRETCH, resample, 0};
    struct scaled r = scaled(f, &t, rotation, mirrored);
    bool turned = rotation % 180 == 90;
    assert_int_equal(r.g.display_w, turned ? 32 : 64);
    assert_int_equal(r.g.display_h, turned ? 64 : 32);
    char found[5] = "";
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = r.pixels + ((i / 2 ? 35 : 4) * 40 + (i % 2 ? 35 : 4)) * 3;
        found[i] = "-bg?r??w"[(p[0] > 128) << 2 | (p[1] > 128) << 1 | (p[2] > 128)];
    }
    assert_string_equal(found, expected);
    release(&r, f);
}

static void check_corners(int rotation, bool mirrored, const char *expected)
{
    check_corners_by(RESAMPLE_AREA, rotation, mirrored, expected);
    check_corners_by(RESAMPLE_LINEAR, rotation, mirrored, expected);
}

static void pictures_land_upright(void **state)
{
    (void) state;
    check_corners(0, false, "rgbw");
    check_corners(90, false, "brwg");
    check_corners(180, false, "wbgr");
    check_corners(270, false, "gwrb");
    check_corners(0, true, "grwb");
    check_corners(90, true, "wgbr");
    check_corners(180, true, "bwrg");
    check_corners(270, true, "rbgw");
}

static void check_channels(enum resample resample)
{
    AVFrame *f = quarters(64, 64);
    struct scale_target t = {32, 32, CHANNELS_BGR, FIT_STRETCH, resample, 0};
    struct scaled r = scaled(f, &t, 0, false);
    check_pixel(&r, 3, 3, 0, 0, 255, 1);
    check_pixel(&r, 28, 3, 0, 255, 0, 1);
    check_pixel(&r, 3, 28, 255, 0, 0, 1);
    free(r.block);
    t.channels = CHANNELS_GRAY;
    r = scaled(f, &t, 0, false);
    check_pixel(&r, 28, 28, 255, 0, 0, 1);
    check_pixel(&r, 3, 3, 76, 0, 0, 2);     /* BT.601: .299 R + .587 G + .114 B */
    check_pixel(&r, 28, 3, 150, 0, 0, 2);
    check_pixel(&r, 3, 28, 29, 0, 0, 2);
    release(&r, f);
}

static void channels_come_in_their_order(void **state)
{
    (void) state;
    check_channels(RESAMPLE_AREA);
    check_channels(RESAMPLE_LINEAR);
}

static void borders_are_filled_and_the_picture_is_where_geometry_says(void **state)
{
    (void) state;
    const struct {
        int w, h, rotation;
        enum fit fit;
        int x, y, gw, gh;
    } cases[] = {
        {128, 72, 0, FIT_LETTERBOX, 0, 14, 64, 36},
        {128, 72, 90, FIT_LETTERBOX, 14, 0, 36, 64},
        {72, 128, 0, FIT_LETTERBOX_TOP_LEFT, 0, 0, 36, 64},
        {128, 72, 180, FIT_LETTERBOX_TOP_LEFT, 0, 0, 64, 36},
        {161, 121, 270, FIT_LETTERBOX, 8, 0, 48, 64},
        {128, 72, 0, FIT_STRETCH, 0, 0, 64, 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AVFrame *f = flat(AV_PIX_FMT_YUV420P, cases[i].w, cases[i].h, 235, 128, 128);
        const struct scale_target t = {64, 64, CHANNELS_RGB, cases[i].fit, RESAMPLE_AREA, 114};
        struct scaled r = scaled(f, &t, cases[i].rotation, false);
        assert_int_equal(r.g.x, cases[i].x);
        assert_int_equal(r.g.y, cases[i].y);
        assert_int_equal(r.g.w, cases[i].gw);
        assert_int_equal(r.g.h, cases[i].gh);
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 64; x++) {
                bool inside = x >= r.g.x && x < r.g.x + r.g.w && y >= r.g.y && y < r.g.y + r.g.h;
                int want = inside ? 255 : 114;
                check_pixel(&r, x, y, want, want, want, 1);
            }
        release(&r, f);
    }
}

static void check_color(enum AVPixelFormat format, int w, int h, enum AVColorSpace space, enum AVColorRange range,
                        const int yuv[3], int red, int green, int blue)
{
    AVFrame *f = flat(format, w, h, yuv[0], yuv[1], yuv[2]);
    f->colorspace = space;
    f->color_range = range;
    const struct scale_target t = {32, 32, CHANNELS_RGB, FIT_STRETCH, RESAMPLE_AREA, 0};
    struct scaled r = scaled(f, &t, 0, false);
    check_pixel(&r, 16, 16, red, green, blue, 3);
    release(&r, f);
}

/* A strong red-ish triple, converted by hand with the matrices of BT.601 and BT.709. */
static void color_matrix_and_range_are_the_frames_own(void **state)
{
    (void) state;
    const int yuv[3] = {100, 110, 180}, white[3] = {235, 128, 128}, dark[3] = {16, 128, 128};
    const enum AVPixelFormat p420 = AV_PIX_FMT_YUV420P, j420 = AV_PIX_FMT_YUVJ420P;
    const enum AVColorRange limited = AVCOL_RANGE_MPEG, full = AVCOL_RANGE_JPEG;
    check_color(p420, 64, 48, AVCOL_SPC_SMPTE170M, limited, yuv, 181, 63, 61);
    check_color(p420, 64, 48, AVCOL_SPC_BT709, limited, yuv, 191, 74, 60);
    check_color(p420, 64, 48, AVCOL_SPC_SMPTE170M, full, yuv, 173, 69, 68);
    check_color(j420, 64, 48, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_UNSPECIFIED, yuv, 173, 69, 68);
    check_color(p420, 64, 48, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, yuv, 181, 63, 61);
    check_color(p420, 1280, 720, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, yuv, 191, 74, 60);
    check_color(p420, 64, 48, AVCOL_SPC_UNSPECIFIED, limited, white, 255, 255, 255);
    check_color(p420, 64, 48, AVCOL_SPC_UNSPECIFIED, limited, dark, 0, 0, 0);
    check_color(p420, 64, 48, AVCOL_SPC_UNSPECIFIED, full, white, 235, 235, 235);
}

static void gray_is_luma_stretched_to_the_full_range(void **state)
{
    (void) state;
    const struct {
        enum AVPixelFormat format;
        enum AVColorRange range;
        int luma, want;
    } cases[] = {
        {AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, 16, 0},   {AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, 235, 255},
        {AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, 126, 128}, {AV_PIX_FMT_YUVJ420P, AVCOL_RANGE_JPEG, 126, 126},
        {AV_PIX_FMT_YUVJ422P, AVCOL_RANGE_JPEG, 255, 255}, {AV_PIX_FMT_YUV444P, AVCOL_RANGE_UNSPECIFIED, 16, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AVFrame *f = flat(cases[i].format, 100, 50, cases[i].luma, 90, 200);
        f->color_range = cases[i].range;
        const struct scale_target t = {33, 17, CHANNELS_GRAY, FIT_STRETCH, RESAMPLE_AREA, 0};
        struct scaled r = scaled(f, &t, 0, false);
        check_pixel(&r, 16, 8, cases[i].want, 0, 0, 1);
        release(&r, f);
    }
}

static void every_format_and_size_stays_inside(void **state)
{
    (void) state;
    const enum AVPixelFormat formats[] = {
        AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P10LE,
        AV_PIX_FMT_YUV444P12LE, AV_PIX_FMT_NV12, AV_PIX_FMT_GRAY8, AV_PIX_FMT_GBRP, AV_PIX_FMT_RGB24,
        AV_PIX_FMT_BGRA, AV_PIX_FMT_YUVA420P, AV_PIX_FMT_YUV410P, AV_PIX_FMT_PAL8, AV_PIX_FMT_YUYV422,
        AV_PIX_FMT_P010LE, AV_PIX_FMT_RGB48LE,
    };
    const int sources[][2] = {{161, 121}, {641, 361}, {64, 48}, {17, 9}, {2, 2}};
    const int targets[][2] = {{1, 1}, {3, 5}, {31, 64}, {97, 33}, {224, 224}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        for (int j = 0; j < 5; j++)
            for (int k = 0; k < 5; k++) {
                AVFrame *f = new_frame(formats[i], sources[j][0], sources[j][1]);
                for (int p = 0; p < AV_NUM_DATA_POINTERS && f->buf[p]; p++)
                    memset(f->buf[p]->data, 0, f->buf[p]->size);
                const struct scale_target t = {targets[k][0], targets[k][1], (enum channel_order) (k % 3),
                                               (enum fit) (j % 3), (enum resample) ((i + (size_t) k) % 2), 7};
                struct scaled r = scaled(f, &t, (int) (i + (size_t) k) % 4 * 90, j % 2);
                release(&r, f);
            }
}

static void a_size_that_changes_within_a_clip_is_followed(void **state)
{
    (void) state;
    const struct scale_target t = {64, 64, CHANNELS_RGB, FIT_LETTERBOX, RESAMPLE_AREA, 0};
    struct scaler *s;
    assert_int_equal(scaler_create(NULL, &t, 0, false, &s), CQ_OK);
    uint8_t *dst = malloc((size_t) scale_bytes(&t));
    const int sizes[][2] = {{128, 64}, {128, 64}, {64, 128}, {128, 64}};
    for (int i = 0; i < 4; i++) {
        AVFrame *f = flat(AV_PIX_FMT_YUV420P, sizes[i][0], sizes[i][1], 235, 128, 128);
        struct geometry g;
        assert_int_equal(scaler_run(s, &(struct clip_frame) {.picture = f}, dst, &g), CQ_OK);
        assert_int_equal(g.display_w, sizes[i][0]);
        assert_int_equal(g.w, sizes[i][0] / 2);
        assert_true(dst[(32 * 64 + 32) * 3] >= 254);
        av_frame_free(&f);
    }
    free(dst);
    scaler_destroy(&s);
}

static void sample_aspect_widens_the_picture(void **state)
{
    (void) state;
    AVFrame *f = flat(AV_PIX_FMT_YUV420P, 72, 72, 235, 128, 128);
    f->sample_aspect_ratio = (AVRational) {16, 9};
    const struct scale_target t = {64, 64, CHANNELS_RGB, FIT_LETTERBOX, RESAMPLE_AREA, 0};
    struct scaled r = scaled(f, &t, 0, false);
    assert_int_equal(r.g.display_w, 128);
    assert_int_equal(r.g.display_h, 72);
    assert_int_equal(r.g.h, 36);
    release(&r, f);
}

/* A fine checkerboard becomes an even grey: every source pixel counts, none is skipped. */
static void shrinking_averages(void **state)
{
    (void) state;
    AVFrame *f = flat(AV_PIX_FMT_YUV420P, 640, 480, 0, 128, 128);
    f->color_range = AVCOL_RANGE_JPEG;
    for (int y = 0; y < 480; y++)
        for (int x = 0; x < 640; x++)
            f->data[0][y * f->linesize[0] + x] = (x + y) % 2 ? 255 : 0;
    const struct scale_target t = {64, 48, CHANNELS_RGB, FIT_STRETCH, RESAMPLE_AREA, 0};
    struct scaled r = scaled(f, &t, 0, false);
    for (int i = 0; i < 64 * 48; i++)
        check_pixel(&r, i % 64, i / 64, 128, 128, 128, 2);
    release(&r, f);
}

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static void impossible_targets_are_refused(void **state)
{
    (void) state;
    struct cq_log log = {.sink = ignore};
    struct scaler *s = NULL;
    const struct scale_target none = {0, 64, CHANNELS_RGB, FIT_STRETCH, RESAMPLE_AREA, 0};
    assert_int_equal(scaler_create(&log, &none, 0, false, &s), CQ_INVALID);
    const struct scale_target good = {64, 64, CHANNELS_RGB, FIT_STRETCH, RESAMPLE_AREA, 0};
    assert_int_equal(scaler_create(&log, &good, 45, false, &s), CQ_INVALID);
    assert_null(s);
    assert_true(log.last_error[0]);
    scaler_destroy(&s);
}

int main(void)
{
    av_log_set_level(AV_LOG_QUIET);   /* swscale remarks on every yuvj frame */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_land_upright),
        cmocka_unit_test(channels_come_in_their_order),
        cmocka_unit_test(borders_are_filled_and_the_picture_is_where_geometry_says),
        cmocka_unit_test(color_matrix_and_range_are_the_frames_own),
        cmocka_unit_test(gray_is_luma_stretched_to_the_full_range),
        cmocka_unit_test(every_format_and_size_stays_inside),
        cmocka_unit_test(a_size_that_changes_within_a_clip_is_followed),
        cmocka_unit_test(sample_aspect_widens_the_picture),
        cmocka_unit_test(shrinking_averages),
        cmocka_unit_test(impossible_targets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
