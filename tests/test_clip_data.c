/* Real clips: as many frames as are known to be in them, at the times that ffprobe gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/media/clip.h"
#include "stages/media/probe.h"
#include "tests/media_make.h"

static const struct {
    const char *name;
    int frames;
    enum failure failure;
    int display_w, display_h;
} clips[] = {
    {"one-by-one-person-detection.mp4", 1394, FAIL_NONE, 768, 432},
    {"car-detection.mp4", 377, FAIL_NONE, 768, 432},
    {"asl_walk.mkv", 89, FAIL_NONE, 640, 480},
    {"solidWhiteRight.mp4", 221, FAIL_NONE, 960, 540},
    {"sam2_juggle.mp4", 247, FAIL_NONE, 1280, 720},
    {"sam2_dog.mp4", 289, FAIL_NONE, 1280, 720},
    {"phone_hevc_rot90_vfr_2tracks.mp4", 53, FAIL_NONE, 1080, 1440},
    {"face_av1.mp4", 30, FAIL_NONE, 1080, 720},
    {"face_bt601.mov", 30, FAIL_NONE, 640, 428},
    {"bear_vp9_odd.webm", 30, FAIL_NONE, 161, 121},
    {"bird_mpeg4.avi", 96, FAIL_NONE, 960, 400},
    {"fire2_rot180_vfr.mp4", 25, FAIL_NONE, 1280, 720},
    {"edge/car_truncated.mp4", 200, FAIL_TRUNCATED, 768, 432},
    {"edge/car_truncated_moov_first.mp4", 264, FAIL_TRUNCATED, 768, 432},
    {"edge/face_mjpeg.avi", 30, FAIL_NONE, 640, 428},
    {"edge/juggle_hevc.mkv", 72, FAIL_NONE, 854, 480},
    {"edge/road_vfr_odd_641x361.webm", 83, FAIL_NONE, 641, 361},
};
enum { N_CLIPS = sizeof clips / sizeof clips[0] };

static const char *clip_path(int i)
{
    char name[128];
    snprintf(name, sizeof name, "clips/%s", clips[i].name);
    const char *path = make_data_path(name);
    assert_non_null(path);
    return path;
}

static struct clip *opened(const char *path, int threads, struct probe *p)
{
    assert_int_equal(probe_file(NULL, path, p), CQ_OK);
    assert_string_equal(failure_name(p->failure), "");
    const struct clip_params params = {
        .path = path, .stream_index = p->stream_index, .expect_size = p->size, .expect_mtime_ns = p->mtime_ns,
        .sample = {.every = 1}, .threads = threads,
    };
    struct clip *c;
    assert_int_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    return c;
}

static void frames_are_as_many_as_known(void **state)
{
    (void) state;
    for (int i = 0; i < N_CLIPS; i++) {
        struct probe p;
        struct clip *c = opened(clip_path(i), 2, &p);
        struct clip_frame f;
        while (!clip_next(c, &f))
            ;
        struct clip_end end;
        clip_get_end(c, &end);
        if (end.decoded != clips[i].frames || end.failure != clips[i].failure)
            print_error("%s: %s %s\n", clips[i].name, failure_name(end.failure), end.message);
        assert_int_equal(end.decoded, clips[i].frames);
        assert_int_equal(end.failure, clips[i].failure);
        assert_int_equal(p.display_w, clips[i].display_w);
        assert_int_equal(p.display_h, clips[i].display_h);
        clip_close(&c);
    }
}

/* ffprobe's next best_effort_timestamp_time; false at the end. Other lines (side data) are passed over. */
static bool next_time(FILE *ffprobe, double *time_s)
{
    char line[256];
    while (fgets(line, sizeof line, ffprobe))
        if (sscanf(line, "%lf", time_s) == 1)
            return true;
    return false;
}

static void times_are_those_of_ffprobe(void **state)
{
    (void) state;
    if (system("ffprobe -version >/dev/null 2>&1")) {
        print_message("skipped: no ffprobe\n");
        skip();
    }
    for (int i = 0; i < N_CLIPS; i++) {
        const char *path = clip_path(i);
        struct probe p;
        struct clip *c = opened(path, 1, &p);
        char command[4500];
        snprintf(command, sizeof command,
                 "ffprobe -v quiet -select_streams %d -show_entries frame=best_effort_timestamp_time -of csv=p=0 '%s'",
                 p.stream_index, path);
        FILE *ffprobe = popen(command, "r");
        assert_non_null(ffprobe);
        struct clip_frame f;
        double time_s;
        int n = 0;
        for (; !clip_next(c, &f); n++) {
            assert_true(next_time(ffprobe, &time_s));
            if (fabs(f.time_s - time_s) > 1e-6)
                print_error("%s, frame %d: %f, not %f\n", clips[i].name, n, f.time_s, time_s);
            assert_true(fabs(f.time_s - time_s) <= 1e-6);   /* ffprobe prints six digits */
            assert_int_equal(f.ordinal, n);
        }
        assert_false(next_time(ffprobe, &time_s));
        pclose(ffprobe);
        clip_close(&c);
    }
}

static void what_is_no_clip_has_its_class(void **state)
{
    (void) state;
    const struct {
        const char *name;
        enum failure failure;
    } others[] = {
        {"clips/edge/audio_only.mp4", FAIL_NO_VIDEO},
        {"clips/edge/not_a_video.mp4", FAIL_NOT_MEDIA},
        {"clips/edge/zero_bytes.mp4", FAIL_EMPTY},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct probe p;
        const char *path = make_data_path(others[i].name);
        assert_non_null(path);
        assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
        assert_string_equal(failure_name(p.failure), failure_name(others[i].failure));
    }
}

static void the_phone_clip_is_turned_and_its_second_stream_left(void **state)
{
    (void) state;
    struct probe p;
    const char *path = make_data_path("clips/phone_hevc_rot90_vfr_2tracks.mp4");
    assert_non_null(path);
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    assert_int_equal(p.rotation, 270);
    assert_false(p.mirrored);
    assert_int_equal(p.video_streams, 2);
    assert_int_equal(p.stream_index, 0);
}

int main(void)
{
    if (!make_data_path("clips/sam2_juggle.mp4")) {
        print_message("skipped: no real clips; CLIPQ_DATA names the folder that holds clips/\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_as_many_as_known),
        cmocka_unit_test(times_are_those_of_ffprobe),
        cmocka_unit_test(what_is_no_clip_has_its_class),
        cmocka_unit_test(the_phone_clip_is_turned_and_its_second_stream_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
