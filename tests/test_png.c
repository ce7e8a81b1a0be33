/* PNG: what is written decodes to the same pixels; a failure leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>

#include "kernels/base/log.h"
#include "stages/answer/png.h"
#include "tests/media_make.h"

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static AVFrame *decode(const char *path)
{
    int64_t size = make_size(path);
    AVPacket *packet = av_packet_alloc();
    assert_int_equal(av_new_packet(packet, (int) size), 0);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(packet->data, 1, (size_t) size, f), size);
    fclose(f);

    const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_PNG);
    AVCodecContext *c = avcodec_alloc_context3(codec);
    AVFrame *frame = av_frame_alloc();
    assert_int_equal(avcodec_open2(c, codec, NULL), 0);
    assert_int_equal(avcodec_send_packet(c, packet), 0);
    assert_int_equal(avcodec_receive_frame(c, frame), 0);
    avcodec_free_context(&c);
    av_packet_free(&packet);
    return frame;
}

static void check_round_trip(int w, int h, int channels)
{
    uint8_t *pixels = malloc((size_t) (w * h * channels));
    for (int i = 0; i < w * h * channels; i++)
        pixels[i] = (uint8_t) (i * 37 + i / 11);
    const char *path = make_path("a:b %d.png");
    assert_int_equal(png_write(NULL, path, pixels, w, h, channels), CQ_OK);

    AVFrame *f = decode(path);
    assert_int_equal(f->width, w);
    assert_int_equal(f->height, h);
    assert_int_equal(f->format, channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24);
    for (int y = 0; y < h; y++)
        assert_memory_equal(f->data[0] + y * f->linesize[0], pixels + y * w * channels, w * channels);
    av_frame_free(&f);
    free(pixels);
}

static void gives_the_same_pixels_back(void **state)
{
    (void) state;
    check_round_trip(1, 1, 1);
    check_round_trip(1, 1, 3);
    check_round_trip(161, 121, 3);
    check_round_trip(672, 672, 1);
}

static void leaves_nothing_behind_when_it_fails(void **state)
{
    (void) state;
    struct cq_log log = {.sink = ignore};
    const uint8_t pixel[3] = {1, 2, 3};
    assert_int_equal(png_write(&log, make_path("none/x.png"), pixel, 1, 1, 3), CQ_NOT_FOUND);
    assert_non_null(strstr(log.last_error, "none/x.png"));
    assert_int_equal(png_write(&log, make_path("x.png"), pixel, 1, 1, 2), CQ_INVALID);
    assert_int_equal(png_write(&log, make_path("x.png"), pixel, 0, 1, 3), CQ_INVALID);
    assert_int_equal(access(make_path("x.png"), F_OK), -1);

    const char *folder = make_path("folder.png");   /* rename() onto a folder fails after everything was written */
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_not_equal(png_write(&log, folder, pixel, 1, 1, 3), CQ_OK);
    assert_int_equal(access(make_path("folder.png.part"), F_OK), -1);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_pixels_back),
        cmocka_unit_test(leaves_nothing_behind_when_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
