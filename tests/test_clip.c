/* Decoding clips made for the purpose: order, times, sampling by seeking, damage of every kind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavcodec/avcodec.h>

#include "stages/media/clip.h"
#include "stages/media/probe.h"
#include "tests/media_make.h"

static const struct make_stream plain = {"mpeg4", AV_PIX_FMT_YUV420P, 64, 48, .frames = 50, .b_frames = 2};

enum { MAX_FRAMES = 2000 };

struct outcome {
    int n;
    double time_s[MAX_FRAMES];
    int64_t ordinal[MAX_FRAMES];
    bool keyframe[MAX_FRAMES];
    struct clip_end end;
};

static struct clip_params params_of(const char *path)
{
    struct probe p;
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    assert_string_equal(failure_name(p.failure), "");
    return (struct clip_params) {
        .path = path, .stream_index = p.stream_index, .expect_size = p.size, .expect_mtime_ns = p.mtime_ns,
        .sample = {.every = 1},
    };
}

static const struct outcome *decoded(const struct clip_params *params)
{
    static struct outcome both[2];
    static int next;
    struct outcome *o = &both[next++ % 2];
    *o = (struct outcome) {0};
    struct clip *c;
    assert_int_equal(clip_open(NULL, params, &c, &o->end), CQ_OK);
    struct clip_frame f;
    enum cq_err err;
    while (!(err = clip_next(c, &f))) {
        assert_true(o->n < MAX_FRAMES);
        assert_true(fabs(f.time_s - (double) f.pts * f.tb_num / f.tb_den) < 1e-9);
        assert_int_equal(f.picture->width, 64);
        o->time_s[o->n] = f.time_s;
        o->ordinal[o->n] = f.ordinal;
        o->keyframe[o->n++] = f.keyframe;
    }
    assert_int_equal(err, CQ_EOF);
    assert_int_equal(clip_next(c, &f), CQ_EOF);
    clip_get_end(c, &o->end);
    assert_int_equal(o->end.sampled, o->n);
    assert_true(clip_take_decode_ns(c) > 0);
    assert_int_equal(clip_take_decode_ns(c), 0);
    clip_close(&c);
    assert_null(c);
    return o;
}

static void check_end(const struct outcome *o, enum failure failure, int64_t frames)
{
    assert_string_equal(failure_name(o->end.failure), failure_name(failure));
    assert_true(!failure == !o->end.message[0]);
    assert_int_equal(o->end.decoded, frames);
}

static void gives_frames_in_order_with_their_times(void **state)
{
    (void) state;
    make_clip(make_path("plain.mp4"), &plain, 1, NULL);
    struct clip_params params = params_of(make_path("plain.mp4"));
    for (params.threads = 0; params.threads <= 3; params.threads++) {
        const struct outcome *o = decoded(&params);
        check_end(o, FAIL_NONE, 50);
        for (int i = 0; i < o->n; i++) {
            assert_true(fabs(o->time_s[i] - i * 0.04) < 1e-9);
            assert_int_equal(o->ordinal[i], i);
        }
        assert_true(fabs(o->end.last_s - 49 * 0.04) < 1e-9);
    }
}

static void irregular_times_stay_what_they_are(void **state)
{
    (void) state;
    const int64_t pts[] = {500, 533, 1200, 1201, 1999, 7000, 7001, 9000};
    const struct make_stream vfr = {"ffv1", AV_PIX_FMT_YUV420P, 64, 48, .frames = 8, .tb_num = 1, .tb_den = 1000,
                                    .pts = pts};
    make_clip(make_path("vfr.mkv"), &vfr, 1, NULL);
    struct clip_params params = params_of(make_path("vfr.mkv"));
    const struct outcome *o = decoded(&params);
    check_end(o, FAIL_NONE, 8);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(o->time_s[i] - (double) pts[i] / 1000) < 1e-9);
}

/* 1200 frames of 20 ms in a group of 25: whatever the range, the frames are those of the whole clip. */
static void seeking_gives_the_same_frames(void **state)
{
    (void) state;
    const struct make_stream longer = {"mpeg4", AV_PIX_FMT_YUV420P, 64, 48, .frames = 1200, .tb_num = 1,
                                       .tb_den = 50, .gop = 25, .b_frames = 2};
    const char *names[] = {"long.mp4", "long.mkv", "long.avi", "long.ts"};
    const struct sample_spec specs[] = {
        {.every = 1, .from_s = 5.5}, {.every = 7, .from_s = 11.111, .to_s = 13},
        {.mode = SAMPLE_FPS, .fps = 3, .from_s = 17.77}, {.mode = SAMPLE_KEYFRAMES, .from_s = 9.3, .to_s = 20},
        {.every = 1, .from_s = 23.9}, {.every = 1, .from_s = 500},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        make_clip(make_path(names[i]), &longer, 1, NULL);
        struct clip_params params = params_of(make_path(names[i]));
        for (size_t j = 0; j < sizeof specs / sizeof specs[0]; j++) {
            params.sample = (struct sample_spec) {.every = 1};
            const struct outcome *all = decoded(&params);
            check_end(all, FAIL_NONE, 1200);
            params.sample = specs[j];
            const struct outcome *o = decoded(&params);
            assert_int_equal(o->end.failure, FAIL_NONE);

            struct sampler s;
            sampler_init(&s, &specs[j]);
            int n = 0;
            for (int k = 0; k < all->n; k++)
                if (sampler_show(&s, all->time_s[k], all->keyframe[k]) == SAMPLE_TAKE) {
                    assert_true(n < o->n);
                    if (fabs(o->time_s[n] - all->time_s[k]) >= 1e-9)
                        print_error("%s, case %zu, frame %d: %f, not %f\n", names[i], j, n, o->time_s[n],
                                    all->time_s[k]);
                    assert_true(fabs(o->time_s[n] - all->time_s[k]) < 1e-9);
                    assert_true(o->ordinal[n] == -1 || o->ordinal[n] == k);
                    n++;
                }
            assert_int_equal(o->n, n);
        }
        params.sample = (struct sample_spec) {.every = 1, .from_s = 20};
        assert_true(decoded(&params)->end.decoded < 400);
    }
}

static void key_frames_are_decoded_alone(void **state)
{
    (void) state;
    make_clip(make_path("plain.mp4"), &plain, 1, NULL);
    struct clip_params params = params_of(make_path("plain.mp4"));
    const struct outcome *all = decoded(&params);
    int keys = 0;
    for (int i = 0; i < all->n; i++)
        keys += all->keyframe[i];
    assert_true(keys > 2 && keys < 20);
    params.sample.mode = SAMPLE_KEYFRAMES;
    const struct outcome *o = decoded(&params);
    check_end(o, FAIL_NONE, keys);
    assert_int_equal(o->n, keys);
    assert_int_equal(o->ordinal[0], -1);
}

/* In AVI with B frames a time is known only from what was decoded before. */
static void key_frames_without_pts_have_the_same_times(void **state)
{
    (void) state;
    make_clip(make_path("plain.avi"), &plain, 1, NULL);
    struct clip_params params = params_of(make_path("plain.avi"));
    const struct outcome *all = decoded(&params);
    params.sample.mode = SAMPLE_KEYFRAMES;
    const struct outcome *o = decoded(&params);
    int n = 0;
    for (int i = 0; i < all->n; i++)
        if (all->keyframe[i]) {
            assert_true(n < o->n);
            assert_true(fabs(o->time_s[n++] - all->time_s[i]) < 1e-9);
        }
    assert_int_equal(o->n, n);
}

static void a_cut_file_is_truncated_and_keeps_its_frames(void **state)
{
    (void) state;
    const struct {
        const char *whole, *cut, *options;
    } cases[] = {
        {"whole.mkv", "cut.mkv", NULL},
        {"whole.avi", "cut.avi", NULL},
        {"whole.mov", "cut.mov", "movflags=faststart"},
        {"whole.mp4", "cut.mp4", "movflags=frag_keyframe+empty_moov"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_clip(make_path(cases[i].whole), &plain, 1, cases[i].options);
        struct clip_params params = params_of(make_path(cases[i].whole));
        check_end(decoded(&params), FAIL_NONE, 50);

        make_cut(make_path(cases[i].cut), params.path, make_size(params.path) * 2 / 3);
        params = params_of(make_path(cases[i].cut));
        const struct outcome *o = decoded(&params);
        assert_true(o->n > 5 && o->n < 50);
        check_end(o, FAIL_TRUNCATED, o->n);

        params.sample.to_s = 0.1;   /* what was asked for is all there */
        assert_int_equal(decoded(&params)->end.failure, FAIL_NONE);
    }
}

/* Raw frames all of one size: cut within a frame or in the line before one, but not between two. */
static void a_cut_raw_file_is_truncated(void **state)
{
    (void) state;
    enum { W = 64, H = 48, FRAMES = 4, FRAME = 6 + W * H * 3 / 2 };
    static const char head[] = "YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n";
    char data[sizeof head - 1 + FRAMES * FRAME];
    memset(data, 100, sizeof data);
    memcpy(data, head, sizeof head - 1);
    for (int i = 0; i < FRAMES; i++)
        memcpy(data + sizeof head - 1 + i * FRAME, "FRAME\n", 6);
    const struct {
        int missing, frames;
        enum failure failure;
    } cases[] = {
        {0, 4, FAIL_NONE}, {1, 3, FAIL_TRUNCATED}, {FRAME - 6, 3, FAIL_TRUNCATED}, {FRAME - 3, 3, FAIL_TRUNCATED}, {FRAME, 3, FAIL_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_file(make_path("raw.y4m"), data, (int64_t) sizeof data - cases[i].missing);
        struct clip_params params = params_of(make_path("raw.y4m"));
        check_end(decoded(&params), cases[i].failure, cases[i].frames);
    }
}

/* Bytes after the boxes, as cameras leave them, make no clip partial. */
static void a_tail_of_other_bytes_is_no_damage(void **state)
{
    (void) state;
    make_clip(make_path("plain.mp4"), &plain, 1, NULL);
    FILE *f = fopen(make_path("plain.mp4"), "ab");
    assert_non_null(f);
    assert_int_equal(fwrite("\0\1\0\0pad of a camera", 1, 20, f), 20);
    fclose(f);
    struct clip_params params = params_of(make_path("plain.mp4"));
    check_end(decoded(&params), FAIL_NONE, 50);
}

static void append(const char *path, const char *from)
{
    int64_t size = make_size(from);
    uint8_t *data = malloc((size_t) size);
    FILE *in = fopen(from, "rb"), *out = fopen(path, "ab");
    assert_true(data && in && out);
    assert_int_equal(fread(data, 1, (size_t) size, in), size);
    assert_int_equal(fwrite(data, 1, (size_t) size, out), size);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    free(data);
}

static void a_size_that_changes_is_survived(void **state)
{
    (void) state;
    struct make_stream m = {"mpeg2video", AV_PIX_FMT_YUV420P, 64, 48, .frames = 25};
    make_clip(make_path("sizes.ts"), &m, 1, NULL);
    m.w = 128;
    m.h = 96;
    make_clip(make_path("larger.ts"), &m, 1, NULL);
    append(make_path("sizes.ts"), make_path("larger.ts"));

    struct clip_params params = params_of(make_path("sizes.ts"));
    struct clip *c;
    assert_int_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    struct clip_frame f;
    int small = 0, large = 0;
    while (!clip_next(c, &f)) {
        small += f.picture->width == 64 && f.picture->height == 48;
        large += f.picture->width == 128 && f.picture->height == 96;
    }
    clip_close(&c);
    assert_true(small >= 24 && large >= 24);   /* at the join of two streams one frame may go */
}

static void overwrite(const char *path, int64_t from, int64_t to)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, from, SEEK_SET), 0);
    for (int64_t i = from; i < to; i++)
        fputc((int) (i * 7919 >> 3) & 255, f);
    assert_int_equal(fclose(f), 0);
}

static void damage_inside_is_survived(void **state)
{
    (void) state;
    const struct make_stream pictures = {"png", AV_PIX_FMT_RGB24, 64, 48, .frames = 50};
    const char *path = make_path("damaged.mov");
    make_clip(path, &pictures, 1, "movflags=faststart");
    int64_t size = make_size(path);
    overwrite(path, size / 2, size * 6 / 10);
    struct clip_params params = params_of(path);
    const struct outcome *o = decoded(&params);
    assert_int_equal(o->end.failure, FAIL_DAMAGED);
    assert_true(o->n >= 40 && o->n < 50);
    assert_true(o->end.errors >= 50 - o->n);
    assert_true(fabs(o->end.last_s - 49 * 0.04) < 1e-9);
}

static void nothing_decodable_is_an_error(void **state)
{
    (void) state;
    const struct make_stream pictures = {"png", AV_PIX_FMT_RGB24, 64, 48, .frames = 5};
    const char *path = make_path("rubbish.mov");
    make_clip(path, &pictures, 1, "movflags=faststart");
    struct clip_params params = params_of(path);
    params.expect_size = 0;
    overwrite(path, make_size(path) - 5 * 150, make_size(path));
    const struct outcome *o = decoded(&params);
    check_end(o, FAIL_DECODE_ERROR, 0);
    assert_true(o->end.errors > 0);
}

static void a_changed_file_is_refused(void **state)
{
    (void) state;
    const char *path = make_path("plain.mp4");
    make_clip(path, &plain, 1, NULL);
    struct clip_params params = params_of(path);
    struct clip *c;
    struct clip_end end;
    params.expect_mtime_ns++;
    assert_int_not_equal(clip_open(NULL, &params, &c, &end), CQ_OK);
    assert_null(c);
    assert_int_equal(end.failure, FAIL_CHANGED);
    params = params_of(path);
    params.expect_size++;
    assert_int_not_equal(clip_open(NULL, &params, &c, &end), CQ_OK);
    assert_int_equal(end.failure, FAIL_CHANGED);
    params = params_of(path);
    params.stream_index = 3;
    assert_int_not_equal(clip_open(NULL, &params, &c, &end), CQ_OK);
    assert_int_equal(end.failure, FAIL_CHANGED);
    params.path = make_path("nothing.mp4");
    assert_int_not_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    assert_int_equal(clip_open(NULL, &params, &c, &end), CQ_NOT_FOUND);
    assert_int_equal(end.failure, FAIL_VANISHED);
    assert_true(end.message[0]);
}

enum change { DELETED, REPLACED, CUT, WRITTEN_TO };

static void change_file(const char *path, enum change change)
{
    static char bytes[1 << 20];
    if (change == DELETED)
        assert_int_equal(unlink(path), 0);
    if (change == REPLACED)
        assert_int_equal(rename(make_path("other.avi"), path), 0);
    if (change == CUT)
        assert_int_equal(truncate(path, make_size(path) - 100), 0);
    if (change != WRITTEN_TO)
        return;
    FILE *f = fopen(path, "r+b");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    usleep(20000);                          /* file systems see time in steps */
    rewind(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);     /* even what was there: who knows what lay there in between */
    fclose(f);
}

static enum failure failure_after(enum change change)
{
    struct clip *c;
    struct clip_frame f;
    struct clip_end end;
    char path[256];
    snprintf(path, sizeof path, "%s", make_path("disturbed.avi"));
    make_clip(path, &plain, 1, NULL);
    make_clip(make_path("other.avi"), &plain, 1, NULL);
    const struct clip_params params = params_of(path);
    assert_int_equal(clip_open(NULL, &params, &c, &end), CQ_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(clip_next(c, &f), CQ_OK);
    change_file(path, change);
    while (!clip_next(c, &f))
        ;
    clip_get_end(c, &end);
    clip_close(&c);
    if (!end.failure)
        assert_int_equal(end.decoded, plain.frames);
    return end.failure;
}

static void one_that_changes_while_it_is_read_is_none(void **state)
{
    (void) state;
    assert_string_equal(failure_name(failure_after(DELETED)), "");
    assert_string_equal(failure_name(failure_after(REPLACED)), "");
    assert_string_equal(failure_name(failure_after(CUT)), "changed");
    assert_string_equal(failure_name(failure_after(WRITTEN_TO)), "changed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_changes_while_it_is_read_is_none),
        cmocka_unit_test(gives_frames_in_order_with_their_times),
        cmocka_unit_test(irregular_times_stay_what_they_are),
        cmocka_unit_test(seeking_gives_the_same_frames),
        cmocka_unit_test(key_frames_are_decoded_alone),
        cmocka_unit_test(key_frames_without_pts_have_the_same_times),
        cmocka_unit_test(a_cut_file_is_truncated_and_keeps_its_frames),
        cmocka_unit_test(a_cut_raw_file_is_truncated),
        cmocka_unit_test(a_tail_of_other_bytes_is_no_damage),
        cmocka_unit_test(a_size_that_changes_is_survived),
        cmocka_unit_test(damage_inside_is_survived),
        cmocka_unit_test(nothing_decodable_is_an_error),
        cmocka_unit_test(a_changed_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
