/* Probing: what is told of clips of every shape, and the class that everything else fails with. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "stages/media/orient.h"
#include "stages/media/probe.h"
#include "tests/media_make.h"

static const struct make_stream plain = {"mpeg4", AV_PIX_FMT_YUV420P, 64, 48, .frames = 25};

static struct probe probed(const char *path)
{
    struct probe p;
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    return p;
}

static void check_fails(const char *path, enum failure expected)
{
    struct probe p = probed(path);
    assert_string_equal(failure_name(p.failure), failure_name(expected));
    assert_true(p.message[0]);
}

static void tells_what_a_plain_clip_is(void **state)
{
    (void) state;
    const char *path = make_path("plain.mp4");
    make_clip(path, &plain, 1, NULL);
    struct probe p = probed(path);
    assert_int_equal(p.failure, FAIL_NONE);
    assert_string_equal(p.message, "");
    assert_int_equal(p.size, make_size(path));
    assert_int_equal(strlen(p.fingerprint), 32);
    assert_string_equal(p.container, "mov");
    assert_string_equal(p.codec, "mpeg4");
    assert_string_equal(p.pixel_format, "yuv420p");
    assert_int_equal(p.coded_w, 64);
    assert_int_equal(p.coded_h, 48);
    assert_int_equal(p.display_w, 64);
    assert_int_equal(p.display_h, 48);
    assert_int_equal(p.rotation, 0);
    assert_false(p.mirrored);
    assert_true(p.tb_num == 1 && p.tb_den > 0);
    assert_int_equal(p.start_pts, 0);
    assert_true(fabs(p.duration_s - 1) < 1e-6);
    assert_int_equal(p.frames_claimed, 25);
    assert_true(fabs(p.fps - 25) < 1e-6);
    assert_int_equal(p.stream_index, 0);
    assert_int_equal(p.video_streams, 1);
    assert_string_equal(p.stream_reason, "the only video stream");
}

static void every_failure_has_its_class(void **state)
{
    (void) state;
    make_file(make_path("zero.mp4"), "", 0);
    check_fails(make_path("zero.mp4"), FAIL_EMPTY);
    make_file(make_path("text.mp4"), "not a video at all\n", 19);
    check_fails(make_path("text.mp4"), FAIL_NOT_MEDIA);
    make_sound(make_path("sound.mp4"));
    check_fails(make_path("sound.mp4"), FAIL_NO_VIDEO);
    check_fails(make_path("nothing.mp4"), FAIL_VANISHED);
    check_fails(make_folder(), FAIL_NOT_MEDIA);
    assert_int_equal(mkfifo(make_path("pipe.mp4"), 0600), 0);
    check_fails(make_path("pipe.mp4"), FAIL_NOT_MEDIA);

    make_clip(make_path("cut.mp4"), &plain, 1, NULL);   /* the index stands at the end and is lost */
    make_cut(make_path("cut2.mp4"), make_path("cut.mp4"), -100);
    check_fails(make_path("cut2.mp4"), FAIL_NOT_MEDIA);
}

static void replace(const char *path, const char *from, const char *to)
{
    static uint8_t data[1 << 16];
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    size_t n = fread(data, 1, sizeof data, f), found = 0;
    for (size_t i = 0; i + 4 <= n; i++)
        if (!memcmp(data + i, from, 4)) {
            memcpy(data + i, to, 4);
            found++;
        }
    assert_true(found > 0);
    rewind(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void a_codec_without_decoder_is_told(void **state)
{
    (void) state;
    const char *path = make_path("codec.avi");
    make_clip(path, &plain, 1, NULL);
    replace(path, "FMP4", "XXXX");
    struct probe p = probed(path);
    assert_int_equal(p.failure, FAIL_UNSUPPORTED_CODEC);
    assert_non_null(strstr(p.message, p.codec));
}

static void odd_names_are_plain_names(void **state)
{
    (void) state;
    const char *names[] = {"-i.mp4", "http:x.mp4", "100%d.mp4", "pipe:0", "concat:a|b.mp4", "a b'c\".mkv"};
    make_clip(make_path("plain.mp4"), &plain, 1, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        make_cut(make_path(names[i]), make_path("plain.mp4"), make_size(make_path("plain.mp4")));
        assert_int_equal(probed(make_path(names[i])).failure, FAIL_NONE);
    }
    assert_int_equal(chdir(make_folder()), 0);
    assert_int_equal(probed("-i.mp4").failure, FAIL_NONE);
    assert_int_equal(probed("http:x.mp4").failure, FAIL_NONE);
}

/* The clip that these name is there and readable; only its being reached would make them a video. */
static void a_playlist_reaches_no_other_file(void **state)
{
    (void) state;
    make_clip(make_path("plain.ts"), &plain, 1, NULL);
    char text[8192];
    int n = snprintf(text, sizeof text, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n",
                     make_path("plain.ts"));
    make_file(make_path("list.m3u8"), text, n);
    check_fails(make_path("list.m3u8"), FAIL_NOT_MEDIA);
    n = snprintf(text, sizeof text, "ffconcat version 1.0\nfile plain.ts\n");
    make_file(make_path("list.mp4"), text, n);
    check_fails(make_path("list.mp4"), FAIL_NOT_MEDIA);
    assert_int_equal(chdir(make_folder()), 0);
    check_fails("list.mp4", FAIL_NOT_MEDIA);
}

static void takes_the_stream_with_most_frames(void **state)
{
    (void) state;
    const struct make_stream large_but_short = {"mpeg4", AV_PIX_FMT_YUV420P, 320, 240, .frames = 2,
                                                .disposition = AV_DISPOSITION_DEFAULT};
    const struct make_stream streams[] = {large_but_short, plain};
    make_clip(make_path("two.mp4"), streams, 2, NULL);
    struct probe p = probed(make_path("two.mp4"));
    assert_int_equal(p.failure, FAIL_NONE);
    assert_int_equal(p.stream_index, 1);
    assert_int_equal(p.video_streams, 2);
    assert_int_equal(p.coded_w, 64);
    assert_string_equal(p.stream_reason, "most frames (about 25) of 2 video streams");

    make_clip(make_path("two.mkv"), streams, 2, NULL);
    p = probed(make_path("two.mkv"));
    assert_int_equal(p.stream_index, 1);
    assert_int_equal(p.coded_w, 64);
    assert_true(fabs(p.duration_s - 1) < 1e-3);
}

static void an_attached_picture_is_not_the_clip(void **state)
{
    (void) state;
    const struct make_stream cover = {"png", AV_PIX_FMT_RGB24, 320, 240, .frames = 1,
                                      .disposition = AV_DISPOSITION_ATTACHED_PIC};
    const struct make_stream streams[] = {plain, cover};
    make_clip(make_path("cover.mp4"), streams, 2, NULL);
    struct probe p = probed(make_path("cover.mp4"));
    assert_int_equal(p.failure, FAIL_NONE);
    assert_int_equal(p.coded_w, 64);
    assert_int_equal(p.video_streams, 1);
    assert_string_equal(p.stream_reason, "the only video stream beside attached pictures");
}

/* Clockwise by 90: a point right of the origin is shown below it. ISO/IEC 14496-12 matrices, 16.16 and 2.30. */
enum { ONE = 1 << 16, UNIT = 1 << 30 };
static const int32_t turn90[9] = {0, ONE, 0, -ONE, 0, 0, 0, 0, UNIT};
static const int32_t turn180[9] = {-ONE, 0, 0, 0, -ONE, 0, 0, 0, UNIT};
static const int32_t turn270[9] = {0, -ONE, 0, ONE, 0, 0, 0, 0, UNIT};
static const int32_t flip[9] = {-ONE, 0, 0, 0, ONE, 0, 0, 0, UNIT};
static const int32_t upside_down[9] = {ONE, 0, 0, 0, -ONE, 0, 0, 0, UNIT};
static const int32_t transpose[9] = {0, ONE, 0, ONE, 0, 0, 0, 0, UNIT};
static const int32_t nothing[9] = {0};

static void reads_display_matrices(void **state)
{
    (void) state;
    const struct {
        const int32_t *matrix;
        int rotation;
        bool mirrored;
    } cases[] = {
        {turn90, 90, false}, {turn180, 180, false}, {turn270, 270, false}, {flip, 0, true},
        {upside_down, 180, true}, {transpose, 270, true}, {nothing, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rotation;
        bool mirrored;
        orient_read(cases[i].matrix, &rotation, &mirrored);
        assert_int_equal(rotation, cases[i].rotation);
        assert_int_equal(mirrored, cases[i].mirrored);
    }
}

static void applies_aspect_then_rotation(void **state)
{
    (void) state;
    struct make_stream m = plain;
    m.sar_num = 3;
    m.sar_den = 2;
    m.matrix = turn90;
    make_clip(make_path("turned.mp4"), &m, 1, NULL);
    struct probe p = probed(make_path("turned.mp4"));
    assert_int_equal(p.rotation, 90);
    assert_int_equal(p.sar_num, 3);
    assert_int_equal(p.sar_den, 2);
    assert_int_equal(p.coded_w, 64);
    assert_int_equal(p.coded_h, 48);
    assert_int_equal(p.display_w, 48);
    assert_int_equal(p.display_h, 96);
}

static void an_absurd_aspect_is_ignored(void **state)
{
    (void) state;
    int w, h;
    orient_display_size(64, 48, 1, 4000, 0, &w, &h);
    assert_int_equal(w, 64);
    orient_display_size(64, 48, 0, 1, 270, &w, &h);
    assert_int_equal(w, 48);
    assert_int_equal(h, 64);
    orient_display_size(1, 1, 1, 8, 0, &w, &h);
    assert_int_equal(w, 1);
}

static void survives_the_way_as_a_message(void **state)
{
    (void) state;
    make_clip(make_path("plain.mp4"), &plain, 1, NULL);
    struct probe p = probed(make_path("plain.mp4")), q;
    p.mirrored = true;
    p.failure = FAIL_IO;
    snprintf(p.message, sizeof p.message, "why");
    struct cq_buf b = {0};
    probe_put(&b, &p);
    assert_int_equal(b.err, CQ_OK);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    assert_int_equal(probe_get(&r, &q), CQ_OK);
    assert_int_equal(r.pos, b.size);
    assert_memory_equal(&p, &q, sizeof p);
    for (size_t cut = 0; cut < b.size; cut++) {
        r = cq_rd_of(b.data, cut);
        assert_int_equal(probe_get(&r, &q), CQ_PROTOCOL);
    }
    cq_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_a_plain_clip_is),
        cmocka_unit_test(every_failure_has_its_class),
        cmocka_unit_test(a_codec_without_decoder_is_told),
        cmocka_unit_test(odd_names_are_plain_names),
        cmocka_unit_test(a_playlist_reaches_no_other_file),
        cmocka_unit_test(takes_the_stream_with_most_frames),
        cmocka_unit_test(an_attached_picture_is_not_the_clip),
        cmocka_unit_test(reads_display_matrices),
        cmocka_unit_test(applies_aspect_then_rotation),
        cmocka_unit_test(an_absurd_aspect_is_ignored),
        cmocka_unit_test(survives_the_way_as_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
